public import Models

/// Where a generation's randomness comes from.
public enum GenerationNoise: Sendable, Hashable {
    /// From the seed, drawn on the devices.
    case generated
    /// None: the likeliest tokens, and confidences as they are.
    case greedy
    /// From another implementation's record, to take the same decisions.
    case recorded(RecordedNoise)

    /// What the step program needs.
    public var step: SamplingNoise {
        switch self {
        case .generated: .generated
        case .greedy: .none
        case .recorded: .given
        }
    }
}

/// Random numbers of a recorded run.
public struct RecordedNoise: Sendable, Hashable {
    /// For each step that is run, in order: exponential noise [B·tokens, V] of the token choice.
    public var exponential: [[Float]]
    /// For each step that is run: Gumbel noise [B, tokens] of the confidences.
    ///
    /// The last step needs none.
    public var gumbel: [[Float]]
    /// Image to image: a number in [0, 1) for each token, compared with the hidden part; nil elsewhere.
    public var hiding: [Float]?

    /// Makes a record.
    public init(exponential: [[Float]], gumbel: [[Float]], hiding: [Float]? = nil) {
        self.exponential = exponential
        self.gumbel = gumbel
        self.hiding = hiding
    }
}
