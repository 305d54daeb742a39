import Foundation
import Glibc
import Testing

/// `tessera up` as a process, on a port that was free.
final class RunningCluster {
    let command: ObservedCommand
    let port: String

    /// Starts a cluster, by default the example's, and waits until it is ready.
    init(_ file: String = "cluster.yaml", set settings: [String] = []) throws {
        command = try ObservedCommand(
            ["up", file] + (["control.port=0", "server.port=0"] + settings).flatMap { ["--set", $0] })
        try command.waitForLine(" is ready at ")
        let line = command.errors.split(separator: "\n").first { $0.contains(" is ready at ") }
        port = try #require(line?.split(separator: ":").last.map(String.init))
    }

    /// Port of its HTTP server.
    var serverPort: Int {
        get throws {
            let line = command.errors.split(separator: "\n").first { $0.contains(" listens at http://") }
            return try #require(line?.split(separator: ":").last.flatMap { Int($0) })
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
