import ArgumentParser
import Bench
import Tensor

/// `tessera bench attention`.
struct BenchAttentionCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "attention", abstract: "Fused attention of all heads.",
        discussion: """
            By default 256 image tokens over 256 of their own positions and over 64 and 128 text positions, and 1024 over \
            1024, on bf16, whose multiply-adds are the limit.

              tessera bench attention --queries 256 --keys 128 --heads 16 --head-size 128
            """)

    @OptionGroup var options: BenchOptions
    @OptionGroup var threads: BenchThreads

    @Option(help: "Positions that ask; several shapes if left out.")
    var queries: Int?

    @Option(help: "Positions asked; as many as ask if left out.")
    var keys: Int?

    @Option(help: "Heads.")
    var heads = 16

    @Option(help: "Elements of a head.")
    var headSize = 128

    func validate() throws {
        for side in [queries ?? 1, keys ?? 1, heads, headSize] where !(1...ProductShape.sideMax).contains(side) {
            throw ValidationError("Sizes are 1 to \(ProductShape.sideMax), not \(side).")
        }
        if queries == nil, keys != nil { throw ValidationError("--keys needs --queries.") }
    }

    func run() async throws {
        let shapes = queries.map { [($0, keys ?? $0)] } ?? [(256, 256), (256, 128), (256, 64), (1024, 1024)]
        let cases = shapes.map { AttentionCase(.bf16, queries: $0.0, keys: $0.1, heads: heads, headSize: headSize) }
        let (runs, threads) = (options.runs, threads.threads)
        try await BenchSession.run("attention", options) { progress in
            try await KernelBench(workers: BenchSession(), runs: runs, progress: progress)
                .attention(cases, threads: threads)
        }
    }
}
