import CLinux

/// The thread of a context that carries bytes between its sockets and the system, and where it runs.
///
/// A message passes four threads: sender, its I/O thread, the receiver's I/O thread, receiver. Where two neighbours run on
/// one core, handing over is a switch of threads; where the other core has fallen asleep it has to be woken, which takes
/// longer than everything else that happens to a small message. So the I/O thread stays on the core of the thread that it
/// serves while messages are small, and goes where that one goes. What large messages cost is copying, which any core
/// may do while this one computes.
struct IOThread {
    /// Longest message that counts as small.
    static let smallByteCountMax = 64 << 10

    private let thread: Int32
    /// The core that the thread is bound to; -1: to none.
    private(set) var core: Int32 = -1

    /// The I/O thread of a context that has had a socket; nil where the system does not show it, and then it runs anywhere.
    init?(of context: Context) {
        thread = clinux_find_thread(context.ioThreadName)
        if thread < 0 { return nil }
    }

    /// Gets ready to carry a message from or to the calling thread.
    mutating func serve(byteCount: Int) {
        let wanted = byteCount > Self.smallByteCountMax ? -1 : max(-1, clinux_current_cpu())
        if wanted == core { return }
        core = wanted
        // Where the system forbids it, it stays where it is: only speed is at stake.
        _ = clinux_bind_thread(thread, wanted)
    }

    /// Waits for a message on the core that the I/O thread is on.
    ///
    /// Who is woken while its waker still runs there would be moved to another core that is idle, away from it.
    func waiting<Result>(_ body: () throws(TransportError) -> Result) throws(TransportError) -> Result {
        guard core >= 0 else { return try body() }
        _ = clinux_hold_thread()
        defer { clinux_release_thread() }
        return try body()
    }
}
