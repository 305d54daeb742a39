/// What a device's threads took from the heap during a call.
public struct HeapCount: Sendable, Hashable {
    /// Number of the call.
    public var call: UInt64
    /// Allocations while instructions ran: on the device's thread and on those of its pool, ZeroMQ's left out.
    public var step: UInt64
    /// Allocations that ZeroMQ made while instructions called it.
    public var zeroMQ: UInt64
    /// Retains and releases of Swift objects while instructions ran, which allocate nothing.
    public var references: UInt64
    /// Allocations of the rest of the call: inputs, outputs, bookkeeping.
    public var rest: UInt64

    /// Makes a count.
    public init(call: UInt64, step: UInt64, zeroMQ: UInt64, references: UInt64, rest: UInt64) {
        self.call = call
        self.step = step
        self.zeroMQ = zeroMQ
        self.references = references
        self.rest = rest
    }
}
