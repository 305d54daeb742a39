public import Models
public import Program

/// The programs that a generation calls.
///
/// B pictures, G = 2 with guidance (row 0 unconditional) else 1, Y x X tokens, V codes, S ids of text. Only the inputs
/// that a program declares are given.
public enum ProgramRole: Sendable, Hashable {
    /// One prompt, B = 1: `ids` i32[G, 1, S], `eosIndex` i32[G, 1], `microConditions` f32[G, 1, 5] (width, height, crop
    /// top, crop left, aesthetic score) to resident keys, values and modulations.
    case text
    /// One parallel decoding step: `tokens` i32[B, Y, X] (and `grid` i32[G, B, Y, X], the same for each half), `scale`
    /// f32[B], `temperature` f32[B], `maskCount` i32[B] and noise (`SamplingNoise`) to `tokens` and `sampled`
    /// i32[B, Y, X]: next input, and all chosen tokens.
    ///
    /// Picture i reads what `text` left in slot i.
    case step(SamplingNoise)
    /// A step of a request with guidance (G = 2) at which guidance is off: as ``step(_:)``, but `grid` is i32[1, B, Y, X],
    /// and only the conditional half is computed, from its part of what `text` left.
    case conditionalStep(SamplingNoise)
    /// `tokens` i32[B, Y, X] to `pixels` u8[B, H, W, 3].
    case decode
    /// `image` f32[B, H, W, 3] in 0...1 to `tokens` i32[B, Y, X].
    case encode
}

/// The sizes that a program is built for.
public struct GenerationShape: Sendable, Hashable {
    /// Pictures in the batch (B).
    public var pictures: Int
    /// With classifier-free guidance (G = 2) or without (G = 1).
    public var isGuided: Bool
    /// Rows of the token grid (Y).
    public var rows: Int
    /// Columns of the token grid (X).
    public var columns: Int

    /// Makes a shape.
    public init(pictures: Int, isGuided: Bool, rows: Int, columns: Int) {
        self.pictures = pictures
        self.isGuided = isGuided
        self.rows = rows
        self.columns = columns
    }

    /// Tokens in one picture.
    public var tokenCount: Int { rows * columns }

    /// The shape of a role's program where steps have this one: texts are read one by one and have no grid, pictures to be
    /// edited one by one, and neither these nor results have guidance.
    public func shape(of role: ProgramRole) -> GenerationShape {
        var shape = self
        if role == .text { (shape.pictures, shape.rows, shape.columns) = (1, 0, 0) }
        if role == .encode { shape.pictures = 1 }
        if role == .encode || role == .decode { shape.isGuided = false }
        return shape
    }
}

/// A prompt as the text encoder takes it.
public struct EncodedPrompt: Sendable, Hashable {
    /// Token ids, padded to the model's text length.
    public var ids: [Int32]
    /// Row whose hidden state is the pooled embedding.
    public var eosIndex: Int32
    /// Tokens that did not fit and were left out.
    public var cutCount: Int

    /// Makes an encoded prompt.
    public init(ids: [Int32], eosIndex: Int32, cutCount: Int) {
        self.ids = ids
        self.eosIndex = eosIndex
        self.cutCount = cutCount
    }
}

/// What the decoding loop needs to know of a token-based image model.
public protocol ImageModel: Sendable {
    /// Program of a role for one shape.
    ///
    /// `text` ignores the grid (given as 0), `encode` and `decode` ignore guidance.
    func program(_ role: ProgramRole, shape: GenerationShape) throws -> Program
    /// A prompt's ids, padded and cut to ``textLength``.
    func encode(prompt: String) -> EncodedPrompt
    /// Length of the id rows (S).
    var textLength: Int { get }
    /// Pixels along a side of what one token stands for.
    var pixelsPerToken: Int { get }
    /// Width and height in pixels must be multiples of this; a multiple of ``pixelsPerToken``.
    var sizeMultiple: Int { get }
    /// Most tokens in one picture.
    var tokenLimit: Int { get }
    /// Number of codes that a token may become (V).
    var codebookSize: Int { get }
    /// The id that stands for a hidden token.
    var maskToken: Int32 { get }
    /// What is used where a request says nothing.
    var defaults: GenerationDefaults { get }
}

/// An image model whose weights are known.
public protocol LoadedImageModel: ImageModel {
    /// Its name, fingerprint and weights.
    var loaded: any TokenModel { get }
}

/// A model's own choice where a request says nothing.
public struct GenerationDefaults: Sendable, Hashable {
    /// Width in pixels.
    public var width: Int
    /// Height in pixels.
    public var height: Int
    /// Decoding steps.
    public var steps: Int
    /// Guidance scale; 1 and less: no guidance.
    public var guidanceScale: Float
    /// How guidance goes over the steps.
    public var guidanceSchedule: GuidanceSchedule
    /// Temperature of the first and the last step.
    public var temperature: TemperatureRange
    /// How many tokens stay hidden after each step.
    public var schedule: MaskSchedule

    /// aMUSEd's choices ("aMUSEd: An Open MUSE Reproduction", and its reference pipeline).
    public init(
        width: Int, height: Int, steps: Int = 12, guidanceScale: Float = 10,
        guidanceSchedule: GuidanceSchedule = .constant,
        temperature: TemperatureRange = TemperatureRange(from: 2, to: 0), schedule: MaskSchedule = .cosine
    ) {
        self.width = width
        self.height = height
        self.steps = steps
        self.guidanceScale = guidanceScale
        self.guidanceSchedule = guidanceSchedule
        self.temperature = temperature
        self.schedule = schedule
    }
}
