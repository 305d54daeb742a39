public import Tensor

/// What happens while a request is served, in order.
public enum GenerationEvent: Sendable {
    /// A prompt was longer than the model reads; so many of its last tokens were left out.
    case promptCut(prompt: String, tokens: Int)
    /// Its first picture has a slot: it waits no more.
    case admitted
    /// A step ended.
    case stepped(StepProgress)
    /// What a picture (by index in the request) would be if decoding ended here: u8[H, W, 3].
    case preview(picture: Int, pixels: HostTensor)
    /// A picture is complete.
    case finished(GeneratedPicture)
}

/// A step of one or more of the request's pictures that ended.
public struct StepProgress: Sendable {
    /// Steps done so far, of all pictures of the request together.
    public var done: Int
    /// Steps to do in all, of all pictures together.
    public var total: Int
    /// Wall-clock seconds of the call.
    public var seconds: Double
    /// Estimate from the steps so far; the first one counts only while it is the only one.
    public var secondsLeft: Double
    /// Where the pictures of this step stand, by index; keep the last one of each to resume.
    public var states: [DecodingState]
    /// What the step program gave for them: first dimensions go by these pictures.
    public var outputs: [String: HostTensor]
}

/// One picture of a result.
public struct GeneratedPicture: Sendable, Hashable {
    /// Index in the request; with the seed it decides everything random.
    public var index: Int
    /// Its prompt.
    public var prompt: String
    /// Token ids [rows, columns].
    public var tokens: HostTensor
    /// u8[H, W, 3].
    public var pixels: HostTensor
    /// f32[H, W, 3] before clipping, where the decode program gives it.
    public var unclipped: HostTensor?

    /// Makes a picture.
    public init(index: Int, prompt: String, tokens: HostTensor, pixels: HostTensor, unclipped: HostTensor? = nil) {
        self.index = index
        self.prompt = prompt
        self.tokens = tokens
        self.pixels = pixels
        self.unclipped = unclipped
    }
}

/// All pictures of a request.
public struct GenerationResult: Sendable {
    /// What was run, with all defaults filled in.
    public var plan: GenerationPlan
    /// In the order of prompts, then of pictures of a prompt.
    public var pictures: [GeneratedPicture]
    /// Wall-clock seconds of every step.
    public var stepSeconds: [Double]
}

/// Why decoding stopped although request and devices are in order.
public enum DecodingLoopError: Error, Sendable, Hashable, CustomStringConvertible {
    /// A program asks for an input that the loop does not know, or of another shape.
    case input(program: String, name: String, wanted: String)
    /// A program did not give an output, or gave it in another shape.
    case output(program: String, name: String, wanted: String)
    /// The recorded noise does not fit the request.
    case recordedNoise(String)
    /// A state to resume from does not fit the request.
    case state(String)

    /// One sentence: what, where, what to do.
    public var description: String {
        switch self {
        case .input(let program, let name, let wanted):
            "program \(program) asks for the input \(name) as \(wanted), which generation cannot give; "
                + "use a model of this version"
        case .output(let program, let name, let wanted):
            "program \(program) did not give the output \(name) as \(wanted); use a model of this version"
        case .recordedNoise(let what): "the recorded noise does not fit the request: \(what)"
        case .state(let what): "the saved state does not fit the request: \(what); generate from the start"
        }
    }
}
