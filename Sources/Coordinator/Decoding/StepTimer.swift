/// Estimates the time that is left from the steps so far.
struct StepTimer: Sendable {
    /// Steps in all.
    var total: Int
    /// Seconds of each step that was run.
    private(set) var seconds: [Double] = []

    init(total: Int) { self.total = total }

    /// Notes a step.
    mutating func add(_ duration: Duration) {
        let parts = duration.components
        seconds.append(Double(parts.seconds) + Double(parts.attoseconds) * 1e-18)
    }

    /// The first step pays for what is made on first use, so it counts only while it is the only one.
    var secondsLeft: Double {
        let sample = seconds.count > 1 ? seconds.dropFirst() : seconds[...]
        guard !sample.isEmpty else { return 0 }
        return sample.reduce(0, +) / Double(sample.count) * Double(max(0, total - seconds.count))
    }
}
