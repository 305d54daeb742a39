import Glibc

/// How far a worker's monotonic clock is ahead of the coordinator's, from messages there and back.
///
/// The worker read its clock between the two moments at which the coordinator looked at its own, so the shorter the way
/// the better the estimate ("Internet Time Synchronization: The Network Time Protocol", §3). Processes of one machine
/// share the clock: an estimate that is no larger than its own uncertainty counts as 0.
struct ClockEstimate: Sendable, Hashable {
    private var offset: Int64 = 0
    /// Half of the shortest way there and back; the greatest number before the first.
    private var uncertainty = Int64.max

    init() {}

    /// Takes a message's times: sent and received by the coordinator's clock, and the worker's clock in between.
    mutating func take(sent: UInt64, received: UInt64, worker: UInt64) {
        let half = Int64(clamping: received &- sent) / 2
        guard received >= sent, half < uncertainty else { return }
        uncertainty = half
        offset = Int64(bitPattern: worker &- (sent &+ UInt64(half)))
    }

    /// Nanoseconds to take from the worker's times.
    var correction: Int64 { offset.magnitude <= UInt64(uncertainty) ? 0 : offset }
}

/// Nanoseconds of the machine's monotonic clock, as workers record them.
enum MonotonicClock {
    static var now: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) &* 1_000_000_000 &+ UInt64(time.tv_nsec)
    }
}
