import Program
import Tensor

/// What the encoder and the decoder of the picture tokenizer are made of.
///
/// Values are `[B, Y, X, C]`.
struct VQBlocks {
    private static let axes: [String?] = [GraphAxis.batch, GraphAxis.rows, nil, nil]
    let configuration: VQConfiguration
    let weights = WeightFactory(part: "vqvae")

    /// A 3x3 convolution; `upsample` doubles rows and columns first, `stride` 2 halves them (padding right and below).
    func conv(
        _ graph: inout ProgramBuilder, _ x: Program.ValueID, _ name: String, from: Int, to: Int, stride: Int = 1,
        upsample: Int = 1, gain: Double = 1, mean: Double = 0, dtype: DType? = nil
    ) -> Program.ValueID {
        let weight = weights.tensor(
            &graph, "\(name).weight", fileDims: [to, from, 3, 3], fanIn: from * 9, gain: gain)
        let bias = weights.vector(&graph, "\(name).bias", to, mean: mean, scale: mean == 0 ? 0.1 : 0)
        return graph.add(
            .conv, [x, weight, bias],
            [
                "stride": .int(stride), "padLow": .int(stride == 1 ? 1 : 0), "padHigh": .int(1),
                "upsample": .int(upsample),
            ], dtype: dtype, axes: Self.axes)
    }

    /// A 1x1 convolution.
    func pointwise(
        _ graph: inout ProgramBuilder, _ x: Program.ValueID, _ name: String, from: Int, to: Int, dtype: DType? = nil
    ) -> Program.ValueID {
        let weight = weights.matrix(&graph, "\(name).weight", to, from, isConv: true)
        let bias = weights.vector(&graph, "\(name).bias", to)
        return graph.add(.add, [graph.linear(x, weight, dtype: dtype), bias], dtype: dtype, axes: Self.axes)
    }

    /// Group norm over the whole picture, then SiLU.
    func norm(
        _ graph: inout ProgramBuilder, _ x: Program.ValueID, _ name: String, _ size: Int
    ) -> Program.ValueID {
        weights.groupNorm(
            &graph, x, name, channels: size, groups: configuration.groupCount, epsilon: VQConfiguration.epsilon)
    }

    /// Two normalised convolutions with a residual around them; a 1x1 convolution where channels change.
    func residual(
        _ graph: inout ProgramBuilder, _ input: Program.ValueID, _ name: String, from: Int, to: Int
    ) -> Program.ValueID {
        graph.scope(name) { graph in
            var x = conv(&graph, norm(&graph, input, "\(name).norm1", from), "\(name).conv1", from: from, to: to)
            x = conv(&graph, norm(&graph, x, "\(name).norm2", to), "\(name).conv2", from: to, to: to)
            let shortcut =
                from == to ? input : pointwise(&graph, input, "\(name).conv_shortcut", from: from, to: to)
            return graph.add(.add, [shortcut, x], axes: Self.axes)
        }
    }

    /// The two residual blocks at the coarsest level.
    func middle(
        _ graph: inout ProgramBuilder, _ input: Program.ValueID, _ name: String, _ size: Int
    ) -> Program.ValueID {
        (0..<2).reduce(input) { x, index in
            residual(&graph, x, "\(name).mid_block.resnets.\(index)", from: size, to: size)
        }
    }

    /// The codes, f32 `[V, C]`.
    func codebook(_ graph: inout ProgramBuilder) -> Program.ValueID {
        let c = configuration
        return weights.tensor(
            &graph, "quantize.embedding.weight", fileDims: [c.codebookSize, c.codeSize], fanIn: 1, dtype: .f32)
    }
}
