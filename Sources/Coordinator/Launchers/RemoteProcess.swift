import Foundation
import Logging
import Protocol
import Transport

/// A process of this machine that starts a worker on another one.
enum RemoteProcess {
    /// Starts it; what the worker is to read is written to its standard input, which stays open.
    ///
    /// - Parameters:
    ///   - setting: key of the cluster file that says what the command is.
    ///   - variables: of the worker's environment.
    /// - Throws: ``ClusterError/launchFailed(worker:reason:)`` with what to do where the program is missing.
    static func start(
        _ order: LaunchOrder, _ command: String, setting: String, _ words: [String], variables: [String: String],
        logger: Logger,
        ended: @escaping @Sendable (WorkerExit) -> Void
    ) throws(ClusterError) -> any LaunchedWorker {
        do throws(ClusterError) {
            return try LocalProcess(
                name: order.name, executable: command, arguments: words,
                environment: ProcessInfo.processInfo.environment, input: input(order, variables), holdsInput: true,
                logger: logger, ended: ended)
        } catch {
            guard case .launchFailed(let worker, let reason) = error else { throw error }
            throw .launchFailed(worker: worker, reason: "\(reason): install it, or set \(setting) to its path")
        }
    }

    /// What a worker finds on its standard input, in the order in which `WorkerCommand` reads it.
    private static func input(_ order: LaunchOrder, _ variables: [String: String]) -> [UInt8] {
        EnvironmentEntries.encode(variables) + order.secret
    }
}
