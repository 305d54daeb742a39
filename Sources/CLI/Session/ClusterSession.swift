import Coordinator
import Foundation
import Logging
import Protocol
import Server

/// The wiring of `up`: a cluster that stays until it is told to stop.
enum ClusterSession {
    /// How long the picture in progress may take after the first signal to stop.
    private static let drainDeadline = Duration.seconds(600)
    /// How often `up` looks whether the cluster has failed.
    private static let healthInterval = Duration.milliseconds(250)
    /// An order that has not come forward for so long has stalled, as for `/health/progress`.
    private static let stallLimit = Duration.seconds(120)
    /// How long clients of a failed cluster may take to be told.
    private static let farewell = Duration.seconds(2)

    /// Starts a cluster, loads its model and serves clients: those on the control port, and those of the HTTP server.
    ///
    /// Returns after a signal; throws when the cluster fails.
    static func up(_ configuration: ClusterConfiguration, logger: Logger) async throws {
        let configuration = try configuration.resolvedForStart()
        let signals = StopSignals()
        let metrics = Metrics()
        let studio = try Studio(configuration: configuration, progress: Progress(), metrics: metrics)
        var settings = try configuration.settings(bind: configuration.control.endpoint, modelHash: studio.modelHash)
        settings.restartLimit = configuration.restarts
        let cluster = Cluster(
            settings: settings,
            launcher: configuration.launcher(logger), logger: logger)
        let service = PictureService(
            cluster: cluster, studio: studio, settings: configuration.server, metrics: metrics)
        let jobs = JobService(cluster: cluster, service: service, studio: studio, logger: logger)
        guard configuration.server.isEnabled else {
            return try await run(cluster, studio, service, jobs, configuration, signals)
        }
        let host = configuration.server.address.host
        let (listening, continuation) = AsyncStream.makeStream(of: Int.self)
        let server = try ImageServer(configuration.server, service: service, metrics: metrics, logger: logger) { port in
            continuation.yield(port)
            continuation.finish()
        }
        let reload = ReloadSignal { reloadKeys(server, logger) }
        defer { withExtendedLifetime(reload) {} }
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                defer { continuation.finish() }
                try await server.run()
            }
            group.addTask {
                // The port first: a cluster that nobody can reach need not load.
                guard let port = await listening.first(where: { _ in true }) else { return }
                Terminal.shared.note("the HTTP server listens at http://\(host):\(port)")
                do {
                    try await run(cluster, studio, service, jobs, configuration, signals)
                } catch {
                    await server.stop()
                    throw error
                }
                await server.stop()
            }
            defer { group.cancelAll() }
            while try await group.next() != nil {}
        }
    }

    /// Reads the keys file again and says what came of it.
    private static func reloadKeys(_ server: ImageServer, _ logger: Logger) {
        ServiceManager.shared.reloading()
        defer { ServiceManager.shared.ready() }
        do {
            guard let count = try server.reloadKeys() else {
                return logger.notice("SIGHUP: this server has no keys to read again")
            }
            logger.notice("the keys were read again", metadata: ["keys": .stringConvertible(count)])
        } catch {
            logger.error("nobody is admitted until the keys are right", metadata: ["reason": "\(error)"])
        }
    }

    /// The life of the cluster, from its start to its end.
    private static func run(
        _ cluster: Cluster, _ studio: Studio, _ service: PictureService, _ jobs: JobService,
        _ configuration: ClusterConfiguration, _ signals: StopSignals
    ) async throws {
        do {
            ServiceManager.shared.status("the workers are starting")
            try await signals.stopping(after: 1) {
                try await cluster.start()
                try await studio.prepare(on: cluster, pictures: configuration.batchDivisor) { progress in
                    service.loading(progress)
                    ServiceManager.shared.status(
                        "loaded \(progress.loadedByteCount) of \(progress.byteCount) bytes of weights")
                }
            }
            service.open()
            let endpoint = await cluster.endpoint ?? configuration.control.endpoint
            Terminal.shared.note("\(configuration.name) is ready at \(endpoint)")
            ServiceManager.shared.status("serving \(configuration.name)")
            ServiceManager.shared.ready()
            try await serve(service, jobs, cluster, signals)
        } catch {
            await service.stop()
            await cluster.shutdown(reason: "the coordinator ends")
            throw error
        }
        await cluster.shutdown(reason: "the coordinator was told to stop")
    }

    /// Serves until a signal and the end of the picture in progress, a second signal, or the cluster's failure.
    private static func serve(
        _ service: PictureService, _ jobs: JobService, _ cluster: Cluster, _ signals: StopSignals
    ) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask { await jobs.run() }
            if let interval = ServiceManager.shared.watchdogInterval {
                group.addTask { await feedWatchdog(service, every: interval / 3) }
            }
            group.addTask {
                while await cluster.status.state != "failed" { try await Task.sleep(for: healthInterval) }
                // Whoever waits for a picture hears from it which worker was lost, before all ends.
                await withTaskGroup(of: Void.self) { ending in
                    ending.addTask { await jobs.finish() }
                    ending.addTask { _ = try? await Task.sleep(for: farewell) }
                    await ending.next()
                    await service.stop()
                    ending.cancelAll()
                }
                throw Failed(name: cluster.settings.name)
            }
            group.addTask {
                guard await signals.received(1) else { return }
                ServiceManager.shared.stopping()
                Terminal.shared.note("stopping after the picture in progress; once more stops at once")
                await withTaskGroup(of: Void.self) { ending in
                    ending.addTask {
                        await service.drain()
                        await jobs.finish()
                    }
                    ending.addTask { _ = await signals.received(2) }
                    // Sleeping ends with an error when the drain is over before.
                    ending.addTask { _ = try? await Task.sleep(for: drainDeadline) }
                    await ending.next()
                    await service.stop()
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

    /// Tells the service manager again and again that all is well, for as long as what runs comes forward.
    private static func feedWatchdog(_ service: PictureService, every interval: Duration) async {
        var stalled = false
        repeat {
            let queue = await service.status().queue
            let isStalled = queue.running > 0 && queue.progressAge.map { $0 > stallLimit } == true
            if !isStalled { ServiceManager.shared.alive() }
            if stalled != isStalled {
                ServiceManager.shared.status(isStalled ? "an order has stalled" : "serving")
                stalled = isStalled
            }
            // Sleeping ends with an error when the cluster ends.
        } while (try? await Task.sleep(for: interval)) != nil
    }

    /// The cluster failed while nobody waited for a picture; its own message is in the log.
    private struct Failed: Error, CustomStringConvertible {
        let name: String
        var description: String { "cluster \(name) has lost a worker and cannot go on: start it again" }
    }
}
