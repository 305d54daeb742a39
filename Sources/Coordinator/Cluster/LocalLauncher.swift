import Foundation
import Glibc
public import Logging
import Transport

/// Starts workers as processes of this machine: `<executable> worker --connect … --name … --cluster-id … --key-file …`.
///
/// A cluster's key is written to their standard input. /// Each is in a process group of its own, so that a signal from the terminal reaches only the coordinator, which then
/// ends its workers in order; and each ends with the coordinator's process whatever ends that (see `ParentGuard`).
public struct LocalLauncher: Launcher {
    /// Program to start.
    public var executable: String
    /// Arguments; nil: those of the `worker` command.
    public var arguments: [String]?
    /// Variables added to the environment.
    public var environment: [String: String]
    private let logger: Logger

    /// A launcher of this executable; the lines that workers write go to the logger with the worker's name.
    public init(
        executable: String, arguments: [String]? = nil, environment: [String: String] = [:], logger: Logger
    ) {
        self.executable = executable
        self.arguments = arguments
        self.environment = environment
        self.logger = logger
    }

    /// Starts a worker.
    public func launch(
        _ order: LaunchOrder, ended: @escaping @Sendable (WorkerExit) -> Void
    ) throws(ClusterError) -> any LaunchedWorker {
        let words = arguments ?? order.arguments
        var variables = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        variables["TESSERA_PARENT_PID"] = "\(getpid())"
        return try LocalProcess(
            name: order.name, executable: executable, arguments: words, environment: variables,
            input: order.secret, logger: logger, ended: ended)
    }
}
