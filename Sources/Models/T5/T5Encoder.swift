import Program
import Tensor

/// The graph of a T5 v1.1 encoder.
///
/// Values are `[G, B, S, D]`. Attention has a bias of relative positions, which the operation `attention` does not take:
/// it is written out as products and a softmax. Names are those of transformers' `T5EncoderModel`.
struct T5Encoder {
    private static let axes: [String?] = [GraphAxis.guidance, GraphAxis.batch, nil, nil]
    let configuration: T5Configuration
    private let weights = WeightFactory(part: "text_encoder")

    init(_ configuration: T5Configuration) { self.configuration = configuration }

    /// Adds the encoder: `ids` i32 `[G, B, S]` to features `[G, B, S, D]`, which are 0 at padding.
    func encode(_ graph: inout ProgramBuilder, ids: Program.ValueID) -> Program.ValueID {
        graph.scope("text_encoder") { graph in
            let c = configuration
            let table = weights.tensor(
                &graph, "shared.weight", fileDims: [c.vocabularySize, c.hiddenSize], fanIn: 1)
            var x = graph.add(.gather, [table, ids])
            graph.annotate(x, Self.axes)
            let isText = graph.scope("mask") { textPositions(&$0, ids) }
            let bias = graph.scope("positions") { positionBias(&$0) }
            let mask = graph.scope("mask") { paddingBias(&$0, isText) }
            for index in 0..<c.layerCount {
                x = graph.scope("layers.\(index)") { graph in
                    let attended = attention(&graph, x, "encoder.block.\(index).layer.0", bias: bias, mask: mask)
                    return mlp(&graph, attended, "encoder.block.\(index).layer.1")
                }
            }
            x = norm(&graph, x, "encoder.final_layer_norm")
            let sizes = graph.type(of: isText).sizes
            let keep = graph.add(
                .broadcast, [graph.toActivation(isText)], ["sizes": .ints(sizes + [1]), "dims": .ints([0, 1, 2])])
            return graph.add(.multiply, [x, keep], axes: Self.axes)
        }
    }

    // MARK: Masks and positions

    /// 1 at a text's tokens, 0 at padding: f32 `[G, B, S]`.
    private func textPositions(_ graph: inout ProgramBuilder, _ ids: Program.ValueID) -> Program.ValueID {
        let pad = graph.constant(Double(T5Configuration.padToken), graph.type(of: ids))
        return graph.add(.cast, [graph.add(.compare, [ids, pad], ["direction": .text("ne")])], dtype: .f32)
    }

    /// 0 at a text's tokens, a very negative number at padding: f32 `[G, B, 1, 1, S]`.
    private func paddingBias(_ graph: inout ProgramBuilder, _ isText: Program.ValueID) -> Program.ValueID {
        let type = graph.type(of: isText)
        let one = graph.constant(1, type)
        let scale = graph.constant(1e9, type)
        let missing = graph.add(.binary, [isText, one], ["kind": .text("subtract")], dtype: .f32)
        let bias = graph.add(.binary, [missing, scale], ["kind": .text("multiply")], dtype: .f32)
        let sizes = [type.sizes[0], type.sizes[1], 1, 1, type.sizes[2]]
        return graph.add(.broadcast, [bias], ["sizes": .ints(sizes), "dims": .ints([0, 1, 4])])
    }

    /// What is added to the scores of all layers: f32 `[H, S, S]`.
    private func positionBias(_ graph: inout ProgramBuilder) -> Program.ValueID {
        let c = configuration
        let positions = RelativePositions(bucketCount: c.bucketCount, distanceMax: c.distanceMax)
        let tensor = "encoder.block.0.layer.0.SelfAttention.relative_attention_bias.weight"
        let spec = ParameterSpec(
            name: "text_encoder.\(tensor)", part: "text_encoder", tensor: tensor,
            fileDims: [c.bucketCount, c.headCount], generatedScale: 0.5)
        let table = graph.parameter(spec, granules: [nil, 1], axes: [nil, GraphAxis.heads], dtype: .f32)
        let bias = graph.add(.gather, [table, positions.buckets(&graph, length: c.length)])
        return graph.add(.transpose, [bias], ["permutation": .ints([2, 0, 1])])
    }

    // MARK: Layers

    /// Self-attention without a scale, with a norm before and a residual around it.
    private func attention(
        _ graph: inout ProgramBuilder, _ input: Program.ValueID, _ name: String, bias: Program.ValueID,
        mask: Program.ValueID
    ) -> Program.ValueID {
        let c = configuration
        let x = norm(&graph, input, "\(name).layer_norm")
        // The scores' scale is in the queries' weights: their spread is smaller by the root of a head's size.
        let gains = ["q": 1 / Double(c.headSize).squareRoot(), "k": 1, "v": 1]
        let heads = ["q", "k", "v"].map { kind in
            graph.linear(
                x,
                weights.toHeads(
                    &graph, "\(name).SelfAttention.\(kind).weight", c.headCount, c.headSize, c.hiddenSize,
                    gain: gains[kind] ?? 1))
        }
        let scores = graph.add(
            .dotGeneral, [heads[0], heads[1]],
            [
                "lhsBatch": .ints([0, 1, 3]), "rhsBatch": .ints([0, 1, 3]), "lhsContract": .ints([4]),
                "rhsContract": .ints([4]),
            ], dtype: .f32)
        let biased = graph.add(.add, [graph.add(.add, [scores, bias], dtype: .f32), mask], dtype: .f32)
        let attended = graph.add(
            .dotGeneral, [graph.toActivation(softmax(&graph, biased)), heads[2]],
            [
                "lhsBatch": .ints([0, 1, 2]), "rhsBatch": .ints([0, 1, 3]), "lhsContract": .ints([4]),
                "rhsContract": .ints([2]),
            ])
        let rows = graph.add(.transpose, [attended], ["permutation": .ints([0, 1, 3, 2, 4])])
        let out = weights.fromHeads(&graph, "\(name).SelfAttention.o.weight", c.hiddenSize, c.headCount, c.headSize)
        return graph.add(.add, [input, graph.merge(rows, out)], axes: Self.axes)
    }

    /// Softmax over the last of five dimensions, f32.
    private func softmax(_ graph: inout ProgramBuilder, _ scores: Program.ValueID) -> Program.ValueID {
        let sizes = graph.type(of: scores).sizes
        func row(_ kind: String, _ x: Program.ValueID) -> Program.ValueID {
            let value = graph.add(.reduce, [x], ["dims": .ints([4]), "kind": .text(kind)])
            return graph.add(.broadcast, [value], ["sizes": .ints(sizes), "dims": .ints([0, 1, 2, 3])])
        }
        let shifted = graph.add(.binary, [scores, row("max", scores)], ["kind": .text("subtract")], dtype: .f32)
        let powers = graph.add(.unary, [shifted], ["kind": .text("exp")], dtype: .f32)
        return graph.add(.binary, [powers, row("sum", powers)], ["kind": .text("divide")], dtype: .f32)
    }

    /// Gated MLP, `wo(gelu(wi_0 x) · wi_1 x)` with GELU by tanh, with a norm before and a residual around it.
    private func mlp(
        _ graph: inout ProgramBuilder, _ input: Program.ValueID, _ name: String
    ) -> Program.ValueID {
        let (width, inner) = (configuration.hiddenSize, configuration.mlpSize)
        let x = norm(&graph, input, "\(name).layer_norm")
        let dense = "\(name).DenseReluDense"
        let gate = weights.matrix(&graph, "\(dense).wi_0.weight", inner, width, rowAxis: GraphAxis.mlp)
        let value = weights.matrix(&graph, "\(dense).wi_1.weight", inner, width, rowAxis: GraphAxis.mlp)
        let out = weights.matrix(&graph, "\(dense).wo.weight", width, inner, columnAxis: GraphAxis.mlp)
        let hidden = graph.add(
            .multiply, [graph.activate(graph.linear(x, gate), "geluTanh"), graph.linear(x, value)])
        return graph.add(.add, [input, graph.linear(hidden, out)], axes: Self.axes)
    }

    private func norm(_ graph: inout ProgramBuilder, _ x: Program.ValueID, _ name: String) -> Program.ValueID {
        let weight = weights.vector(&graph, "\(name).weight", configuration.hiddenSize, mean: 1)
        return graph.add(.rmsNorm, [x, weight], ["eps": .float(configuration.epsilon)])
    }
}
