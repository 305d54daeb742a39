import ArgumentParser

/// `tessera bench`.
struct BenchCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "bench",
        abstract: "Measures kernels, collectives, steps and pictures beside the machine's limits.",
        discussion: """
            Starts workers on this machine, runs programs on them and prints each figure beside what the machine does at \
            most, measured around it, and the ratio. Figures are the best of several runs; the spread is how much longer \
            the worst one took. On a machine that others use, compare ratios, not times.

              tessera bench matmul                           Products of the base model's shapes.
              tessera bench rows                             Few rows: what decoding reads a second.
              tessera bench collective --workers 2           All-reduce and its kin, by payload.
              tessera bench step --preset amused-256         One decoding step.
              tessera bench image --trace image.json         A whole picture, and where its time went.
              tessera bench scaling --layout 1x2 2x1@model=2 The same step on several meshes.
              tessera bench compile --mesh data=4,model=128  How long plans take, by layers.
              tessera bench start --preset muse-3b           Time until weights are ready, and memory.
              tessera bench serve                            The coordinator's part of a step; requests a second.
              tessera bench agreement --preset muse-3b       How often a faster mode chooses the codes of bf16.
            """,
        subcommands: [
            BenchMatmulCommand.self, BenchRowsCommand.self, BenchAttentionCommand.self, BenchPointwiseCommand.self,
            BenchCollectiveCommand.self, BenchStepCommand.self, BenchImageCommand.self, BenchScalingCommand.self,
            BenchCompileCommand.self, BenchStartCommand.self, BenchAgreementCommand.self,
            BenchServeCommand.self,
        ])
}
