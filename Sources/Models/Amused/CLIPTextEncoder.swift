import Program

/// The graph of a CLIP text encoder.
///
/// Values are `[G, B, S, D]`.
struct CLIPTextEncoder {
    /// What it gives.
    struct Result {
        /// Token embeddings, then the output of each layer, before the final norm: `[G, B, S, D]` each.
        var hiddenStates: [Program.ValueID]
        /// The last of them after the final norm.
        var last: Program.ValueID
        /// The projected state of the pooled token, `[G, B, P]`.
        var embedding: Program.ValueID
    }

    private static let axes: [String?] = [GraphAxis.guidance, GraphAxis.batch, nil, nil]
    let configuration: CLIPTextConfiguration
    private let weights = WeightFactory(part: "text_encoder")

    init(_ configuration: CLIPTextConfiguration) { self.configuration = configuration }

    /// Adds the encoder: `ids` i32 `[G, B, S]`, `eosIndex` i32 `[G, B]`.
    func encode(_ graph: inout ProgramBuilder, ids: Program.ValueID, eosIndex: Program.ValueID) -> Result {
        graph.scope("text_encoder") { graph in
            var x = embed(&graph, ids)
            var states = [x]
            for index in 0..<configuration.layerCount {
                x = graph.scope("layers.\(index)") { layer(&$0, x, "text_model.encoder.layers.\(index)") }
                states.append(x)
            }
            let last = norm(&graph, x, "text_model.final_layer_norm")
            let pooled = graph.add(.takeRow, [last, eosIndex])
            let projection = weights.matrix(
                &graph, "text_projection.weight", configuration.projectionSize, configuration.hiddenSize)
            return Result(hiddenStates: states, last: last, embedding: graph.linear(pooled, projection))
        }
    }

    private func embed(_ graph: inout ProgramBuilder, _ ids: Program.ValueID) -> Program.ValueID {
        let name = "text_model.embeddings"
        let (width, count) = (configuration.hiddenSize, configuration.vocabularySize)
        let table = weights.tensor(
            &graph, "\(name).token_embedding.weight", fileDims: [count, width], fanIn: 1,
            axes: [GraphAxis.vocab, nil], gain: 0.5)
        let positions = weights.tensor(
            &graph, "\(name).position_embedding.weight", fileDims: [configuration.length, width], fanIn: 1, gain: 0.2)
        return graph.add(.add, [graph.add(.gather, [table, ids]), positions], axes: Self.axes)
    }

    private func layer(
        _ graph: inout ProgramBuilder, _ input: Program.ValueID, _ name: String
    ) -> Program.ValueID {
        let c = configuration
        let x = norm(&graph, input, "\(name).layer_norm1")
        var heads: [Program.ValueID] = []
        for kind in ["q_proj", "k_proj", "v_proj"] {
            let tensor = "\(name).self_attn.\(kind)"
            let weight = weights.toHeads(&graph, "\(tensor).weight", c.headCount, c.headSize, c.hiddenSize)
            let bias = weights.headVector(&graph, "\(tensor).bias", c.headCount, c.headSize)
            heads.append(graph.add(.add, [graph.linear(x, weight), bias]))
        }
        let attended = graph.attend(heads[0], heads[1], heads[2], queryDims: 1, keyDims: 1, isCausal: true)
        let out = weights.fromHeads(
            &graph, "\(name).self_attn.out_proj.weight", c.hiddenSize, c.headCount, c.headSize)
        let outBias = weights.vector(&graph, "\(name).self_attn.out_proj.bias", c.hiddenSize)
        let attention = graph.add(.add, [graph.merge(attended, out), outBias])
        let middle = graph.add(.add, [input, attention], axes: Self.axes)
        let hidden = mlp(&graph, norm(&graph, middle, "\(name).layer_norm2"), "\(name).mlp")
        return graph.add(.add, [middle, hidden], axes: Self.axes)
    }

    private func mlp(_ graph: inout ProgramBuilder, _ x: Program.ValueID, _ name: String) -> Program.ValueID {
        let (width, inner) = (configuration.hiddenSize, configuration.mlpSize)
        let first = weights.matrix(&graph, "\(name).fc1.weight", inner, width, rowAxis: GraphAxis.mlp)
        let firstBias = weights.vector(&graph, "\(name).fc1.bias", inner, axis: GraphAxis.mlp)
        let second = weights.matrix(&graph, "\(name).fc2.weight", width, inner, columnAxis: GraphAxis.mlp)
        let secondBias = weights.vector(&graph, "\(name).fc2.bias", width)
        let hidden = graph.activate(
            graph.add(.add, [graph.linear(x, first), firstBias]),
            configuration.activation == .gelu ? "gelu" : "quickGelu")
        return graph.add(.add, [graph.linear(hidden, second), secondBias])
    }

    private func norm(_ graph: inout ProgramBuilder, _ x: Program.ValueID, _ name: String) -> Program.ValueID {
        let weight = weights.vector(&graph, "\(name).weight", configuration.hiddenSize, mean: 1)
        let bias = weights.vector(&graph, "\(name).bias", configuration.hiddenSize)
        return graph.add(.layerNorm, [x, weight, bias], ["eps": .float(configuration.epsilon)])
    }
}
