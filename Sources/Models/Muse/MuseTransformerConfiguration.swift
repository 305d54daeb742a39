/// Sizes of Muse's base transformer ("Muse: Text-To-Image Generation via Masked Generative Transformers", §2.3).
///
/// The paper says: self-attention, attention to the text, MLP; learned two-dimensional positions; an MLP to logits; 48
/// layers, width 2048 and MLP width 8192 for 3 B parameters (table 4). What it does not say is chosen here, and the
/// choices are:
/// - heads of 64 elements, 32 at width 2048, as Parti has at the same width;
/// - a layer norm with a scale and no shift before each sublayer and before the head; no biases;
/// - a plain MLP of two matrices (a gated one would make 4 B of the published sizes), with GELU by tanh;
/// - positions as the sum of a row's and a column's embedding;
/// - a head of one hidden layer with GELU, then logits from a matrix of its own, not the embedding's;
/// - features of the text projected without a norm, so that no text gives keys and values of 0: attention to it then adds
///   exactly nothing, which is how the paper trains its unconditional half (§2.7);
/// - keys of padding are not masked: they are 0 too.
public struct MuseTransformerConfiguration: Sendable, Hashable {
    /// Width.
    public var hiddenSize: Int
    /// Layers.
    public var layerCount: Int
    /// Attention heads.
    public var headCount: Int
    /// Width of the MLP.
    public var mlpSize: Int
    /// Codes; the id after the last is the mask token's.
    public var codebookSize: Int
    /// Width of the text features.
    public var textSize: Int
    /// Rows and columns of the token grid.
    public var gridSize: Int
    /// Epsilon of all norms.
    public var epsilon: Double

    /// Makes a configuration.
    public init(
        hiddenSize: Int, layerCount: Int, headCount: Int, mlpSize: Int, codebookSize: Int, textSize: Int,
        gridSize: Int = 16, epsilon: Double = 1e-6
    ) {
        self.hiddenSize = hiddenSize
        self.layerCount = layerCount
        self.headCount = headCount
        self.mlpSize = mlpSize
        self.codebookSize = codebookSize
        self.textSize = textSize
        self.gridSize = gridSize
        self.epsilon = epsilon
    }

    /// Elements in a head.
    public var headSize: Int { hiddenSize / headCount }
    /// Id of a hidden token.
    public var maskToken: Int { codebookSize }
    /// Token ids, the mask token included.
    public var vocabularySize: Int { codebookSize + 1 }

    /// Keys and values of all layers' attention to the text, in the order of their use; `length` text positions.
    func conditions(length: Int) -> [TextConditions.Item] {
        (0..<layerCount).flatMap {
            TextConditions.Item.keyAndValue(
                "layers.\($0).cross_attention", length: length, heads: headCount, headSize: headSize)
        }
    }

    /// Reads `transformer/config.json`.
    ///
    /// Throws ``CheckpointError``.
    static func read(_ file: String) throws(CheckpointError) -> MuseTransformerConfiguration {
        var reader = try ConfigurationReader(file: file)
        _ = reader.word("model_type", ["muse"])
        let result = MuseTransformerConfiguration(
            hiddenSize: reader.size("hidden_size"), layerCount: reader.size("layers"),
            headCount: reader.size("heads"), mlpSize: reader.size("mlp_size"), codebookSize: reader.size("codes"),
            textSize: reader.size("text_size"), gridSize: reader.size("grid"), epsilon: reader.epsilon("epsilon"))
        if result.hiddenSize % result.headCount != 0 { reader.reject("heads does not divide hidden_size") }
        if result.gridSize > 64 { reader.reject("grid is more than 64") }
        if result.layerCount > 1024 { reader.reject("layers is more than 1024") }
        try reader.finish()
        return result
    }

    /// The file that ``read(_:)`` reads.
    var json: JSONValue {
        .object([
            "model_type": .string("muse"), "hidden_size": .int(hiddenSize), "layers": .int(layerCount),
            "heads": .int(headCount), "mlp_size": .int(mlpSize), "codes": .int(codebookSize),
            "text_size": .int(textSize), "grid": .int(gridSize), "epsilon": .double(epsilon),
        ])
    }
}
