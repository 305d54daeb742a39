import ArgumentParser
import Foundation

/// Counting what workers take from the heap.
struct BenchHeapOptions: ParsableArguments {
    @Flag(help: "Counts allocations of the workers in each call, with a library that is loaded before all others.")
    var allocations = false

    /// Built beside the program.
    private static let library = "libtessera-heap-counter.so"

    /// What workers need in their environment to count.
    ///
    /// Throws `ValidationError` where the library is not there.
    func variables() throws -> [String: String] {
        guard allocations else { return [:] }
        let program = URL(filePath: "/proc/self/exe").resolvingSymlinksInPath()
        let path = program.deletingLastPathComponent().appending(path: Self.library).path
        guard FileManager.default.fileExists(atPath: path) else {
            throw ValidationError(
                "--allocations needs \(path), and there is none: 'swift build --product tessera-heap-counter' with the "
                    + "program's configuration makes it.")
        }
        let given = ProcessInfo.processInfo.environment["LD_PRELOAD"].map { ":" + $0 } ?? ""
        return ["LD_PRELOAD": path + given]
    }

    /// What readers of the report should know.
    var notes: [String] {
        allocations
            ? ["counted by functions that stand before the heap's and Swift's own: times are longer than without"] : []
    }
}
