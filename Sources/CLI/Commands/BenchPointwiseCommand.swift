import ArgumentParser
import Bench

/// `tessera bench pointwise`.
struct BenchPointwiseCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "pointwise", abstract: "Layer normalisation, gelu and addition.",
        discussion: """
            Bytes read and written a second, beside what as many threads read from memory. Values that fit in a cache go \
            faster than memory.

              tessera bench pointwise --rows 512 --columns 2048
            """)

    @OptionGroup var options: BenchOptions
    @OptionGroup var threads: BenchThreads

    @Option(help: "Rows.")
    var rows = 16384

    @Option(help: "Columns, a multiple of 1024.")
    var columns = 2048

    func validate() throws {
        guard (1...1 << 20).contains(rows), (1024...1 << 20).contains(columns), columns % 1024 == 0,
            rows * columns <= 1 << 30
        else { throw ValidationError("--rows and --columns take at most 2^30 elements, columns a multiple of 1024.") }
    }

    func run() async throws {
        let (runs, threads, rows, columns) = (options.runs, threads.threads, rows, columns)
        try await BenchSession.run("pointwise", options) { progress in
            try await KernelBench(workers: BenchSession(), runs: runs, progress: progress)
                .pointwise(rows: rows, columns: columns, threads: threads)
        }
    }
}
