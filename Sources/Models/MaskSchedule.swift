import Foundation

/// How many tokens stay hidden as parallel decoding goes on (MaskGIT, §3.2).
///
/// All arithmetic is single precision, in the reference scheduler's order of operations, because the floor of a product
/// decides: a last bit is a token.
public enum MaskSchedule: String, Sendable, Hashable, Codable, CaseIterable {
    /// `cos(r·π/2)`.
    case cosine
    /// `1 - r`.
    case linear

    /// The part of the tokens that is hidden after step `step` of `stepCount` (from 0): at `r = (step + 1) / stepCount`.
    ///
    /// Step -1 is the state before the first step: everything is hidden.
    public func ratio(after step: Int, of stepCount: Int) -> Float {
        precondition(stepCount >= 1 && step >= -1 && step < stepCount, "a step lies inside its schedule")
        let progress = Float(step + 1) / Float(stepCount)
        switch self {
        case .cosine:
            let angle = progress * Float.pi / 2
            return Float(cos(Double(angle)))
        case .linear:
            return 1 - progress
        }
    }

    /// How many tokens of one picture stay hidden after a step; -1 after the last one: all are kept.
    ///
    /// - Parameters:
    ///   - step: index of the step, from 0.
    ///   - stepCount: steps in the schedule.
    ///   - tokenCount: tokens of the picture.
    ///   - hiddenCount: tokens of the picture that are hidden before the step.
    ///   - startRatio: part of the tokens that was hidden before the first step (inpainting), else 1.
    public func maskCount(
        after step: Int, of stepCount: Int, tokenCount: Int, hiddenCount: Int, startRatio: Float = 1
    ) -> Int {
        if step == stepCount - 1 { return -1 }
        let wanted = (Float(tokenCount) * (startRatio * ratio(after: step, of: stepCount))).rounded(.down)
        return max(1, min(hiddenCount - 1, Int(wanted)))
    }
}
