import Foundation
import Testing

/// `tessera up` as a process, on a port that was free.
final class RunningCluster {
    let process = Process()
    let port: String
    private let pipe = Pipe()

    /// Starts the example cluster and waits until it is ready.
    init() throws {
        process.executableURL = try CommandLineTool.binary
        process.arguments = ["up", "cluster.yaml", "--set", "control.port=0"]
        process.currentDirectoryURL = CommandLineTool.root
        process.standardError = pipe
        process.standardInput = FileHandle.nullDevice
        try process.run()
        var text = ""
        var found: String?
        while found == nil {
            // Blocks until the process writes or ends.
            let data = pipe.fileHandleForReading.availableData
            if data.isEmpty { break }
            text += String(decoding: data, as: UTF8.self)
            let line = text.split(separator: "\n", omittingEmptySubsequences: false).dropLast()
                .first { $0.contains(" is ready at ") }
            found = line?.split(separator: ":").last.map(String.init)
        }
        port = try #require(found, "the cluster did not come up: \(text)")
    }

    /// Process ids of its workers.
    var workers: [Int32] {
        (try? FileManager.default.contentsOfDirectory(atPath: "/proc"))?.compactMap(Int32.init).filter { id in
            guard let status = try? String(contentsOfFile: "/proc/\(id)/stat", encoding: .utf8) else { return false }
            let fields = status.split(separator: ")").last?.split(separator: " ") ?? []
            return fields.count > 1 && fields[1] == "\(process.processIdentifier)" && fields[0] != "Z"
        } ?? []
    }

    /// Sends a signal and waits for the end; returns the exit code.
    func end(_ number: Int32) -> Int32 {
        kill(process.processIdentifier, number)
        process.waitUntilExit()
        return process.terminationStatus
    }
}
