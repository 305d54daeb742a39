/// Sizes of a T5 v1.1 text encoder ("Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer").
public struct T5Configuration: Sendable, Hashable {
    /// Ids in the vocabulary.
    public var vocabularySize: Int
    /// Positions that a text is padded or cut to: no property of the encoder, whose positions are relative.
    public var length: Int
    /// Width.
    public var hiddenSize: Int
    /// Layers.
    public var layerCount: Int
    /// Attention heads.
    public var headCount: Int
    /// Elements in a head; heads times elements need not be the width.
    public var headSize: Int
    /// Width of the gated MLP.
    public var mlpSize: Int
    /// Buckets of relative positions.
    public var bucketCount: Int
    /// Distance from which on all positions share the last bucket.
    public var distanceMax: Int
    /// Epsilon of the root mean square norms.
    public var epsilon: Double

    /// Token that fills up; nothing attends to it.
    public static let padToken: Int32 = 0
    /// Last token of every text.
    public static let endToken: Int32 = 1

    /// The published encoders, smallest first.
    public static let sizes = ["t5-small", "t5-base", "t5-large", "t5-xl", "t5-xxl"]

    /// Makes a configuration; heads of 64, 32 buckets up to a distance of 128 and epsilon 1e-6 are every published
    /// encoder's.
    public init(
        vocabularySize: Int, length: Int, hiddenSize: Int, layerCount: Int, headCount: Int, headSize: Int = 64,
        mlpSize: Int, bucketCount: Int = 32, distanceMax: Int = 128, epsilon: Double = 1e-6
    ) {
        self.vocabularySize = vocabularySize
        self.length = length
        self.hiddenSize = hiddenSize
        self.layerCount = layerCount
        self.headCount = headCount
        self.headSize = headSize
        self.mlpSize = mlpSize
        self.bucketCount = bucketCount
        self.distanceMax = distanceMax
        self.epsilon = epsilon
    }

    /// The shape of a published v1.1 encoder, with the vocabulary of ``ByteTokenizer``; nil for an unknown name.
    ///
    /// Encoder parameters without the embedding table: small 19 M, base 85 M, large 308 M, xl 1.16 B, xxl 4.63 B.
    public static func published(_ name: String, length: Int) -> T5Configuration? {
        func size(_ hidden: Int, _ mlp: Int, _ heads: Int, _ layers: Int) -> T5Configuration {
            T5Configuration(
                vocabularySize: ByteTokenizer.vocabularySize, length: length, hiddenSize: hidden, layerCount: layers,
                headCount: heads, mlpSize: mlp)
        }
        return switch name {
        case "t5-small": size(512, 1024, 6, 8)
        case "t5-base": size(768, 2048, 12, 12)
        case "t5-large": size(1024, 2816, 16, 24)
        case "t5-xl": size(2048, 5120, 32, 24)
        case "t5-xxl": size(4096, 10240, 64, 24)
        default: nil
        }
    }

    /// Reads `text_encoder/config.json`: the keys of transformers' `T5Config`, the text length and the tokenizer.
    ///
    /// Throws ``CheckpointError``.
    static func read(_ file: String) throws(CheckpointError) -> T5Configuration {
        var reader = try ConfigurationReader(file: file)
        _ = reader.word("model_type", ["t5"])
        _ = reader.word("feed_forward_proj", ["gated-gelu"])
        _ = reader.word("tokenizer", ["bytes"])
        for (key, token) in [("pad_token_id", padToken), ("eos_token_id", endToken)]
        where reader.token(key) != Int(token) {
            reader.reject("\(key) is not \(token)")
        }
        let result = T5Configuration(
            vocabularySize: reader.size("vocab_size"), length: reader.size("length"),
            hiddenSize: reader.size("d_model"), layerCount: reader.size("num_layers"),
            headCount: reader.size("num_heads"), headSize: reader.size("d_kv"), mlpSize: reader.size("d_ff"),
            bucketCount: reader.size("relative_attention_num_buckets"),
            distanceMax: reader.size("relative_attention_max_distance"),
            epsilon: reader.epsilon("layer_norm_epsilon"))
        if result.vocabularySize < ByteTokenizer.idCount {
            reader.reject("vocab_size has no room for the tokenizer's \(ByteTokenizer.idCount) ids")
        }
        if result.length < 2 || result.length > 4096 { reader.reject("length is not in 2...4096") }
        if result.bucketCount % 4 != 0 || result.bucketCount > 256 {
            reader.reject("relative_attention_num_buckets is not a multiple of 4 up to 256")
        }
        if result.distanceMax <= result.bucketCount / 4 || result.distanceMax > 65_536 {
            reader.reject("relative_attention_max_distance is not above a quarter of the buckets and at most 65536")
        }
        try reader.finish()
        return result
    }

    /// The file that ``read(_:)`` reads.
    var json: JSONValue {
        .object([
            "model_type": .string("t5"), "feed_forward_proj": .string("gated-gelu"), "tokenizer": .string("bytes"),
            "pad_token_id": .int(Int(Self.padToken)), "eos_token_id": .int(Int(Self.endToken)),
            "vocab_size": .int(vocabularySize), "length": .int(length), "d_model": .int(hiddenSize),
            "num_layers": .int(layerCount), "num_heads": .int(headCount), "d_kv": .int(headSize),
            "d_ff": .int(mlpSize), "relative_attention_num_buckets": .int(bucketCount),
            "relative_attention_max_distance": .int(distanceMax), "layer_norm_epsilon": .double(epsilon),
        ])
    }
}
