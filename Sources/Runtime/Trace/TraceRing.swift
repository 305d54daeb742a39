import Glibc
public import Program

/// Where an executor notes when its instructions ran: memory for so many events, taken once.
///
/// When it is full the oldest events make room, and ``take()`` says how many did. Used from one thread.
public final class TraceRing {
    /// Most events that are kept.
    public let capacity: Int
    /// The call that what is recorded next belongs to.
    public var call: UInt64 = 0
    private let entries: UnsafeMutablePointer<Entry>
    /// Events recorded since the last ``take()``; the ones kept are the last ``capacity`` of them.
    private var count = 0

    private struct Entry {
        var call: UInt64
        var begin: UInt64
        var end: UInt64
        /// -1: the whole call.
        var instruction: Int
    }

    /// A ring without events; touches all its memory, so that recording never waits for a page.
    public init(capacity: Int) {
        precondition(capacity >= 1, "a ring keeps at least one event")
        self.capacity = capacity
        entries = .allocate(capacity: capacity)
        entries.initialize(repeating: Entry(call: 0, begin: 0, end: 0, instruction: -1), count: capacity)
    }

    deinit { entries.deallocate() }

    /// Nanoseconds of the machine's monotonic clock, which all processes of a machine share.
    public static var now: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }

    /// Notes that an instruction of the current call ran from `begin` until now.
    func record(_ instruction: Int, since begin: UInt64) { append(instruction, begin) }

    /// Notes that the current call ran from `begin` until now.
    public func recordCall(since begin: UInt64) { append(-1, begin) }

    private func append(_ instruction: Int, _ begin: UInt64) {
        entries[count % capacity] = Entry(call: call, begin: begin, end: Self.now, instruction: instruction)
        count += 1
    }

    /// Gives what was recorded, oldest first, and forgets it; `lost` counts those that had to make room.
    public func take() -> (events: [TraceEvent], lost: Int) {
        let lost = max(0, count - capacity)
        let events = (lost..<count).map { index in
            let entry = entries[index % capacity]
            return TraceEvent(
                call: entry.call, instruction: entry.instruction < 0 ? nil : entry.instruction, begin: entry.begin,
                end: entry.end)
        }
        count = 0
        return (events, lost)
    }
}
