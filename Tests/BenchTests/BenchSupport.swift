import Bench
import Coordinator
import Logging

/// Workers inside the test's process: the real service, on its own threads, over loopback.
struct TestWorkers: BenchWorkers {
    static let logger: Logger = {
        var logger = Logger(label: "test")
        logger.logLevel = .error
        return logger
    }()

    func with<Result: Sendable>(
        _ group: WorkerGroup, _ body: @escaping @Sendable (Cluster) async throws -> Result
    ) async throws -> Result {
        let settings = ClusterSettings(
            name: "bench", workers: (0..<group.count).map { .init(name: "w\($0)", threads: group.threads) },
            silence: .seconds(30), coordinatorSilence: .seconds(30))
        return try await withCluster(
            settings, launcher: InProcessLauncher(logger: Self.logger), logger: Self.logger, body: body)
    }
}
