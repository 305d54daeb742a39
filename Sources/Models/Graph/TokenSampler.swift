import Program
import Tensor

/// The end of a step's graph: guidance, choosing tokens, and masking the least confident again (MaskGIT, §3.2).
struct TokenSampler {
    let batch: Int
    let rows: Int
    let columns: Int
    let rowGranule: Int
    let maskToken: Int
    let noise: SamplingNoise

    private static let axes: [String?] = [GraphAxis.batch, GraphAxis.sampling, nil]

    init(batch: Int, rows: Int, columns: Int, rowGranule: Int, maskToken: Int, noise: SamplingNoise) {
        precondition(batch >= 1 && rows >= 1 && columns >= 1, "a program has pictures and tokens")
        self.batch = batch
        self.rows = rows
        self.columns = columns
        self.rowGranule = rowGranule
        self.maskToken = maskToken
        self.noise = noise
    }

    /// Adds all that follows logits f32 `[G, B, Y, X, V]`, with its inputs and outputs.
    func finish(_ graph: inout ProgramBuilder, logits: Program.ValueID, exposesLogits: Bool) {
        let scale = graph.input("scale", .f32, [batch], axes: [GraphAxis.batch])
        let guided = graph.scope("guidance") {
            $0.add(.guide, [logits, scale], axes: Self.axes + [GraphAxis.vocab])
        }
        graph.scope("sampling") { sample(&$0, logits: guided) }
        if exposesLogits { graph.output("logits", guided) }
    }

    /// Adds the choice after guided logits f32 `[B, Y, X, V]`.
    private func sample(_ graph: inout ProgramBuilder, logits: Program.ValueID) {
        let tokens = graph.input(
            "tokens", .i32, [batch, rows, columns], axes: Self.axes, granules: [1, rowGranule])
        let temperature = graph.input("temperature", .f32, [batch], axes: [GraphAxis.batch])
        let maskCount = graph.input("maskCount", .i32, [batch], axes: [GraphAxis.batch])
        let (choiceNoise, confidenceNoise) = noiseInputs(&graph, codes: graph.type(of: logits).sizes[3])
        let kind = Attribute.text(noise.rawValue)
        let mask = Attribute.int(maskToken)
        let greatest = graph.add(.reduce, [logits], ["dims": .ints([3]), "kind": .text("max")])
        let sum = graph.add(.sumExp, [logits, greatest])
        let choice = graph.add(.choose, [logits] + choiceNoise, ["noise": kind])
        let sampled = graph.add(.acceptTokens, [tokens, choice], ["maskToken": mask])
        let confidence = graph.add(
            .confidence, [tokens, choice, greatest, sum, temperature] + confidenceNoise,
            ["maskToken": mask, "noise": kind])
        let next = graph.add(.remask, [sampled, confidence, maskCount], ["maskToken": mask])
        graph.output("tokens", next)
        graph.output("sampled", sampled)
    }

    private func noiseInputs(
        _ graph: inout ProgramBuilder, codes: Int
    ) -> (choice: [Program.ValueID], confidence: [Program.ValueID]) {
        switch noise {
        case .generated:
            let rng = graph.input("rng", .i32, [batch, 4], axes: [GraphAxis.batch, nil])
            return ([rng], [rng])
        case .given:
            let exponential = graph.input(
                "expNoise", .f32, [batch, rows, columns, codes], axes: Self.axes + [GraphAxis.vocab],
                granules: [1, rowGranule, nil, GraphAxis.sixteenth(codes)])
            let gumbel = graph.input(
                "gumbel", .f32, [batch, rows, columns], axes: Self.axes, granules: [1, rowGranule])
            return ([exponential], [gumbel])
        case .none:
            return ([], [])
        }
    }
}
