import Foundation
public import Logging

/// Starts workers on other machines: `ssh HOST exec tessera worker …`, one connection a worker.
///
/// A worker's lines come back through its connection. Its variables go there through its standard input, never on a
/// command line. That input stays open for as long as the connection: its end is the worker's, whatever became of the
/// coordinator. Workers of the host `localhost` are processes of this machine, without ssh.
public struct SSHLauncher: Launcher {
    /// Our options; those of the settings come before, and the first one counts.
    static let options = [
        "-T", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "-o", "ServerAliveInterval=5", "-o",
        "ServerAliveCountMax=3",
    ]

    private let settings: LauncherSettings.Remote
    private let local: LocalLauncher
    private let environment: [String: String]
    private let logger: Logger

    /// A launcher with these settings; `environment` is added to that of the workers.
    public init(
        _ settings: LauncherSettings.Remote, local: LocalLauncher, environment: [String: String] = [:], logger: Logger
    ) {
        self.settings = settings
        self.local = local
        self.environment = environment
        self.logger = logger
    }

    /// Starts a worker.
    public func launch(
        _ order: LaunchOrder, ended: @escaping @Sendable (WorkerExit) -> Void
    ) throws(ClusterError) -> any LaunchedWorker {
        guard let host = order.host, host != "localhost" else { return try local.launch(order, ended: ended) }
        let words = Self.words(settings, host: host, order.arguments + ["--attached"])
        let remedy = SSHExit(host: host, settings: settings)
        return try RemoteProcess.start(
            order, settings.command, setting: "workers.ssh.command", words, variables: environment, logger: logger
        ) { exit in
            var exit = exit
            exit.explanation = remedy.explain(exit)
            ended(exit)
        }
    }

    /// The words after `ssh` that run tessera with these arguments on a host.
    static func words(_ settings: LauncherSettings.Remote, host: String, _ arguments: [String]) -> [String] {
        settings.options + options + ["--", host, remoteCommand(settings, arguments)]
    }

    /// What the remote user's shell reads.
    static func remoteCommand(_ settings: LauncherSettings.Remote, _ arguments: [String]) -> String {
        let folder = settings.directory.map { "cd \(ShellQuote.quote($0)) && " } ?? ""
        return folder + "exec " + ShellQuote.join([settings.executable ?? "tessera"] + arguments)
    }
}

/// What the end of an ssh process means.
struct SSHExit: Sendable {
    let host: String
    let settings: LauncherSettings.Remote

    /// What happened and what to do; nil where it is the worker's own affair.
    func explain(_ exit: WorkerExit) -> String? {
        let program = settings.executable ?? "tessera"
        switch exit.status {
        case "exit status 255":
            let trial = ShellQuote.join([settings.command] + settings.options + ["-o", "BatchMode=yes", host, "true"])
            return "host \(host) cannot be reached, or the connection broke: this must succeed without asking anything:"
                + " \(trial)"
        case "exit status 127":
            return "host \(host) has no '\(program)': install tessera there, or set workers.ssh.executable to its path"
        case "exit status 126":
            return "'\(program)' on host \(host) cannot be executed: look at its permissions and its architecture"
        case "exit status 2" where exit.lastLines.contains { $0.contains("Unknown option") || $0.contains("Usage:") }:
            return "'\(program)' on host \(host) is of another version: install the same build on all machines"
        default: return nil
        }
    }
}
