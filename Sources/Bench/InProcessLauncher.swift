public import Coordinator
public import Logging
import Protocol
import Transport
import Worker

/// Starts workers as threads of this process: the real service, over the real links, without processes of their own.
public struct InProcessLauncher: Launcher {
    /// A worker of the launcher.
    private struct Handle: LaunchedWorker {
        let task: Task<Void, Never>
        func terminate() { task.cancel() }
        func kill() { task.cancel() }
    }

    private let logger: Logger

    /// A launcher whose workers write their logs here.
    public init(logger: Logger) { self.logger = logger }

    /// Starts a worker; ending it ends its task.
    public func launch(
        _ order: LaunchOrder, ended: @escaping @Sendable (WorkerExit) -> Void
    ) throws(ClusterError) -> any LaunchedWorker {
        let settings = WorkerSettings(
            connect: order.connect, name: order.name, clusterID: order.clusterID, key: order.key)
        let service = WorkerService(settings: settings, logger: logger)
        // Ends with the cluster, which tells it to or cancels it. As in a process of its own, nothing that this one
        // computes delays the news of its end.
        return Handle(
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
