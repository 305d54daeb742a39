/// Sizes of a CLIP text encoder with projection.
///
/// "Learning Transferable Visual Models From Natural Language Supervision".
public struct CLIPTextConfiguration: Sendable, Hashable {
    /// The activation in the MLP.
    public enum Activation: String, Sendable, Hashable, CaseIterable {
        /// x·Φ(x) by erf.
        case gelu
        /// x·σ(1.702x).
        case quickGelu = "quick_gelu"
    }

    /// Ids in the vocabulary.
    public var vocabularySize: Int
    /// Positions; every text is padded or cut to it.
    public var length: Int
    /// Width.
    public var hiddenSize: Int
    /// Layers.
    public var layerCount: Int
    /// Attention heads.
    public var headCount: Int
    /// Width of the MLP.
    public var mlpSize: Int
    /// Width of the projected embedding.
    public var projectionSize: Int
    /// Activation in the MLP.
    public var activation: Activation
    /// Epsilon of the layer norms.
    public var epsilon: Double
    /// First token of every text.
    public var startToken: Int
    /// Last token of every text, whose position is pooled; 2 stands for "the largest id of the text".
    public var endToken: Int
    /// Token after the end, as this configuration says; the tokenizer's own files take precedence.
    public var padToken: Int

    /// Elements in a head.
    public var headSize: Int { hiddenSize / headCount }

    /// Position of the token whose hidden state is the text's embedding: the first end token.
    ///
    /// Configurations older than the end token's correction say 2; there it is the first occurrence of the largest id,
    /// as in the reference implementation. A text without an end token gives 0, likewise.
    public func pooledPosition(of ids: [Int32]) -> Int {
        let wanted = endToken == 2 ? ids.max() : Int32(truncatingIfNeeded: endToken)
        return ids.firstIndex { $0 == wanted } ?? 0
    }

    /// Reads `text_encoder/config.json`.
    ///
    /// Throws ``CheckpointError``.
    static func read(_ file: String) throws(CheckpointError) -> CLIPTextConfiguration {
        var reader = try ConfigurationReader(file: file)
        let architectures = reader.raw("architectures")?.array?.compactMap(\.string) ?? []
        if architectures != ["CLIPTextModelWithProjection"] {
            reader.reject(
                "architectures is \(reader.raw("architectures")?.brief ?? "absent"); "
                    + "supported: [\"CLIPTextModelWithProjection\"]")
        }
        _ = reader.word("model_type", ["clip_text_model"], default: "clip_text_model")
        let activation = reader.word("hidden_act", Activation.allCases.map(\.rawValue), default: "quick_gelu")
        let result = CLIPTextConfiguration(
            vocabularySize: reader.size("vocab_size"), length: reader.size("max_position_embeddings"),
            hiddenSize: reader.size("hidden_size"), layerCount: reader.size("num_hidden_layers"),
            headCount: reader.size("num_attention_heads"), mlpSize: reader.size("intermediate_size"),
            projectionSize: reader.size("projection_dim"), activation: Activation(rawValue: activation) ?? .quickGelu,
            epsilon: reader.epsilon("layer_norm_eps"), startToken: reader.token("bos_token_id"),
            endToken: reader.token("eos_token_id"), padToken: reader.token("pad_token_id"))
        if result.hiddenSize % result.headCount != 0 {
            reader.reject("num_attention_heads does not divide hidden_size")
        }
        if result.layerCount < 2 { reader.reject("num_hidden_layers is 1; the last but one state is needed") }
        try reader.finish()
        return result
    }
}
