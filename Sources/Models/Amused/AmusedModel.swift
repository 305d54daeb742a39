public import Program

/// An aMUSEd text-to-image model ("aMUSEd: An Open MUSE Reproduction"): configuration, weights and graphs.
public struct AmusedModel: TokenModel {
    /// The largest token grid: what a 1024 x 1024 picture has at 16 pixels a token.
    public static let tokenCountMax = 4096

    /// Folder or preset.
    public let name: String
    /// Shape.
    public let configuration: AmusedConfiguration
    /// Weights.
    public let weights: ModelWeights
    /// What the programs compute in.
    public let precision: ModelPrecision
    /// SHA-256 fingerprint, as 64 hexadecimal digits (see ``Checkpoint/identity(textFiles:)``).
    public let identity: String

    /// Opens a folder in the layout of diffusers' `AmusedPipeline`; reads configurations and weight headers only.
    ///
    /// Every weight that the graphs need is looked for. `replacing`: weight files to take instead of a part's own.
    /// Throws ``CheckpointError`` with everything that is wrong.
    public init(
        folder: String, precision: ModelPrecision = .bf16, variant: WeightVariant = .full,
        replacing: [String: String] = [:]
    ) throws(CheckpointError) {
        configuration = try AmusedConfiguration.read(folder: folder)
        let checkpoint = try Checkpoint(
            folder: folder, parts: AmusedConfiguration.parts, variant: variant, replacing: replacing)
        name = folder
        weights = .checkpoint(checkpoint)
        self.precision = precision
        identity = try checkpoint.identity(textFiles: AmusedConfiguration.textFiles)
        _ = try checkpoint.sources(of: parameters.values)
    }

    /// Makes a model of a built-in shape with generated weights.
    ///
    /// Throws ``ModelError/unknownPreset(name:known:)``.
    public init(preset: String, seed: UInt64, precision: ModelPrecision = .bf16) throws(ModelError) {
        configuration = try AmusedConfiguration.preset(preset)
        name = preset
        weights = .generated(seed: seed)
        self.precision = precision
        identity = ModelWeights.generatedIdentity(preset, seed: seed)
    }

    /// All weights of all parts, by name.
    public var parameters: [String: ParameterSpec] {
        let rows = configuration.transformer.isDownsampled ? 2 : 1
        let programs = [
            textProgram(batch: 1, guided: false),
            stepProgram(batch: 1, guidance: .single, rows: rows, columns: rows, noise: .none),
            decodeProgram(batch: 1, rows: 1, columns: 1), encodeProgram(batch: 1, rows: 1, columns: 1),
        ]
        return programs.reduce(into: [:]) { all, program in all.merge(program.parameters) { first, _ in first } }
    }

    /// Where the values of a program's weights are, by ``ParameterSpec/name``.
    ///
    /// Throws ``CheckpointError/weights(folder:problems:)``.
    public func sources(of program: Program) throws(CheckpointError) -> [String: ParameterSource] {
        try weights.sources(of: program)
    }

    /// Folder with `vocab.json` and `merges.txt`; nil for generated weights.
    ///
    /// There the tokenizer is ``CLIPTokenizer/byteLevel(vocabularySize:maxLength:)``.
    public var tokenizerFolder: String? {
        if case .checkpoint(let checkpoint) = weights { "\(checkpoint.folder)/tokenizer" } else { nil }
    }

    /// Rows and columns of pixels in a token.
    public var tokenPixels: Int { configuration.vq.tokenPixels }

    /// Width and height, in pixels, that it was trained for.
    public var defaultSize: Int { configuration.transformer.sampleSize * tokenPixels }

    /// The token grid of a picture.
    ///
    /// Throws ``ModelError/unsupportedSize(width:height:reason:)`` where sides are not multiples of a token's pixels
    /// (two tokens', where the transformer halves the grid), or the grid is empty or too large.
    public func grid(width: Int, height: Int) throws(ModelError) -> (rows: Int, columns: Int) {
        let multiple = tokenPixels * (configuration.transformer.isDownsampled ? 2 : 1)
        guard width >= multiple, height >= multiple, width % multiple == 0, height % multiple == 0 else {
            throw .unsupportedSize(
                width: width, height: height, reason: "both sides must be positive multiples of \(multiple)")
        }
        let (rows, columns) = (height / tokenPixels, width / tokenPixels)
        guard !rows.multipliedReportingOverflow(by: columns).overflow, rows * columns <= Self.tokenCountMax else {
            throw .unsupportedSize(
                width: width, height: height,
                reason: "it has more than \(Self.tokenCountMax) tokens of \(tokenPixels) x \(tokenPixels) pixels")
        }
        return (rows, columns)
    }
}
