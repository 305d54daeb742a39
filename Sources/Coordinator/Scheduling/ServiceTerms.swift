/// Whose request it is, and how much it presses.
public struct ServiceTerms: Sendable, Hashable {
    /// Priorities that may be asked for.
    public static let priorities = -100...100

    /// Who asks; clients share the devices evenly.
    public var client: String
    /// Among the same client's requests the higher goes first.
    public var priority: Int
    /// How long after its arrival somebody still wants it; nil: for ever.
    public var deadline: Duration?
    /// Its place in the order of arrival; nil: as it comes.
    public var number: UInt64?

    /// Makes terms.
    public init(client: String = "", priority: Int = 0, deadline: Duration? = nil, number: UInt64? = nil) {
        self.client = client
        self.priority = priority
        self.deadline = deadline
        self.number = number
    }
}

/// A request cannot be done in time any more, and was not begun.
public struct DeadlineError: Error, Sendable, Hashable, CustomStringConvertible {
    /// How long after the request's arrival somebody wants it.
    public var deadline: Duration
    /// When it would be done, counted from its arrival.
    public var expected: Duration

    /// Makes an error.
    public init(deadline: Duration, expected: Duration) {
        self.deadline = deadline
        self.expected = expected
    }

    /// One sentence: what, where, what to do.
    public var description: String {
        "the request would be done after \(Self.text(expected)) and is wanted within \(Self.text(deadline)); allow more "
            + "time, or ask for fewer steps or pictures"
    }

    private static func text(_ duration: Duration) -> String {
        let tenths = Int((duration / .milliseconds(100)).rounded())
        return "\(tenths / 10).\(tenths % 10) seconds"
    }
}
