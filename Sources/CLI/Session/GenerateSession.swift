import Coordinator
import Foundation
import Logging
import Protocol
import Server
import Synchronization

/// The wiring of `generate` and `batch`: orders for the running cluster, or for one that lives as long as the call.
enum GenerateSession {
    /// How long a running cluster may take to answer.
    private static let helloDeadline = Duration.seconds(1)

    /// Makes the order's pictures; progress goes to the terminal.
    ///
    /// - Parameter trace: file for a timeline of the workers; a cluster of the call's own makes the pictures then.
    static func pictures(
        _ configuration: ClusterConfiguration, _ order: Generate, trace: String? = nil
    ) async throws -> Pictures {
        let made = Mutex<Pictures?>(nil)
        try await make(configuration, [order], trace: trace) { _, pictures in made.withLock { $0 = pictures } }
        guard let pictures = made.withLock({ $0 }) else { preconditionFailure("an order ends in pictures or an error") }
        return pictures
    }

    /// Makes the pictures of several orders, one order after the other on one cluster; progress goes to the terminal.
    ///
    /// - Parameters:
    ///   - trace: file for a timeline of the workers; a cluster of the call's own makes the pictures then.
    ///   - deliver: gets the index of an order and its pictures, as soon as they are there.
    static func make(
        _ configuration: ClusterConfiguration, _ orders: [Generate], trace: String? = nil,
        deliver: @escaping @Sendable (Int, Pictures) throws -> Void
    ) async throws {
        let signals = StopSignals()
        let logger = TerminalLog.logger(level: .critical)
        let progress = Progress()
        defer { progress.finish() }
        try await signals.stopping(after: 1) {
            var start = 0
            let address = configuration.clientAddress
            if trace == nil && mayRun(address) {
                let client = ClusterClient(
                    endpoint: address.endpoint, key: try configuration.clusterKey(), logger: logger)
                do {
                    for (index, order) in orders.enumerated() {
                        let pictures = try await client.generate(order, patience: helloDeadline) { show($0, progress) }
                        progress.finish()
                        try deliver(index, pictures)
                        start = index + 1
                    }
                } catch let error as ClientError where error.code == "unreachable" && start == 0 {
                    logger.debug("no cluster answers", metadata: ["endpoint": "\(address.endpoint)"])
                }
            }
            if start < orders.count { try await alone(configuration, orders, trace, progress, logger, deliver) }
        }
    }

    /// False where certainly nothing listens.
    private static func mayRun(_ control: NetworkAddress) -> Bool {
        if control.port == 0 { return false }
        return !["127.0.0.1", "localhost"].contains(control.host) || !Machine.isFree(port: control.port)
    }

    /// Starts a cluster on a port of its own, makes the pictures and ends it.
    private static func alone(
        _ configuration: ClusterConfiguration, _ orders: [Generate], _ trace: String?, _ progress: Progress,
        _ logger: Logger, _ deliver: @escaping @Sendable (Int, Pictures) throws -> Void
    ) async throws {
        let configuration = try configuration.resolvedForStart()
        let studio = try Studio(configuration: configuration, progress: progress)
        for order in orders { try studio.check(order) }
        let settings = try configuration.settings(bind: configuration.ownEndpoint, modelHash: studio.modelHash)
        Terminal.shared.note("\(configuration.startNote) for this call")
        try await withCluster(settings, launcher: configuration.launcher(logger), logger: logger) { cluster in
            if trace != nil { try await cluster.startTrace() }
            for (index, order) in orders.enumerated() {
                let pictures = try await studio.make(order, on: cluster) { report in
                    // The studio shows each worker's loading itself.
                    if report.phase != JobProgress.loadPhase { show(report, progress) }
                }
                progress.finish()
                try deliver(index, pictures)
            }
            if let trace, let recorded = try await cluster.endTrace() { try TraceFile.write(recorded, to: trace) }
        }
    }

    private static func show(_ report: JobProgress, _ progress: Progress) {
        switch report.phase {
        case JobProgress.loadPhase:
            let workers = LoadingProgress.Worker(name: "workers", loadedByteCount: report.done, byteCount: report.total)
            progress.loaded(LoadingProgress(workers: [workers]))
        case JobProgress.queuedPhase: progress.waiting(behind: report.total)
        case JobProgress.stepPhase: progress.stepped(report.done, of: report.total, left: report.timeLeft)
        default: break
        }
    }
}
