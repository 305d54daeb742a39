import Program
import Tensor

/// The graphs of MaskGIT's picture tokenizer, which has no attention.
///
/// Names are those of the PyTorch ports. Two traits set it apart from
/// other tokenizers: convolutions in residual blocks have no bias, and where channels change the 1x1 convolution is
/// applied to the block's *output* (`y = h + conv(h)`), not to its input.
struct VQGAN: PictureTokenizer {
    private static let axes: [String?] = [GraphAxis.batch, GraphAxis.rows, nil, nil]
    let configuration: VQGANConfiguration
    private let weights = WeightFactory(part: "vqgan")

    init(_ configuration: VQGANConfiguration) { self.configuration = configuration }

    var part: String { "vqgan" }
    var tokenPixels: Int { configuration.tokenPixels }

    // MARK: Graphs

    func latents(_ graph: inout ProgramBuilder, image: Program.ValueID) -> Program.ValueID {
        let c = configuration
        var size = c.levels[0]
        var x = conv(&graph, graph.toActivation(image), "encoder.conv_in", from: 3, to: size, hasBias: false)
        for (level, width) in c.levels.enumerated() {
            for index in 0..<c.blockCount {
                x = residual(&graph, x, "encoder.down.\(level).block.\(index)", from: size, to: width)
                size = width
            }
            if level + 1 < c.levels.count { x = graph.scope("pool") { averagePool(&$0, x) } }
        }
        for index in 0..<2 { x = residual(&graph, x, "encoder.mid.\(index)", from: size, to: size) }
        x = norm(&graph, x, "encoder.norm_out", size)
        let weight = weights.matrix(&graph, "encoder.conv_out.weight", c.codeSize, size, isConv: true)
        let bias = weights.vector(&graph, "encoder.conv_out.bias", c.codeSize)
        return graph.add(.add, [graph.linear(x, weight, dtype: .f32), bias], dtype: .f32, axes: Self.axes)
    }

    func tokens(_ graph: inout ProgramBuilder, latents: Program.ValueID) -> Program.ValueID {
        graph.add(.choiceIndex, [graph.add(.nearestCode, [latents, codebook(&graph)])])
    }

    func image(_ graph: inout ProgramBuilder, tokens: Program.ValueID) -> Program.ValueID {
        let c = configuration
        var size = c.levels[c.levels.count - 1]
        let codes = graph.toActivation(graph.add(.gather, [codebook(&graph), tokens]))
        var x = conv(&graph, codes, "decoder.conv_in", from: c.codeSize, to: size)
        for index in 0..<2 { x = residual(&graph, x, "decoder.mid.\(index)", from: size, to: size) }
        for (level, width) in c.levels.enumerated().reversed() {
            for index in 0..<c.blockCount {
                x = residual(&graph, x, "decoder.up.\(level).block.\(index)", from: size, to: width)
                size = width
            }
            if level > 0 {
                x = conv(
                    &graph, x, "decoder.up.\(level).upsample_conv", from: size, to: size, upsample: 2)
            }
        }
        x = norm(&graph, x, "decoder.norm_out", size)
        return conv(&graph, x, "decoder.conv_out", from: size, to: 3, gain: 0.3, mean: 0.5, dtype: .f32)
    }

    // MARK: Pieces

    /// The codes, f32 `[V, C]`.
    private func codebook(_ graph: inout ProgramBuilder) -> Program.ValueID {
        let c = configuration
        return weights.tensor(
            &graph, "quantize.embedding.weight", fileDims: [c.codebookSize, c.codeSize], fanIn: 1, dtype: .f32)
    }

    /// A 3x3 convolution; `upsample` doubles rows and columns first.
    private func conv(
        _ graph: inout ProgramBuilder, _ x: Program.ValueID, _ name: String, from: Int, to: Int, upsample: Int = 1,
        hasBias: Bool = true, gain: Double = 1, mean: Double = 0, dtype: DType? = nil
    ) -> Program.ValueID {
        let weight = weights.tensor(
            &graph, "\(name).weight", fileDims: [to, from, 3, 3], fanIn: from * 9, gain: gain)
        let bias =
            hasBias
            ? weights.vector(&graph, "\(name).bias", to, mean: mean, scale: mean == 0 ? 0.1 : 0)
            : graph.constant(0, TensorType(.f32, [Dim(to)]))
        return graph.add(
            .conv, [x, weight, bias],
            ["stride": .int(1), "padLow": .int(1), "padHigh": .int(1), "upsample": .int(upsample)], dtype: dtype,
            axes: Self.axes)
    }

    /// Group norm over the whole picture, then SiLU.
    private func norm(
        _ graph: inout ProgramBuilder, _ x: Program.ValueID, _ name: String, _ size: Int
    ) -> Program.ValueID {
        weights.groupNorm(
            &graph, x, name, channels: size, groups: configuration.groupCount, epsilon: VQGANConfiguration.epsilon)
    }

    /// Two normalised convolutions with a residual around them, of their own output where channels change.
    private func residual(
        _ graph: inout ProgramBuilder, _ input: Program.ValueID, _ name: String, from: Int, to: Int
    ) -> Program.ValueID {
        graph.scope(name) { graph in
            var x = norm(&graph, input, "\(name).norm1", from)
            x = conv(&graph, x, "\(name).conv1", from: from, to: to, hasBias: false)
            x = conv(
                &graph, norm(&graph, x, "\(name).norm2", to), "\(name).conv2", from: to, to: to, hasBias: false)
            guard from != to else { return graph.add(.add, [input, x], axes: Self.axes) }
            let shortcut = weights.matrix(&graph, "\(name).nin_shortcut.weight", to, to, isConv: true)
            return graph.add(.add, [graph.linear(x, shortcut), x], axes: Self.axes)
        }
    }

    /// The mean of 2x2 blocks.
    private func averagePool(_ graph: inout ProgramBuilder, _ x: Program.ValueID) -> Program.ValueID {
        let blocks = graph.add(.spaceToDepth, [x])
        let sum = graph.add(.reduce, [blocks], ["dims": .ints([4, 5]), "kind": .text("sum")])
        let quarter = graph.constant(0.25, graph.type(of: sum))
        return graph.add(.binary, [sum, quarter], ["kind": .text("multiply")], axes: Self.axes)
    }
}
