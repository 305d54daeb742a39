import Program

/// The part of the transformer's graph that does not depend on the step: everything computed from the text.
struct UViTConditioner {
    private static let axes: [String?] = [GraphAxis.guidance, GraphAxis.batch, nil, nil]
    let configuration: UViTConfiguration
    private let weights = WeightFactory(part: "transformer")

    init(_ configuration: UViTConfiguration) { self.configuration = configuration }

    /// Intermediate results, for comparisons.
    struct Result {
        /// Keys, values and modulations.
        var conditions: TextConditions
        /// Encoded micro-conditions `[G, B, 5·width]`.
        var microEmbedding: Program.ValueID
        /// The condition vector `[G, B, hidden]`.
        var condition: Program.ValueID
        /// The normalised text `[G, B, S, hidden]`.
        var text: Program.ValueID
    }

    /// Adds the graph.
    ///
    /// - Parameters:
    ///   - states: the text encoder's last but one hidden states `[G, B, S, E]`, without the final norm.
    ///   - pooled: the text's embedding `[G, B, P]`.
    ///   - micro: f32 `[G, B, 5]`: width, height, crop top, crop left, aesthetic score.
    func condition(
        _ graph: inout ProgramBuilder, states: Program.ValueID, pooled: Program.ValueID, micro: Program.ValueID
    ) -> Result {
        graph.scope("transformer") { graph in
            let c = configuration
            let encoder = weights.matrix(&graph, "encoder_proj.weight", c.hiddenSize, c.textSize)
            let encoderNorm = weights.vector(&graph, "encoder_proj_layer_norm.weight", c.hiddenSize, mean: 1)
            let text = graph.add(
                .rmsNorm, [graph.linear(states, encoder), encoderNorm], ["eps": .float(c.epsilon)], axes: Self.axes)
            let microEmbedding = graph.add(
                .sinusoid, [micro], ["width": .int(c.microSize), "maxPeriod": .float(10_000)])
            let vector = conditionVector(&graph, graph.add(.concat, [pooled, microEmbedding]))
            var conditions = TextConditions()
            let activated = graph.activate(vector, "silu")
            let textForBlocks = c.hasTextMapper ? graph.activate(text, "silu") : text
            block(&graph, "down_block", textForBlocks, activated, &conditions)
            for index in 0..<c.layerCount {
                let name = "transformer_layers.\(index)"
                for norm in ["norm1", "norm2", "norm3"] {
                    conditions["\(name).\(norm).modulation"] = modulation(
                        &graph, "\(name).\(norm).linear.weight", activated, c.hiddenSize)
                }
                keysAndValues(&graph, "\(name).attn2", text, c.headCount, c.headSize, &conditions)
            }
            block(&graph, "up_block", textForBlocks, activated, &conditions)
            return Result(conditions: conditions, microEmbedding: microEmbedding, condition: vector, text: text)
        }
    }

    /// `linear_2(silu(linear_1(x)))`; the result's width is split like an MLP's, because every modulation contracts it.
    private func conditionVector(_ graph: inout ProgramBuilder, _ x: Program.ValueID) -> Program.ValueID {
        let c = configuration
        let first = weights.matrix(&graph, "cond_embed.linear_1.weight", c.hiddenSize, c.pooledSize + 5 * c.microSize)
        let second = weights.matrix(
            &graph, "cond_embed.linear_2.weight", c.hiddenSize, c.hiddenSize, rowAxis: GraphAxis.mlp)
        return graph.linear(graph.activate(graph.linear(x, first), "silu"), second)
    }

    /// Scale and shift `[G, B, 2, size]` of an adaptive norm.
    private func modulation(
        _ graph: inout ProgramBuilder, _ tensor: String, _ activated: Program.ValueID, _ size: Int
    ) -> Program.ValueID {
        let weight = weights.pair(
            &graph, tensor, size, configuration.hiddenSize, columnAxis: GraphAxis.mlp, gain: 0.5)
        return graph.linear(activated, weight)
    }

    private func keysAndValues(
        _ graph: inout ProgramBuilder, _ name: String, _ text: Program.ValueID, _ heads: Int, _ headSize: Int,
        _ conditions: inout TextConditions
    ) {
        let width = heads * headSize
        for (tensor, kind) in [("to_k", "key"), ("to_v", "value")] {
            let weight = weights.toHeads(&graph, "\(name).\(tensor).weight", heads, headSize, width)
            conditions["\(name).\(kind)"] = graph.linear(text, weight)
        }
    }

    private func block(
        _ graph: inout ProgramBuilder, _ name: String, _ text: Program.ValueID, _ activated: Program.ValueID,
        _ conditions: inout TextConditions
    ) {
        let c = configuration
        for index in 0..<c.blockCount {
            conditions["\(name).res_blocks.\(index).modulation"] = modulation(
                &graph, "\(name).res_blocks.\(index).cond_embeds_mapper.weight", activated, c.blockSize)
            let attention = "\(name).attention_blocks.\(index)"
            var mapped = text
            if c.hasTextMapper {
                let mapper = weights.matrix(&graph, "\(attention).kv_mapper.weight", c.blockSize, c.hiddenSize)
                mapped = graph.linear(text, mapper)
            }
            for kind in ["attn1", "attn2"] {
                keysAndValues(
                    &graph, "\(attention).\(kind)", mapped, c.blockHeadCount, c.blockHeadSize, &conditions)
            }
        }
    }
}
