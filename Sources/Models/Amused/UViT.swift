import Program
import Tensor

/// The part of the transformer's graph that runs every step: token grid to logits.
///
/// Values are `[G, B, Y, X, C]`.
///
/// The architecture is diffusers' `UVit2DModel`: an embedding, a convolutional block, transformer layers on a grid that
/// may be half as fine, another convolutional block, and logits. Position comes from depthwise convolutions alone.
struct UViT {
    private static let axes: [String?] = [GraphAxis.guidance, GraphAxis.batch, GraphAxis.tokens, nil, nil]
    let configuration: UViTConfiguration
    private let weights = WeightFactory(part: "transformer")

    init(_ configuration: UViTConfiguration) { self.configuration = configuration }

    /// Adds the graph: `grid` i32 `[G, B, Y, X]` to logits f32 `[G, B, Y, X, codebook]`.
    func logits(
        _ graph: inout ProgramBuilder, grid: Program.ValueID, conditions: TextConditions
    ) -> Program.ValueID {
        graph.scope("transformer") { graph in
            let c = configuration
            var x = graph.scope("embed") { embed(&$0, grid) }
            x = graph.scope("down_block") { graph in
                let input = c.isDownsampled ? downsample(&graph, x) : x
                return block(&graph, "down_block", input, conditions)
            }
            x = project(&graph, x, "project_to_hidden", from: c.blockSize, to: c.hiddenSize)
            for index in 0..<c.layerCount {
                x = graph.scope("transformer_layers.\(index)") { layer(&$0, x, index, conditions) }
            }
            x = project(&graph, x, "project_from_hidden", from: c.hiddenSize, to: c.blockSize)
            x = graph.scope("up_block") { graph in
                let output = block(&graph, "up_block", x, conditions)
                return c.isDownsampled ? upsample(&graph, output) : output
            }
            return graph.scope("mlm_layer") { head(&$0, x) }
        }
    }

    private func embed(_ graph: inout ProgramBuilder, _ grid: Program.ValueID) -> Program.ValueID {
        let c = configuration
        let table = weights.tensor(
            &graph, "embed.embeddings.weight", fileDims: [c.vocabularySize, c.embeddingSize], fanIn: 1)
        let x = norm(&graph, graph.add(.gather, [table, grid]), "embed.layer_norm.weight", c.embeddingSize)
        let conv = weights.matrix(&graph, "embed.conv.weight", c.blockSize, c.embeddingSize, isConv: true)
        return annotated(&graph, graph.linear(x, conv))
    }

    private func head(_ graph: inout ProgramBuilder, _ input: Program.ValueID) -> Program.ValueID {
        let c = configuration
        let first = weights.matrix(&graph, "mlm_layer.conv1.weight", c.embeddingSize, c.blockSize, isConv: true)
        let x = norm(&graph, graph.linear(input, first), "mlm_layer.layer_norm.weight", c.embeddingSize)
        let second = weights.matrix(
            &graph, "mlm_layer.conv2.weight", c.codebookSize, c.embeddingSize, rowAxis: GraphAxis.vocab, isConv: true,
            gain: 3)
        let logits = graph.linear(x, second, dtype: .f32)
        graph.annotate(logits, Self.axes.dropLast() + [GraphAxis.vocab])
        return logits
    }

    private func project(
        _ graph: inout ProgramBuilder, _ input: Program.ValueID, _ name: String, from: Int, to: Int
    ) -> Program.ValueID {
        let x = norm(&graph, input, "\(name)_norm.weight", from)
        return annotated(&graph, graph.linear(x, weights.matrix(&graph, "\(name).weight", to, from)))
    }

    /// Norm, then a 2x2 convolution with stride 2.
    ///
    /// The reference pads one row and column that an even grid never reads.
    private func downsample(_ graph: inout ProgramBuilder, _ input: Program.ValueID) -> Program.ValueID {
        let size = configuration.blockSize
        let x = norm(&graph, input, "down_block.downsample.norm.weight", size)
        let conv = weights.tensor(
            &graph, "down_block.downsample.conv.weight", fileDims: [size, size, 2, 2], fanIn: size * 4)
        let blocks = graph.add(.spaceToDepth, [x])
        return annotated(&graph, graph.add(.dot, [blocks, conv], ["contract": .int(3)]))
    }

    /// Norm, then a 2x2 transposed convolution with stride 2.
    ///
    /// The file's `[in, out, 2, 2]` is seen as `[2, 2, out, in]`.
    private func upsample(_ graph: inout ProgramBuilder, _ input: Program.ValueID) -> Program.ValueID {
        let size = configuration.blockSize
        let x = norm(&graph, input, "up_block.upsample.norm.weight", size)
        let conv = weights.tensor(
            &graph, "up_block.upsample.conv.weight", fileDims: [size, size, 2, 2], permutation: [2, 3, 1, 0],
            fanIn: size)
        return annotated(&graph, graph.add(.depthToSpace, [graph.linear(x, conv)]))
    }

    // MARK: Convolutional blocks

    private func block(
        _ graph: inout ProgramBuilder, _ name: String, _ input: Program.ValueID, _ conditions: TextConditions
    ) -> Program.ValueID {
        var x = input
        for index in 0..<configuration.blockCount {
            x = graph.scope("res_blocks.\(index)") { graph in
                residual(&graph, x, "\(name).res_blocks.\(index)", conditions)
            }
            x = graph.scope("attention_blocks.\(index)") { graph in
                textAttention(&graph, x, "\(name).attention_blocks.\(index)", conditions)
            }
        }
        return x
    }

    /// A ConvNeXt V2 block whose sum with its input is scaled and shifted.
    private func residual(
        _ graph: inout ProgramBuilder, _ input: Program.ValueID, _ name: String, _ conditions: TextConditions
    ) -> Program.ValueID {
        let (size, inner) = (configuration.blockSize, configuration.expandedSize)
        let depthwise = weights.tensor(
            &graph, "\(name).depthwise.weight", fileDims: [size, 1, 3, 3], view: [size, 3, 3], fanIn: 9)
        let normed = norm(&graph, graph.add(.depthwiseConv, [input, depthwise]), "\(name).norm.weight", size)
        let first = weights.matrix(
            &graph, "\(name).channelwise_linear_1.weight", inner, size, rowAxis: GraphAxis.mlp)
        let hidden = graph.activate(graph.linear(normed, first), "gelu")
        let squares = graph.add(.reduce, [hidden], ["dims": .ints([2, 3]), "kind": .text("sumSquares")])
        let norms = graph.add(.reduce, [squares], ["dims": .ints([2]), "kind": .text("sumSqrt")])
        let response = [("gamma", 0.5), ("beta", 0.2)].map { kind, scale in
            weights.vector(
                &graph, "\(name).channelwise_norm.\(kind)", inner, scale: scale, fileDims: [1, 1, 1, inner],
                axis: GraphAxis.mlp)
        }
        let scaled = graph.add(
            .globalResponseNorm, [hidden, squares, norms] + response, ["channels": .int(inner), "eps": .float(1e-6)])
        let second = weights.matrix(
            &graph, "\(name).channelwise_linear_2.weight", size, inner, columnAxis: GraphAxis.mlp)
        let sum = graph.add(.add, [input, graph.linear(scaled, second)])
        return annotated(&graph, graph.add(.modulate, [sum, conditions["\(name).modulation"]]))
    }

    /// Two attentions to the text, each with a norm before and a residual around it.
    private func textAttention(
        _ graph: inout ProgramBuilder, _ input: Program.ValueID, _ name: String, _ conditions: TextConditions
    ) -> Program.ValueID {
        let c = configuration
        var x = input
        for index in 1...2 {
            let normed = norm(&graph, x, "\(name).norm\(index).weight", c.blockSize)
            x = graph.scope("attn\(index)") { graph in
                let attention = "\(name).attn\(index)"
                let query = heads(&graph, normed, "\(attention).to_q", c.blockHeadCount, c.blockHeadSize)
                let attended = graph.attend(
                    query, conditions["\(attention).key"], conditions["\(attention).value"], queryDims: 2, keyDims: 1)
                return merged(&graph, x, attended, attention, c.blockHeadCount, c.blockHeadSize)
            }
        }
        return x
    }

    // MARK: Transformer layers

    /// Self-attention, attention to the text, gated MLP; each after an adaptive norm and with a residual around it.
    private func layer(
        _ graph: inout ProgramBuilder, _ input: Program.ValueID, _ index: Int, _ conditions: TextConditions
    ) -> Program.ValueID {
        let c = configuration
        let name = "transformer_layers.\(index)"
        var x = graph.scope("attn1") { graph in
            let normed = adaptiveNorm(&graph, input, "\(name).norm1", conditions)
            let parts = ["to_q", "to_k", "to_v"].map {
                heads(&graph, normed, "\(name).attn1.\($0)", c.headCount, c.headSize)
            }
            let attended = graph.attend(parts[0], parts[1], parts[2], queryDims: 2, keyDims: 2)
            return merged(&graph, input, attended, "\(name).attn1", c.headCount, c.headSize)
        }
        x = graph.scope("attn2") { graph in
            let normed = adaptiveNorm(&graph, x, "\(name).norm2", conditions)
            let query = heads(&graph, normed, "\(name).attn2.to_q", c.headCount, c.headSize)
            let attended = graph.attend(
                query, conditions["\(name).attn2.key"], conditions["\(name).attn2.value"], queryDims: 2, keyDims: 1)
            return merged(&graph, x, attended, "\(name).attn2", c.headCount, c.headSize)
        }
        return graph.scope("ff") { graph in
            let normed = adaptiveNorm(&graph, x, "\(name).norm3", conditions)
            let gate = weights.pair(
                &graph, "\(name).ff.net.0.proj.weight", c.mlpSize, c.hiddenSize, rowAxis: GraphAxis.mlp)
            let out = weights.matrix(
                &graph, "\(name).ff.net.2.weight", c.hiddenSize, c.mlpSize, columnAxis: GraphAxis.mlp)
            let hidden = graph.add(.gatedGelu, [graph.linear(normed, gate)])
            return annotated(&graph, graph.add(.add, [x, graph.linear(hidden, out)]))
        }
    }

    /// A norm (the third is a layer norm, the others are root mean square norms), then scale and shift.
    private func adaptiveNorm(
        _ graph: inout ProgramBuilder, _ x: Program.ValueID, _ name: String, _ conditions: TextConditions
    ) -> Program.ValueID {
        let weight = weights.vector(&graph, "\(name).norm.weight", configuration.hiddenSize, mean: 1)
        let kind: Opcode = name.hasSuffix("norm3") ? .layerNorm : .rmsNorm
        let normed = graph.add(kind, [x, weight], ["eps": .float(configuration.epsilon)])
        return graph.add(.modulate, [normed, conditions["\(name).modulation"]])
    }

    // MARK: Pieces

    private func heads(
        _ graph: inout ProgramBuilder, _ x: Program.ValueID, _ name: String, _ count: Int, _ size: Int
    ) -> Program.ValueID {
        graph.linear(x, weights.toHeads(&graph, "\(name).weight", count, size, count * size))
    }

    private func merged(
        _ graph: inout ProgramBuilder, _ x: Program.ValueID, _ attended: Program.ValueID, _ name: String, _ count: Int,
        _ size: Int
    ) -> Program.ValueID {
        let out = weights.fromHeads(&graph, "\(name).to_out.0.weight", count * size, count, size)
        return annotated(&graph, graph.add(.add, [x, graph.merge(attended, out)]))
    }

    private func norm(
        _ graph: inout ProgramBuilder, _ x: Program.ValueID, _ tensor: String, _ size: Int
    ) -> Program.ValueID {
        let weight = weights.vector(&graph, tensor, size, mean: 1)
        return graph.add(.rmsNorm, [x, weight], ["eps": .float(configuration.epsilon)])
    }

    private func annotated(_ graph: inout ProgramBuilder, _ x: Program.ValueID) -> Program.ValueID {
        graph.annotate(x, Self.axes)
        return x
    }
}
