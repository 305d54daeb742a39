public import ArgumentParser
import Bench
public import Runtime

/// Flags that all benchmarks take.
struct BenchOptions: ParsableArguments {
    @Flag(help: "Prints one JSON document instead of a table; docs/performance.md describes its keys.")
    var json = false

    @Option(help: "Runs of each measurement; the best one counts.")
    var runs = 7

    func validate() throws {
        if !(1...1000).contains(runs) { throw ValidationError("--runs takes 1 to 1000, not \(runs).") }
    }
}

/// Numbers of threads to measure with.
struct BenchThreads: ParsableArguments {
    @Option(
        parsing: .upToNextOption, help: ArgumentHelp("Threads of the worker; several are measured one after the other.")
    )
    var threads = [1, 2]

    func validate() throws {
        for count in threads where !(1...1024).contains(count) {
            throw ValidationError("--threads takes 1 to 1024, not \(count).")
        }
    }
}

/// Rows, depth and columns of a matrix product, written `512x2048x8192`.
struct ProductShape: Sendable, Hashable {
    /// Rows of the left side.
    var rows: Int
    /// Columns of the left side.
    var depth: Int
    /// Columns of the result.
    var columns: Int

    /// Longest side accepted; the weights of a larger product would not fit in common memories.
    static let sideMax = 1 << 16

    /// Reads `RxDxC`; throws `ValidationError` where that is no shape.
    static func parse(_ argument: String) throws -> ProductShape {
        let parts = argument.lowercased().split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
        guard parts.count == 3, parts.allSatisfy({ $0.map { (1...sideMax).contains($0) } ?? false }),
            let rows = parts[0], let depth = parts[1], let columns = parts[2]
        else { throw ValidationError("give rows, depth and columns, each 1 to \(sideMax), such as 512x2048x8192.") }
        return ProductShape(rows: rows, depth: depth, columns: columns)
    }
}

extension MachineLimit.Arithmetic: ExpressibleByArgument {}
