import Foundation
public import Models
public import Program

/// An aMUSEd model as the decoding loop sees it.
public struct AmusedImageModel: LoadedImageModel {
    /// The model.
    public let model: AmusedModel
    /// Its tokenizer.
    public let tokenizer: CLIPTokenizer
    /// Programs also give logits and the picture before clipping, for comparisons with a reference.
    public let exposesInternals: Bool

    /// Its name, fingerprint and weights.
    public var loaded: any TokenModel { model }

    /// Reads the model's tokenizer; a model with generated weights gets a byte-level one.
    ///
    /// Throws ``TokenizerError``.
    public init(_ model: AmusedModel, exposesInternals: Bool = false) throws {
        self.model = model
        self.exposesInternals = exposesInternals
        let text = model.configuration.text
        if let folder = model.tokenizerFolder {
            tokenizer = try CLIPTokenizer(folder: URL(fileURLWithPath: folder), maxLength: text.length)
        } else {
            tokenizer = .byteLevel(vocabularySize: text.vocabularySize, maxLength: text.length)
        }
    }

    /// Program of a role for one shape.
    public func program(_ role: ProgramRole, shape: GenerationShape) throws -> Program {
        model.program(role, shape: shape, exposesInternals: exposesInternals) {
            model.textProgram(batch: shape.pictures, guided: shape.isGuided)
        }
    }

    /// Ids of a prompt, padded to the full length, and the pooled position.
    public func encode(prompt: String) -> EncodedPrompt {
        let encoding = tokenizer.encodePadded(prompt)
        let ids = encoding.ids + repeatElement(tokenizer.padToken, count: textLength - encoding.ids.count)
        return EncodedPrompt(
            ids: ids, eosIndex: Int32(model.configuration.text.pooledPosition(of: ids)), cutCount: encoding.cutCount)
    }

    /// Length of the id rows.
    public var textLength: Int { model.configuration.text.length }
    /// Pixels along a side of a token.
    public var pixelsPerToken: Int { model.tokenPixels }
    /// What width and height are multiples of.
    public var sizeMultiple: Int { model.tokenPixels * (model.configuration.transformer.isDownsampled ? 2 : 1) }
    /// Most tokens in one picture.
    public var tokenLimit: Int { AmusedModel.tokenCountMax }
    /// Number of codes.
    public var codebookSize: Int { model.configuration.transformer.codebookSize }
    /// Id of a hidden token.
    public var maskToken: Int32 { Int32(model.configuration.maskToken) }

    /// The configured size and schedule, else the reference pipeline's values.
    public var defaults: GenerationDefaults {
        GenerationDefaults(
            width: model.defaultSize, height: model.defaultSize, schedule: model.configuration.maskSchedule)
    }
}
