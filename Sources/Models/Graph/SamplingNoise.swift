/// Where the random numbers of a step come from.
public enum SamplingNoise: String, Sendable, Hashable, CaseIterable {
    /// Drawn on the devices from a counter-based generator.
    case generated
    /// Given by the caller: for comparisons with recorded runs.
    case given
    /// None: the most probable tokens, no noise on confidences.
    case none
}
