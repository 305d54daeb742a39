import ArgumentParser
import Bench
import Runtime

/// `tessera bench matmul`.
struct BenchMatmulCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "matmul", abstract: "Matrix products with weights that come from memory.",
        discussion: """
            The limit is the processor's best multiply-add instruction for the element type, run on registers only.

              tessera bench matmul --shape 512x2048x8192 --dtype bf16 int8 --threads 1 2
            """)

    @OptionGroup var options: BenchOptions
    @OptionGroup var threads: BenchThreads

    @Option(
        parsing: .upToNextOption,
        help: ArgumentHelp("Rows, depth and columns; several may be given.", valueName: "RxDxC"),
        transform: ProductShape.parse)
    var shape = [2048, 8192].flatMap { depth in
        [2048, 8192].map { ProductShape(rows: 512, depth: depth, columns: $0) }
    }

    @Option(parsing: .upToNextOption, help: "Element types: bf16, f32, int8.")
    var dtype: [MachineLimit.Arithmetic] = [.bf16, .int8, .f32]

    func run() async throws {
        let cases = dtype.flatMap { dtype in
            shape.map { ProductCase(dtype, rows: $0.rows, depth: $0.depth, columns: $0.columns) }
        }
        let (runs, threads) = (options.runs, threads.threads)
        try await BenchSession.run("matmul", options) { progress in
            try await KernelBench(workers: BenchSession(), runs: runs, progress: progress)
                .products(cases, threads: threads)
        }
    }
}
