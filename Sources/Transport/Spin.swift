import Glibc

/// The wait before a thread goes to sleep: short, and polite to others.
///
/// A sleep and a wake-up cost tens of microseconds on a virtual machine whose cores halt when idle, and workers that
/// compute the same program come to a collective within less. Every look yields the core, because the thread that brings
/// the message may need it: workers may be more than cores.
struct Spin {
    /// Longest spin.
    static let nanosecondsMax: UInt64 = 200_000

    private var end: UInt64?

    /// A wait that begins with the first ``next()``.
    init() {}

    /// Gives the core to whoever wants it; false where it is time to sleep.
    mutating func next() -> Bool {
        let now = clockNanoseconds
        guard let end else {
            end = now + Self.nanosecondsMax
            return true
        }
        sched_yield()
        return now < end
    }

    private var clockNanoseconds: UInt64 {
        var time = timespec()
        clock_gettime(CLOCK_MONOTONIC, &time)
        return UInt64(time.tv_sec) * 1_000_000_000 + UInt64(time.tv_nsec)
    }
}
