public import Models
public import Tensor

/// What to generate.
///
/// Where a value is nil the model's default holds.
public struct GenerationRequest: Sendable, Hashable {
    /// What is done with a given picture.
    public enum Editing: Sendable, Hashable {
        /// Image to image: hides a random part of the picture's tokens and decodes them anew.
        ///
        /// `image` is u8[H, W, 3]; `strength` in (0, 1] is the part of the steps that is run.
        case variation(image: HostTensor, strength: Double)
        /// Inpainting: decodes the tokens anew that the mask covers.
        ///
        /// `image` is u8[H, W, 3], `mask` u8[H, W] of the same size, white where the picture is to be made anew.
        case inpainting(image: HostTensor, mask: HostTensor, strength: Double)
    }

    /// What the model is told about the picture it imitates ("SDXL", §2.2).
    public struct MicroConditioning: Sendable, Hashable, Codable {
        /// First crop coordinate.
        public var cropTop: Int
        /// Second crop coordinate.
        public var cropLeft: Int
        /// Aesthetic score that is asked for.
        public var aestheticScore: Float

        /// The reference pipeline's values unless given.
        public init(cropTop: Int = 0, cropLeft: Int = 0, aestheticScore: Float = 6) {
            self.cropTop = cropTop
            self.cropLeft = cropLeft
            self.aestheticScore = aestheticScore
        }
    }

    /// One or more prompts; an empty one is a prompt too.
    public var prompts: [String]
    /// What the pictures should move away from; nil is the empty prompt.
    ///
    /// Without effect when guidance is off.
    public var negativePrompt: String?
    /// Pictures of each prompt.
    public var picturesPerPrompt = 1
    /// Width in pixels; of an edited picture its own, rounded down.
    public var width: Int?
    /// Height in pixels; of an edited picture its own, rounded down.
    public var height: Int?
    /// Decoding steps.
    public var steps: Int?
    /// Guidance scale; at most 1: guidance off.
    public var guidanceScale: Float?
    /// How guidance goes over the steps.
    public var guidanceSchedule: GuidanceSchedule?
    /// Temperature of the first and the last step.
    public var temperature: TemperatureRange?
    /// Decides, with the picture's index, everything random.
    public var seed: UInt64 = 0
    /// Size, crop and score that the model is told.
    public var microConditioning = MicroConditioning()
    /// A picture to start from.
    public var editing: Editing?
    /// Show what the picture would be after every so many steps; nil: never.
    public var previewInterval: Int?

    /// A request with the model's defaults.
    public init(prompts: [String], seed: UInt64 = 0) {
        self.prompts = prompts
        self.seed = seed
    }

    /// A request for one prompt with the model's defaults.
    public init(prompt: String, seed: UInt64 = 0) { self.init(prompts: [prompt], seed: seed) }
}

/// Everything that is wrong with a request.
public struct GenerationRequestError: Error, Sendable, Hashable, CustomStringConvertible {
    /// One thing that is wrong.
    public struct Problem: Sendable, Hashable, CustomStringConvertible {
        /// Name of the parameter, as in ``GenerationRequest``.
        public let parameter: String
        /// What is wrong and what is allowed.
        public let message: String

        /// Makes a problem.
        public init(parameter: String, message: String) {
            self.parameter = parameter
            self.message = message
        }

        /// One sentence: what, where, what to do.
        public var description: String { "\(parameter) \(message)" }
    }

    /// At least one.
    public let problems: [Problem]

    /// Makes an error of at least one problem.
    public init(problems: [Problem]) {
        precondition(!problems.isEmpty, "an error says what is wrong")
        self.problems = problems
    }

    /// One sentence: what, where, what to do.
    public var description: String {
        "the request cannot be served: " + problems.map(\.description).joined(separator: "; ")
    }
}
