import Bench
import Coordinator
import Logging
import Protocol
import Transport
import Worker

/// Workers inside the test's process: the real service, on its own threads, over loopback.
struct TestWorkers: BenchWorkers, Launcher {
    private struct Handle: LaunchedWorker {
        let task: Task<Void, Never>
        func terminate() { task.cancel() }
        func kill() { task.cancel() }
    }

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
        return try await withCluster(settings, launcher: self, logger: Self.logger, body: body)
    }

    func launch(
        _ order: LaunchOrder, ended: @escaping @Sendable (WorkerExit) -> Void
    ) throws(ClusterError) -> any LaunchedWorker {
        let settings = WorkerSettings(connect: order.connect, name: order.name, clusterID: order.clusterID)
        let service = WorkerService(settings: settings, logger: Self.logger)
        return Handle(
            // As in a process of its own, nothing that other tests compute delays the news of its end.
            task: Task(executorPreference: ThreadExecutor(name: order.name)) {
                do {
                    let end = try await service.run()
                    ended(WorkerExit(status: end.isOrderly ? "exit status 0" : "exit status 1", lastLines: ["\(end)"]))
                } catch {
                    ended(WorkerExit(status: "exit status 1", lastLines: ["\(error)"]))
                }
            })
    }
}
