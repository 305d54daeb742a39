/// Sizes of the masked-token transformer of aMUSEd (diffusers: `UVit2DModel`).
public struct UViTConfiguration: Sendable, Hashable {
    /// Width of the transformer layers.
    public var hiddenSize: Int
    /// Transformer layers.
    public var layerCount: Int
    /// Their attention heads.
    public var headCount: Int
    /// Width of their gated MLP.
    public var mlpSize: Int
    /// Width of the token embedding.
    public var embeddingSize: Int
    /// Channels of the convolutional blocks before and after the layers.
    public var blockSize: Int
    /// Pairs of residual and attention block in each of the two.
    public var blockCount: Int
    /// Attention heads there.
    public var blockHeadCount: Int
    /// Token ids, the mask token included.
    public var vocabularySize: Int
    /// Codes that logits are computed for.
    public var codebookSize: Int
    /// Width of the text encoder's hidden states.
    public var textSize: Int
    /// Width of the pooled text embedding.
    public var pooledSize: Int
    /// Elements that each of the five micro-conditions is encoded in.
    public var microSize: Int
    /// True where the layers work on a grid of half the rows and columns.
    public var isDownsampled: Bool
    /// Epsilon of all norms.
    public var epsilon: Double
    /// Rows and columns of tokens that it was trained for.
    public var sampleSize: Int

    /// Elements in a head of the layers.
    public var headSize: Int { hiddenSize / headCount }
    /// Elements in a head of the blocks.
    public var blockHeadSize: Int { blockSize / blockHeadCount }
    /// Width inside a residual block.
    public var expandedSize: Int { blockSize * 4 }
    /// The text goes through a `kv_mapper` (and SiLU) in the blocks only where the widths differ.
    public var hasTextMapper: Bool { hiddenSize != blockSize }

    /// What the layers need from the text and the micro-conditions, in the order of their use.
    ///
    /// `length` is the number of text positions.
    func conditions(length: Int) -> [TextConditions.Item] {
        func modulation(_ name: String, _ size: Int) -> TextConditions.Item {
            TextConditions.Item(name: "\(name).modulation", dims: [2, size], axes: [nil, nil])
        }
        func block(_ name: String) -> [TextConditions.Item] {
            (0..<blockCount).flatMap { index in
                [modulation("\(name).res_blocks.\(index)", blockSize)]
                    + ["attn1", "attn2"].flatMap {
                        TextConditions.Item.keyAndValue(
                            "\(name).attention_blocks.\(index).\($0)", length: length, heads: blockHeadCount,
                            headSize: blockHeadSize)
                    }
            }
        }
        let layers = (0..<layerCount).flatMap { index in
            let name = "transformer_layers.\(index)"
            return [modulation("\(name).norm1", hiddenSize), modulation("\(name).norm2", hiddenSize)]
                + TextConditions.Item.keyAndValue(
                    "\(name).attn2", length: length, heads: headCount, headSize: headSize)
                + [modulation("\(name).norm3", hiddenSize)]
        }
        return block("down_block") + layers + block("up_block")
    }

    /// Reads `transformer/config.json`.
    ///
    /// Throws ``CheckpointError``.
    static func read(_ file: String) throws(CheckpointError) -> UViTConfiguration {
        var reader = try ConfigurationReader(file: file)
        _ = reader.word("_class_name", ["UVit2DModel"])
        reader.expect("use_bias", false, default: false)
        reader.expect("ln_elementwise_affine", true, default: true)
        let downsample = reader.flag("downsample", default: false)
        if reader.flag("upsample", default: false) != downsample {
            reader.reject("downsample and upsample differ; only both or neither is supported")
        }
        let result = UViTConfiguration(
            hiddenSize: reader.size("hidden_size"), layerCount: reader.size("num_hidden_layers"),
            headCount: reader.size("num_attention_heads"), mlpSize: reader.size("intermediate_size"),
            embeddingSize: reader.size("in_channels"), blockSize: reader.size("block_out_channels"),
            blockCount: reader.size("num_res_blocks"), blockHeadCount: reader.size("block_num_heads"),
            vocabularySize: reader.size("vocab_size"), codebookSize: reader.size("codebook_size"),
            textSize: reader.size("encoder_hidden_size"), pooledSize: reader.size("cond_embed_dim"),
            microSize: reader.size("micro_cond_encode_dim"), isDownsampled: downsample,
            epsilon: reader.epsilon("layer_norm_eps"), sampleSize: reader.size("sample_size"))
        if reader.size("micro_cond_embed_dim") != 5 * result.microSize {
            reader.reject("micro_cond_embed_dim is not 5 times micro_cond_encode_dim")
        }
        if result.microSize % 2 != 0 { reader.reject("micro_cond_encode_dim is odd") }
        if result.hiddenSize % result.headCount != 0 {
            reader.reject("num_attention_heads does not divide hidden_size")
        }
        if result.blockSize % result.blockHeadCount != 0 {
            reader.reject("block_num_heads does not divide block_out_channels")
        }
        if result.codebookSize >= result.vocabularySize {
            reader.reject("codebook_size leaves no id of vocab_size for the mask token")
        }
        try reader.finish()
        return result
    }
}
