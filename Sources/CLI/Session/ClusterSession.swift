import Coordinator
import Foundation
import Logging
import Protocol

/// The wiring of `up`: a cluster that stays until it is told to stop.
enum ClusterSession {
    /// How long the picture in progress may take after the first signal to stop.
    private static let drainDeadline = Duration.seconds(600)
    /// How often `up` looks whether the cluster has failed.
    private static let healthInterval = Duration.milliseconds(250)

    /// Starts a cluster, loads its model and serves clients.
    ///
    /// Returns after a signal; throws when the cluster fails.
    static func up(_ configuration: ClusterConfiguration) async throws {
        let configuration = try configuration.resolvedForStart()
        let signals = StopSignals()
        let logger = TerminalLog.logger(level: .notice)
        let studio = try Studio(configuration: configuration, progress: Progress())
        let cluster = Cluster(
            settings: configuration.settings(
                bind: configuration.control.endpoint, modelHash: studio.modelHash),
            launcher: configuration.launcher(logger), logger: logger)
        do {
            try await signals.stopping(after: 1) {
                try await cluster.start()
                try await studio.prepare(on: cluster, pictures: configuration.batchDivisor)
            }
            let endpoint = await cluster.endpoint ?? configuration.control.endpoint
            Terminal.shared.note("\(configuration.name) is ready at \(endpoint)")
            try await serve(JobService(cluster: cluster, studio: studio, logger: logger), cluster, signals)
        } catch {
            await cluster.shutdown(reason: "the coordinator ends")
            throw error
        }
        await cluster.shutdown(reason: "the coordinator was told to stop")
    }

    /// Serves until a signal and the end of the picture in progress, a second signal, or the cluster's failure.
    private static func serve(_ jobs: JobService, _ cluster: Cluster, _ signals: StopSignals) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await jobs.run() }
            group.addTask {
                while await cluster.status.state != "failed" { try await Task.sleep(for: healthInterval) }
                throw Failed(name: cluster.settings.name)
            }
            group.addTask {
                guard await signals.received(1) else { return }
                Terminal.shared.note("stopping after the picture in progress; once more stops at once")
                await withTaskGroup(of: Void.self) { ending in
                    ending.addTask { await jobs.drain() }
                    ending.addTask { _ = await signals.received(2) }
                    // Sleeping ends with an error when the drain is over before.
                    ending.addTask { _ = try? await Task.sleep(for: drainDeadline) }
                    await ending.next()
                    await jobs.stop()
                    ending.cancelAll()
                }
                throw StopSignals.Stopped()
            }
            defer { group.cancelAll() }
            do {
                try await group.next()
            } catch is StopSignals.Stopped {
                return
            }
        }
    }

    /// The cluster failed while nobody waited for a picture; its own message is in the log.
    private struct Failed: Error, CustomStringConvertible {
        let name: String
        var description: String { "cluster \(name) has lost a worker and cannot go on: start it again" }
    }
}
