/// The end of a wait, cut into slices so that an abort is seen soon.
struct Deadline {
    /// Longest single wait: how late an abort may be noticed.
    static let sliceMillisecondsMax = 50

    private let end: ContinuousClock.Instant

    /// A wait that begins now.
    init(after duration: Duration) { end = .now.advanced(by: duration) }

    /// How long to wait next, rounded up; nil when the time is over.
    var sliceMilliseconds: Int? {
        let rest = ContinuousClock.Instant.now.duration(to: end)
        guard rest > .zero else { return nil }
        if rest >= .milliseconds(Self.sliceMillisecondsMax) { return Self.sliceMillisecondsMax }
        return Int((rest.components.attoseconds + 999_999_999_999_999) / 1_000_000_000_000_000)
    }
}
