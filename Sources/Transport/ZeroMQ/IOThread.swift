import CLinux

/// The thread of a context that carries bytes between its sockets and the system, and where it runs.
///
/// A message passes four threads: sender, its I/O thread, the receiver's I/O thread, receiver. Where two neighbours run on
/// one core, handing over is a switch of threads; where the other core has fallen asleep it has to be woken, which takes
/// longer than everything else that happens to a small message. So while messages are small the I/O thread and the thread
/// that it serves stay on one core: left free, a thread that is woken while its waker still runs would be moved to another
/// core that is idle. What large messages cost is copying, which any core may do while this one computes.
struct IOThread {
    /// Longest message that counts as small.
    static let smallByteCountMax = 64 << 10

    private let thread: Int32
    /// The core that both threads are kept on; nil: they run where the system puts them.
    private(set) var core: Int32?

    /// The I/O thread of a context that has had a socket; nil where the system does not show it, and then it runs anywhere.
    init?(of context: Context) {
        thread = clinux_find_thread(context.ioThreadName)
        if thread < 0 { return nil }
    }

    /// Gets ready to carry a message from or to the calling thread, always the same one.
    mutating func serve(byteCount: Int) {
        guard byteCount <= Self.smallByteCountMax else { return letGo() }
        guard core == nil else { return }
        // Where the system forbids it, all stays as it is: only speed is at stake.
        let held = clinux_hold_thread()
        guard held >= 0 else { return }
        core = held
        if clinux_bind_thread(thread, held) < 0 { letGo() }
    }

    /// Lets both threads run anywhere again.
    mutating func letGo() {
        guard core != nil else { return }
        core = nil
        clinux_release_thread()
        _ = clinux_bind_thread(thread, -1)
    }
}
