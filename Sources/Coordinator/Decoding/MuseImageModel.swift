public import Models
public import Program

/// A Muse model as the decoding loop sees it.
public struct MuseImageModel: LoadedImageModel {
    /// The model.
    public let model: MuseModel
    /// Its tokenizer.
    public let tokenizer: ByteTokenizer
    /// Programs also give logits, text features and the picture before clipping, for comparisons with a reference.
    public let exposesInternals: Bool
    /// Its name, fingerprint and weights.
    public var loaded: any TokenModel { model }

    /// Gives the model its tokenizer.
    public init(_ model: MuseModel, exposesInternals: Bool = false) {
        self.model = model
        self.exposesInternals = exposesInternals
        tokenizer = ByteTokenizer(maxLength: model.configuration.text.length)
    }

    /// Program of a role for one shape.
    ///
    /// Throws `ModelError/unsupportedSize` for a grid that the model has no positions for.
    public func program(_ role: ProgramRole, shape: GenerationShape) throws -> Program {
        try model.checkGrid(rows: shape.rows, columns: shape.columns)
        return model.program(role, shape: shape, exposesInternals: exposesInternals) {
            model.textProgram(batch: shape.pictures, guided: shape.isGuided, exposesFeatures: exposesInternals)
        }
    }

    /// Ids of a prompt, padded to the full length; an empty prompt is padding alone, which no attention sees.
    public func encode(prompt: String) -> EncodedPrompt {
        let encoding = tokenizer.encodePadded(prompt)
        return EncodedPrompt(ids: encoding.ids, eosIndex: 0, cutCount: encoding.cutCount)
    }

    /// Length of the id rows.
    public var textLength: Int { model.configuration.text.length }
    /// Pixels along a side of a token.
    public var pixelsPerToken: Int { model.tokenPixels }
    /// What width and height are multiples of.
    public var sizeMultiple: Int { model.tokenPixels }
    /// Most tokens in one picture.
    public var tokenLimit: Int { model.configuration.transformer.gridSize * model.configuration.transformer.gridSize }
    /// Number of codes.
    public var codebookSize: Int { model.configuration.transformer.codebookSize }
    /// Id of a hidden token.
    public var maskToken: Int32 { Int32(model.configuration.transformer.maskToken) }

    /// The configuration's choices.
    public var defaults: GenerationDefaults {
        let c = model.configuration
        return GenerationDefaults(
            width: model.defaultSize, height: model.defaultSize, steps: c.stepCount,
            guidanceScale: Float(c.guidanceScale), guidanceSchedule: c.guidanceSchedule,
            temperature: TemperatureRange(from: Float(c.temperature), to: 0))
    }
}
