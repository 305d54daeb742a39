public import Program
import Tensor

/// A Muse text-to-image model: configuration, weights and graphs.
public struct MuseModel: TokenModel {
    /// Folder or preset.
    public let name: String
    /// Shape.
    public let configuration: MuseConfiguration
    /// Weights.
    public let weights: ModelWeights
    /// What the programs compute in.
    public private(set) var precision: ModelPrecision
    /// SHA-256 fingerprint, as 64 hexadecimal digits (see ``Checkpoint/identity(textFiles:)``).
    public let identity: String

    /// Opens a folder in our own layout (docs/models.md); reads configurations and weight headers only.
    ///
    /// Every weight that the graphs need is looked for. Throws ``CheckpointError`` with everything that is wrong.
    public init(folder: String, precision: ModelPrecision = .bf16) throws(CheckpointError) {
        configuration = try MuseConfiguration.read(folder: folder)
        let checkpoint = try Checkpoint(folder: folder, parts: MuseConfiguration.parts)
        name = folder
        weights = .checkpoint(checkpoint)
        self.precision = precision
        identity = try checkpoint.identity(textFiles: MuseConfiguration.textFiles)
        _ = try checkpoint.sources(of: parameters.values)
    }

    /// Makes a model of a built-in shape with generated weights.
    ///
    /// `textEncoder`: see ``MuseConfiguration/preset(_:textEncoder:)``. Throws ``ModelError``.
    public init(
        preset: String, textEncoder: String? = nil, seed: UInt64, precision: ModelPrecision = .bf16
    ) throws(ModelError) {
        configuration = try MuseConfiguration.preset(preset, textEncoder: textEncoder)
        name = textEncoder.map { "\(preset) with \($0)" } ?? preset
        weights = .generated(seed: seed)
        self.precision = precision
        identity = ModelWeights.generatedIdentity(name, seed: seed)
    }

    /// Makes a model of any shape with generated weights.
    public init(name: String, configuration: MuseConfiguration, seed: UInt64, precision: ModelPrecision = .bf16) {
        self.name = name
        self.configuration = configuration
        weights = .generated(seed: seed)
        self.precision = precision
        identity = ModelWeights.generatedIdentity(name, seed: seed)
    }

    /// All weights of all parts, by name.
    public var parameters: [String: ParameterSpec] {
        programs.reduce(into: [:]) { all, program in all.merge(program.parameters) { first, _ in first } }
    }

    /// Programs of the least sizes, which together have all weights.
    private var programs: [Program] {
        [
            textProgram(batch: 1, guided: false),
            stepProgram(batch: 1, guidance: .single, rows: 1, columns: 1, noise: .none),
            decodeProgram(batch: 1, rows: 1, columns: 1), encodeProgram(batch: 1, rows: 1, columns: 1),
        ]
    }

    /// Element types in which weights are kept where activations are bf16: f32 for vectors, positions and codes.
    var halfTypes: [String: DType] {
        var half = self
        half.precision = .bf16
        return half.programs.reduce(into: [:]) { types, program in
            for operation in program.operations where operation.opcode == .parameter {
                types[operation.attributes.text("name")] = operation.type.dtype
            }
        }
    }

    /// Rows and columns of pixels in a token.
    public var tokenPixels: Int { configuration.vqgan.tokenPixels }

    /// Width and height, in pixels, that it was trained for: also the greatest.
    public var defaultSize: Int { configuration.transformer.gridSize * tokenPixels }

    /// Checks that a token grid has positions.
    ///
    /// Throws ``ModelError/unsupportedSize(width:height:reason:)`` where the grid is larger than the trained one.
    public func checkGrid(rows: Int, columns: Int) throws(ModelError) {
        let most = configuration.transformer.gridSize
        guard rows <= most, columns <= most else {
            throw .unsupportedSize(
                width: columns * tokenPixels, height: rows * tokenPixels,
                reason: "the model has positions for \(defaultSize) x \(defaultSize)")
        }
    }
}
