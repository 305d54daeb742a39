import Program
import Tensor

/// The graphs of aMUSEd's picture tokenizer, with attention in the middle.
struct VQModel: PictureTokenizer {
    let configuration: VQConfiguration
    private let blocks: VQBlocks

    init(_ configuration: VQConfiguration) {
        self.configuration = configuration
        blocks = VQBlocks(configuration: configuration)
    }

    var part: String { "vqvae" }
    var tokenPixels: Int { configuration.tokenPixels }

    func latents(_ graph: inout ProgramBuilder, image: Program.ValueID) -> Program.ValueID {
        let c = configuration
        var x = graph.toActivation(image)
        var size = c.levels[0]
        x = blocks.conv(&graph, x, "encoder.conv_in", from: 3, to: size)
        for (level, width) in c.levels.enumerated() {
            let name = "encoder.down_blocks.\(level)"
            for index in 0..<c.blockCount {
                x = blocks.residual(&graph, x, "\(name).resnets.\(index)", from: size, to: width)
                size = width
            }
            if level + 1 < c.levels.count {
                x = blocks.conv(&graph, x, "\(name).downsamplers.0.conv", from: size, to: size, stride: 2)
            }
        }
        x = blocks.middle(&graph, x, "encoder", size)
        x = blocks.norm(&graph, x, "encoder.conv_norm_out", size)
        x = blocks.conv(&graph, x, "encoder.conv_out", from: size, to: c.latentSize)
        return blocks.pointwise(&graph, x, "quant_conv", from: c.latentSize, to: c.codeSize, dtype: .f32)
    }

    func tokens(_ graph: inout ProgramBuilder, latents: Program.ValueID) -> Program.ValueID {
        graph.add(.choiceIndex, [graph.add(.nearestCode, [latents, blocks.codebook(&graph)])])
    }

    func image(_ graph: inout ProgramBuilder, tokens: Program.ValueID) -> Program.ValueID {
        let c = configuration
        let codes = graph.add(.gather, [blocks.codebook(&graph), tokens])
        var x = graph.toActivation(codes)
        var size = c.levels[c.levels.count - 1]
        x = blocks.pointwise(&graph, x, "post_quant_conv", from: c.codeSize, to: c.latentSize)
        x = blocks.conv(&graph, x, "decoder.conv_in", from: c.latentSize, to: size)
        x = blocks.middle(&graph, x, "decoder", size)
        for (level, width) in c.levels.reversed().enumerated() {
            let name = "decoder.up_blocks.\(level)"
            for index in 0...c.blockCount {
                x = blocks.residual(&graph, x, "\(name).resnets.\(index)", from: size, to: width)
                size = width
            }
            if level + 1 < c.levels.count {
                x = blocks.conv(&graph, x, "\(name).upsamplers.0.conv", from: size, to: size, upsample: 2)
            }
        }
        x = blocks.norm(&graph, x, "decoder.conv_norm_out", size)
        return blocks.conv(&graph, x, "decoder.conv_out", from: size, to: 3, gain: 0.3, mean: 0.5, dtype: .f32)
    }
}
