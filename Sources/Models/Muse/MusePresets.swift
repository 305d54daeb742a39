extension MuseConfiguration {
    /// Names of the built-in configurations, for models with generated weights.
    public static let presets = ["muse-3b", "muse-632m", "muse-tiny"]

    /// A built-in configuration: the paper's two base models, or a small one of the same shape.
    ///
    /// `muse-3b` has the paper's table 4. Of the 632 M model the paper gives the size alone: 36 layers of width 1024 with
    /// MLPs of 4096 come to 622 M with the smallest text encoder and 626 M with the paper's. The tokenizer is MaskGIT's
    /// (base channels 128, multipliers 1, 1, 2, 2, 4, codes of 256 elements) with the paper's 8192 codes; of these the
    /// paper gives base channels, blocks a level and codes. Texts have 128 positions, as Parti's; that many *bytes* here,
    /// because generated weights come without a SentencePiece vocabulary (``ByteTokenizer``).
    ///
    /// `textEncoder`: one of ``T5Configuration/sizes``. The paper's T5-XXL is larger than the model itself (4.6 B
    /// parameters, 9.3 GB in bf16), so the default is t5-small, projected from 512 to the transformer's width. nil: the
    /// preset's own.
    ///
    /// Throws ``ModelError/unknownPreset(name:known:)`` and ``ModelError/unknownTextEncoder(name:known:)``.
    public static func preset(_ name: String, textEncoder: String? = nil) throws(ModelError) -> MuseConfiguration {
        let length = name == "muse-tiny" ? 64 : 128
        var text =
            name == "muse-tiny"
            ? T5Configuration(
                vocabularySize: ByteTokenizer.vocabularySize, length: length, hiddenSize: 48, layerCount: 2,
                headCount: 6, headSize: 16, mlpSize: 96)
            : T5Configuration.published("t5-small", length: length)
        if let textEncoder { text = T5Configuration.published(textEncoder, length: length) }
        guard let text else {
            throw .unknownTextEncoder(name: textEncoder ?? "", known: T5Configuration.sizes)
        }
        return switch name {
        case "muse-3b": base(hiddenSize: 2048, layerCount: 48, headCount: 32, text: text)
        case "muse-632m": base(hiddenSize: 1024, layerCount: 36, headCount: 16, text: text)
        case "muse-tiny": tiny(text: text)
        default: throw .unknownPreset(name: name, known: presets)
        }
    }

    private static func base(
        hiddenSize: Int, layerCount: Int, headCount: Int, text: T5Configuration
    ) -> MuseConfiguration {
        MuseConfiguration(
            text: text,
            transformer: MuseTransformerConfiguration(
                hiddenSize: hiddenSize, layerCount: layerCount, headCount: headCount, mlpSize: 4 * hiddenSize,
                codebookSize: 8192, textSize: text.hiddenSize),
            vqgan: VQGANConfiguration(
                levels: [128, 128, 256, 256, 512], blockCount: 2, codeSize: 256, codebookSize: 8192, groupCount: 32))
    }

    private static func tiny(text: T5Configuration) -> MuseConfiguration {
        MuseConfiguration(
            text: text,
            transformer: MuseTransformerConfiguration(
                hiddenSize: 96, layerCount: 3, headCount: 6, mlpSize: 256, codebookSize: 256, textSize: text.hiddenSize,
                gridSize: 8),
            vqgan: VQGANConfiguration(
                levels: [8, 16, 16, 24, 32], blockCount: 1, codeSize: 16, codebookSize: 256, groupCount: 4),
            stepCount: 8)
    }
}
