import Foundation
import Logging
import Protocol

/// A process of this machine that starts a worker on another one.
enum RemoteProcess {
    /// Starts it; the worker's variables are written to its standard input, which stays open.
    ///
    /// Throws ``ClusterError/launchFailed(worker:reason:)`` with what to do where the program is missing.
    static func start(
        _ order: LaunchOrder, _ command: String, _ words: [String], input: [String: String], logger: Logger,
        ended: @escaping @Sendable (WorkerExit) -> Void
    ) throws(ClusterError) -> any LaunchedWorker {
        do throws(ClusterError) {
            return try LocalProcess(
                name: order.name, executable: command, arguments: words,
                environment: ProcessInfo.processInfo.environment, input: EnvironmentEntries.encode(input),
                logger: logger, ended: ended)
        } catch {
            guard case .launchFailed(let worker, let reason) = error else { throw error }
            let key = command.hasSuffix("srun") ? "workers.slurm.command" : "workers.ssh.command"
            throw .launchFailed(worker: worker, reason: "\(reason): install it, or set \(key) to its path")
        }
    }
}
