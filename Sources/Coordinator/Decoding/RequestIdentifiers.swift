import Synchronization

/// Hands out the numbers that requests have on the devices.
public final class RequestIdentifiers: Sendable {
    private let last = Atomic<UInt64>(0)

    /// Starts at 1.
    public init() {}

    /// A number that was not handed out before.
    public func next() -> UInt64 { last.add(1, ordering: .relaxed).newValue }
}
