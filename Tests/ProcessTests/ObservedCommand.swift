import Dispatch
import Foundation
import Glibc
import Testing

/// The real binary as a process that is watched: its lines while it runs, its workers, and what it leaves behind.
final class ObservedCommand {
    /// A process that the command started, directly or not.
    struct Worker: Hashable {
        var id: Int32
        var name: String
    }

    /// How it ended.
    struct Outcome {
        /// Exit code, or 128 and the signal's number.
        var code: Int32
        var output: String
        var errors: String
    }

    /// Far more than any of these commands takes, in seconds; it only keeps a hang from lasting for ever.
    static let patience = 120.0

    let process = Process()
    /// A variable that the command's processes inherit, by which they are found.
    private let mark = "PROCESS_TEST_MARK=\(UUID().uuidString)"
    private let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
    private let ended = DispatchSemaphore(value: 0)
    private var hasEnded = false

    /// Starts it in the repository's root, without any variable of the caller's that would change it.
    init(_ arguments: [String], environment: [String: String] = [:]) throws {
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        for name in ["output", "errors"] { try Data().write(to: folder.appending(path: name)) }
        let parts = mark.split(separator: "=").map(String.init)
        process.executableURL = try CommandLineTool.binary
        process.arguments = arguments
        process.currentDirectoryURL = CommandLineTool.root
        process.environment = ProcessInfo.processInfo.environment.filter { !$0.key.hasPrefix("TESSERA_") }
            .merging(environment) { $1 }.merging(["SWIFT_BACKTRACE": "enable=no", parts[0]: parts[1]]) { $1 }
        process.standardOutput = try FileHandle(forWritingTo: folder.appending(path: "output"))
        process.standardError = try FileHandle(forWritingTo: folder.appending(path: "errors"))
        process.standardInput = FileHandle.nullDevice
        let ended = ended
        process.terminationHandler = { _ in ended.signal() }
        try process.run()
    }

    deinit {
        for worker in members { kill(worker.id, SIGKILL) }
        do {
            try FileManager.default.removeItem(at: folder)
        } catch {
            Issue.record("the command's output cannot be removed: \(error)")
        }
    }

    /// What it has written to standard error so far.
    var errors: String { text("errors") }

    /// Waits for its end, which must come, and for the end of all that it started.
    func finish() throws -> Outcome {
        let isOver = wait { false } || hasEnded
        if !isOver { kill(process.processIdentifier, SIGKILL) }
        try #require(isOver, "it did not end: \(errors)")
        #expect(leavesNothing(), "processes are left: \(members)")
        let code = process.terminationStatus
        return Outcome(
            code: process.terminationReason == .exit ? code : 128 + code, output: text("output"), errors: errors)
    }

    /// Waits until `condition` holds; false where the command ended, or time was over, before.
    func wait(until condition: () -> Bool) -> Bool {
        let deadline = DispatchTime.now() + Self.patience
        while DispatchTime.now() < deadline {
            if condition() { return true }
            if hasEnded { return false }
            if ended.wait(timeout: .now() + 0.005) == .success { hasEnded = true }
        }
        return false
    }

    /// Waits for a line on standard error that contains a text.
    func waitForLine(_ text: String) throws {
        try #require(wait { errors.contains(text) }, "'\(text)' was not said: \(errors)")
    }

    /// True as soon as none of the command's processes runs any more.
    func leavesNothing() -> Bool {
        // Nobody tells a process about the end of others' children.
        let never = DispatchSemaphore(value: 0)
        let deadline = DispatchTime.now() + Self.patience
        while !members.isEmpty, DispatchTime.now() < deadline { _ = never.wait(timeout: .now() + 0.005) }
        return members.isEmpty
    }

    /// Its processes that run: itself, as "", and its workers by their names.
    var members: [Worker] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: "/proc")) ?? []
        return names.compactMap(Int32.init).compactMap { id in
            // The files of processes that have ended are empty or gone.
            guard let environment = Self.strings("/proc/\(id)/environ"), environment.contains(mark) else { return nil }
            let words = Self.strings("/proc/\(id)/cmdline") ?? []
            let name = words.firstIndex(of: "--name").flatMap { words.dropFirst($0 + 1).first } ?? ""
            return Worker(id: id, name: name)
        }
    }

    /// Its workers, by name.
    var workers: [Worker] { members.filter { !$0.name.isEmpty }.sorted { $0.name < $1.name } }

    private static func strings(_ path: String) -> [String]? {
        guard let bytes = FileManager.default.contents(atPath: path) else { return nil }
        return bytes.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
    }

    private func text(_ name: String) -> String {
        FileManager.default.contents(atPath: folder.appending(path: name).path).map {
            String(decoding: $0, as: UTF8.self)
        }
            ?? ""
    }

    /// Runs a command to its end.
    static func run(_ arguments: [String], environment: [String: String] = [:]) throws -> Outcome {
        try ObservedCommand(arguments, environment: environment).finish()
    }
}
