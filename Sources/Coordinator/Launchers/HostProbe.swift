import Foundation
import Logging

/// Looks at a machine on which workers are to be started.
public enum HostProbe {
    /// What came of it.
    public enum Answer: Sendable, Hashable {
        /// What is wrong, with what to do.
        case problem(String)
        /// The version of the tessera that workers would be.
        case version(String)
    }

    /// Asks the tessera of a host for its version, the way in which workers are started there.
    public static func version(
        of host: String, _ settings: LauncherSettings.Remote, deadline: Duration
    ) async -> Answer {
        let words = SSHLauncher.words(settings, host: host, ["--version"])
        let (exits, continuation) = AsyncStream.makeStream(of: WorkerExit?.self)
        let process: any LaunchedWorker
        do throws(ClusterError) {
            process = try RemoteProcess.start(
                LaunchOrder(name: host, connect: "", clusterID: ""), settings.command, setting: "workers.ssh.command",
                words, variables: [:],
                logger: Logger(label: "tessera.probe") { _ in SwiftLogNoOpLogHandler() }
            ) { continuation.yield($0) }
        } catch {
            return .problem(error.description)
        }
        let timer = Task {
            // Sleeping ends with an error when there is an answer.
            if (try? await Task.sleep(for: deadline)) != nil { continuation.yield(nil) }
        }
        defer { timer.cancel() }
        guard let answer = await exits.first(where: { _ in true }), let exit = answer else {
            process.kill()
            return .problem("no answer within \(deadline)")
        }
        let lines = exit.lastLines.filter { !$0.isEmpty }
        if exit.status == "exit status 0", let version = lines.last { return .version(version) }
        let said = lines.last.map { " (\($0))" } ?? ""
        return .problem((SSHExit(host: host, settings: settings).explain(exit) ?? exit.status) + said)
    }
}
