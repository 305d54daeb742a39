/// Sizes of a picture tokenizer in the style of MaskGIT's ("MaskGIT: Masked Generative Image Transformer", §4.1).
public struct VQGANConfiguration: Sendable, Hashable {
    /// Channels of each level, finest first; every level but the last halves rows and columns.
    public var levels: [Int]
    /// Residual blocks in a level, of the encoder as of the decoder.
    public var blockCount: Int
    /// Elements of a code.
    public var codeSize: Int
    /// Codes.
    public var codebookSize: Int
    /// Groups of the group norms.
    public var groupCount: Int

    /// Epsilon of the group norms.
    public static let epsilon = 1e-6

    /// Rows and columns of pixels in a token.
    public var tokenPixels: Int { 1 << (levels.count - 1) }

    /// Makes a configuration.
    public init(levels: [Int], blockCount: Int, codeSize: Int, codebookSize: Int, groupCount: Int) {
        self.levels = levels
        self.blockCount = blockCount
        self.codeSize = codeSize
        self.codebookSize = codebookSize
        self.groupCount = groupCount
    }

    /// Reads `vqgan/config.json`.
    ///
    /// Throws ``CheckpointError``.
    static func read(_ file: String) throws(CheckpointError) -> VQGANConfiguration {
        var reader = try ConfigurationReader(file: file)
        _ = reader.word("model_type", ["maskgit-vqgan"])
        let result = VQGANConfiguration(
            levels: reader.sizes("channels"), blockCount: reader.size("blocks"), codeSize: reader.size("code_size"),
            codebookSize: reader.size("codes"), groupCount: reader.size("groups"))
        if result.levels.count > 6 { reader.reject("channels has more than 6 levels") }
        if result.levels.contains(where: { $0 % result.groupCount != 0 }) {
            reader.reject("groups does not divide all of channels")
        }
        try reader.finish()
        return result
    }

    /// The file that ``read(_:)`` reads.
    var json: JSONValue {
        .object([
            "model_type": .string("maskgit-vqgan"), "channels": .array(levels.map { .int($0) }),
            "blocks": .int(blockCount), "code_size": .int(codeSize), "codes": .int(codebookSize),
            "groups": .int(groupCount),
        ])
    }
}
