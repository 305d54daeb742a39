import ArgumentParser
import Bench
import Runtime

/// `tessera bench rows`.
struct BenchRowsCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "rows", abstract: "Products of few rows: the bandwidth that decoding gets.",
        discussion: """
            With few rows a product takes as long as reading its weights. The limit is what as many threads read a second \
            from memory or, where that is less, the bytes for which their arithmetic units are fast enough. Ratios to \
            either stand below the table.

              tessera bench rows --rows 1 4 16 --depth 2048 --columns 8192
            """)

    @OptionGroup var options: BenchOptions
    @OptionGroup var threads: BenchThreads

    @Option(parsing: .upToNextOption, help: "Rows of the left side.")
    var rows = [1, 2, 4, 8, 12, 16]

    @Option(help: "Columns of the left side.")
    var depth = 2048

    @Option(help: "Columns of the result.")
    var columns = 8192

    @Option(parsing: .upToNextOption, help: "Element types: bf16, f32, int8.")
    var dtype: [MachineLimit.Arithmetic] = [.bf16, .int8]

    func validate() throws {
        for side in rows + [depth, columns] where !(1...ProductShape.sideMax).contains(side) {
            throw ValidationError("Sides are 1 to \(ProductShape.sideMax), not \(side).")
        }
    }

    func run() async throws {
        let cases = dtype.flatMap { dtype in
            rows.map { ProductCase(dtype, rows: $0, depth: depth, columns: columns) }
        }
        let (runs, threads) = (options.runs, threads.threads)
        try await BenchSession.run("rows", options) { progress in
            try await KernelBench(workers: BenchSession(), runs: runs, progress: progress).rows(cases, threads: threads)
        }
    }
}
