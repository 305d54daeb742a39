public import Program

/// An order to give what was recorded since the last one, and how to record from now on.
public struct TraceOrder: Sendable, Hashable {
    /// Number of the order, which the report repeats.
    public var number: UInt64
    /// Events to keep until the next order; 0: record nothing.
    public var capacity: Int

    /// Makes an order.
    public init(number: UInt64, capacity: Int) {
        self.number = number
        self.capacity = capacity
    }
}

/// What a worker recorded.
public struct TraceReport: Sendable, Hashable {
    /// Number of the order.
    public var number: UInt64
    /// The worker's monotonic clock in nanoseconds, just before it sent this.
    public var now: UInt64
    /// Events that had to make room for later ones.
    public var lost: Int
    /// Oldest first; none ends after ``now``.
    public var events: [TraceEvent]
    /// What calls took from the heap, where the worker counts that.
    public var heap: [HeapCount]

    /// Makes a report.
    public init(number: UInt64, now: UInt64, lost: Int = 0, events: [TraceEvent] = [], heap: [HeapCount] = []) {
        self.number = number
        self.now = now
        self.lost = lost
        self.events = events
        self.heap = heap
    }
}
