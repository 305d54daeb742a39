/// A stretch of time on a device's thread: one instruction of a call, or the call as a whole.
///
/// Times are nanoseconds of the device's monotonic clock.
public struct TraceEvent: Sendable, Hashable {
    /// Number of the call.
    public var call: UInt64
    /// Index in the local program's instructions; nil: the whole call.
    public var instruction: Int?
    /// When it began.
    public var begin: UInt64
    /// When it ended.
    public var end: UInt64

    /// Makes an event.
    public init(call: UInt64, instruction: Int?, begin: UInt64, end: UInt64) {
        self.call = call
        self.instruction = instruction
        self.begin = begin
        self.end = end
    }

    /// How long it took.
    public var nanoseconds: UInt64 { end > begin ? end - begin : 0 }
}
