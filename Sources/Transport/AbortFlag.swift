import Synchronization

/// Ends the waits of a fabric from any thread.
public final class AbortFlag: Sendable {
    private let isRaised = Atomic(false)
    private let text = Mutex("")

    /// A flag that is not set.
    public init() {}

    /// Makes all current and later waits throw, at the latest after one poll slice; the first reason stays.
    public func set(_ reason: String) {
        text.withLock { text in
            guard !isRaised.load(ordering: .relaxed) else { return }
            text = reason
            isRaised.store(true, ordering: .releasing)
        }
    }

    /// Allows communication again, before links are made for a new epoch.
    public func clear() {
        text.withLock { text in
            text = ""
            isRaised.store(false, ordering: .releasing)
        }
    }

    /// Why communication was ended; nil while it goes on.
    public var reason: String? {
        guard isRaised.load(ordering: .acquiring) else { return nil }
        return text.withLock { $0 }
    }

    func check() throws(TransportError) {
        if let reason { throw .aborted(reason: reason) }
    }
}
