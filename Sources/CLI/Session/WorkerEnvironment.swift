import Foundation
import Glibc
import Worker

/// Variables that must be there when a worker's process begins, because libraries read them when they load.
enum WorkerEnvironment {
    /// Set in a process that has begun with all of them.
    private static let mark = "TESSERA_WORKER_PREPARED"

    /// What OpenBLAS reads, as far as it is not given: one thread each, and the AVX-512 kernels that OpenBLAS before
    /// 0.3.22 does not choose by itself on newer processors.
    static func openBLAS(given: [String: String]) -> [String: String] {
        var variables: [String: String] = [:]
        if given["OPENBLAS_NUM_THREADS"] == nil { variables["OPENBLAS_NUM_THREADS"] = "1" }
        if given["OPENBLAS_CORETYPE"] == nil, Machine.hasAVX512 { variables["OPENBLAS_CORETYPE"] = "SkylakeX" }
        return variables
    }

    /// Begins this process anew, with the same words, where it lacks variables.
    ///
    /// - Parameter isAttached: the launcher hands variables to the standard input.
    /// - Throws: `WorkerError`, and ``CannotBegin``.
    static func prepare(isAttached: Bool) throws {
        var given = ProcessInfo.processInfo.environment
        guard given[mark] == nil else { return }
        let variables = isAttached ? try LauncherInput.variables() : [:]
        given.merge(variables) { $1 }
        let missing = openBLAS(given: given)
        if variables.isEmpty && missing.isEmpty { return }
        try begin(given.merging(missing) { $1 }.merging([mark: "1"]) { $1 })
    }

    /// Begins this process anew, with the same words and variables; threads, memory and connections end.
    static func beginAnew() throws { try begin(ProcessInfo.processInfo.environment) }

    private static func begin(_ environment: [String: String]) throws {
        // The program by its own path, not as "/proc/self/exe": that is what process lists would call it.
        let path = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")) ?? "/proc/self/exe"
        let words: [UnsafeMutablePointer<CChar>?] = CommandLine.arguments.map { strdup($0) } + [nil]
        let variables: [UnsafeMutablePointer<CChar>?] = environment.map { strdup("\($0.key)=\($0.value)") } + [nil]
        defer { for text in words + variables { free(text) } }
        execve(FileManager.default.isExecutableFile(atPath: path) ? path : "/proc/self/exe", words, variables)
        throw CannotBegin(reason: String(cString: strerror(errno)))
    }

    /// The system did not start the program that already runs.
    struct CannotBegin: Error, CustomStringConvertible {
        let reason: String
        var description: String { "the worker's process cannot begin anew: \(reason)" }
    }
}
