/// Sizes of the picture tokenizer (diffusers: `VQModel`, "Taming Transformers for High-Resolution Image Synthesis").
public struct VQConfiguration: Sendable, Hashable {
    /// Channels of each level, finest first; every level but the last halves rows and columns.
    public var levels: [Int]
    /// Residual blocks in a level of the encoder; the decoder has one more.
    public var blockCount: Int
    /// Channels of the encoder's output and the decoder's input.
    public var latentSize: Int
    /// Elements of a code.
    public var codeSize: Int
    /// Codes.
    public var codebookSize: Int
    /// Groups of the group norms.
    public var groupCount: Int

    /// Rows and columns of pixels in a token.
    public var tokenPixels: Int { 1 << (levels.count - 1) }
    /// Epsilon of the group norms, which the configuration files do not hold.
    public static let epsilon = 1e-6

    /// Reads `vqvae/config.json`.
    ///
    /// Throws ``CheckpointError``.
    static func read(_ file: String) throws(CheckpointError) -> VQConfiguration {
        var reader = try ConfigurationReader(file: file)
        _ = reader.word("_class_name", ["VQModel"])
        _ = reader.word("act_fn", ["silu"], default: "silu")
        _ = reader.word("norm_type", ["group"], default: "group")
        reader.expect("lookup_from_codebook", true, default: false)
        reader.expect("mid_block_add_attention", false, default: true)
        let levels = reader.sizes("block_out_channels")
        let latentSize = reader.size("latent_channels")
        let codeSize: Int
        if let value = reader.raw("vq_embed_dim"), value != .null {
            codeSize = reader.size("vq_embed_dim")
        } else {
            codeSize = latentSize
        }
        let result = VQConfiguration(
            levels: levels, blockCount: reader.size("layers_per_block"), latentSize: latentSize, codeSize: codeSize,
            codebookSize: reader.size("num_vq_embeddings"), groupCount: reader.size("norm_num_groups"))
        for key in ["in_channels", "out_channels"] where reader.size(key) != 3 { reader.reject("\(key) is not 3") }
        for (key, block) in [("down_block_types", "DownEncoderBlock2D"), ("up_block_types", "UpDecoderBlock2D")] {
            let wanted = Array(repeating: JSONValue.string(block), count: levels.count)
            if reader.raw(key)?.array != wanted {
                let found = reader.raw(key)?.brief ?? "absent"
                reader.reject("\(key) is \(found); one \(block) for each of block_out_channels is supported")
            }
        }
        if levels.count > 6 { reader.reject("block_out_channels has more than 6 levels") }
        if levels.contains(where: { $0 % result.groupCount != 0 }) {
            reader.reject("norm_num_groups does not divide all of block_out_channels")
        }
        try reader.finish()
        return result
    }
}
