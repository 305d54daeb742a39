/// How the guidance scale goes over the steps.
public enum GuidanceSchedule: String, Sendable, Hashable, Codable, CaseIterable {
    /// The same at every step.
    case constant
    /// From 1 (no guidance) at the first step to the full scale at the last ("Muse", §2.7): early tokens are drawn with
    /// little guidance, for variety.
    case linear

    /// Scale of every step; 1 and less: no guidance.
    ///
    /// In the paper's terms a scale is `1 + t`, and t rises linearly from 0. A scale of at most 1 stays as it is.
    public func scales(_ scale: Float, stepCount: Int) -> [Float] {
        precondition(stepCount >= 1, "a schedule has at least one step")
        guard self == .linear, scale > 1, stepCount > 1 else {
            return [Float](repeating: scale, count: stepCount)
        }
        return (0..<stepCount).map { 1 + (scale - 1) * Float($0) / Float(stepCount - 1) }
    }
}
