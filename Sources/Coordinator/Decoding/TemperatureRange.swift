/// Temperature of the confidence noise at the first and the last step.
public struct TemperatureRange: Sendable, Hashable, Codable {
    /// At the first step.
    public var first: Float
    /// At the last step.
    public var last: Float

    /// A line from `first` to `last`.
    public init(from first: Float, to last: Float) {
        self.first = first
        self.last = last
    }

    /// A single number stands for a line down to 0.01, as in the reference scheduler.
    public init(_ value: Float) { self.init(from: value, to: 0.01) }

    /// Temperature of every step: evenly spaced, in single precision, computed from the nearer end.
    public func values(stepCount: Int) -> [Float] {
        precondition(stepCount >= 1, "a schedule has at least one step")
        if stepCount == 1 { return [first] }
        let increment = (last - first) / Float(stepCount - 1)
        return (0..<stepCount).map { step in
            step < stepCount / 2
                ? first + increment * Float(step) : last - increment * Float(stepCount - 1 - step)
        }
    }
}
