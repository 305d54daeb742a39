import Foundation
import Glibc
import Testing

/// `tessera up` as a process, on a port that was free.
final class RunningCluster {
    let command: ObservedCommand
    let port: String

    /// Starts a cluster, by default the example's, and waits until it is ready.
    ///
    /// - Parameters:
    ///   - settings: more of the cluster file, `key=value`.
    ///   - jobs: its jobs file; `off`, nothing is left in the repository.
    ///   - ports: those of another that has ended; nil: any that are free.
    init(
        _ file: String = "cluster.yaml", set settings: [String] = [], arguments: [String] = [],
        environment: [String: String] = [:], jobs: String = "off", ports: (control: String, server: Int)? = nil
    ) throws {
        let own = [
            "control.port=\(ports?.control ?? "0")", "server.port=\(ports?.server ?? 0)", "server.jobs=\(jobs)",
        ]
        let all = (own + settings).flatMap { ["--set", $0] }
        command = try ObservedCommand(["up", file] + all + arguments, environment: environment)
        try command.waitForLine(" is ready at ")
        port = try #require(Self.port(in: command.errors, after: " is ready at "))
    }

    /// The port at the end of an address in a line that contains a text.
    private static func port(in lines: String, after text: String) -> String? {
        guard let line = lines.split(separator: "\n").first(where: { $0.contains(text) }) else { return nil }
        return line.matches(of: /:\/\/[^:]*:([0-9]+)/).last.map { String($0.1) }
    }

    /// Port of its HTTP server.
    var serverPort: Int {
        get throws {
            try #require(Self.port(in: command.errors, after: " listens at http").flatMap { Int($0) })
        }
    }

    /// Process ids of its workers.
    var workers: [Int32] { command.workers.map(\.id) }

    /// Sends a signal.
    func signal(_ number: Int32) { kill(command.process.processIdentifier, number) }

    /// Sends a signal and waits for the end of all its processes.
    func end(_ number: Int32) throws -> ObservedCommand.Outcome {
        signal(number)
        return try command.finish()
    }
}
