import Synchronization

/// The thread of a control link: its start, which waits until the socket works, and its end.
final class LinkThread: Sendable {
    private struct State {
        /// Nil until the socket is bound or has failed.
        var start: Result<String, TransportError>?
        var isOver = false
        var waiters: [CheckedContinuation<Void, Never>] = []
    }

    let outbox: Outbox
    let events: AsyncStream<ControlEvent>
    /// Where the socket listens or connects.
    let endpoint: String
    private let thread: NamedThread
    private let state: ConditionLock<State>

    /// Starts a thread that makes the socket with `open` and runs the loop; returns when the socket works.
    init(
        name: String,
        open:
            @escaping @Sendable (Outbox, Wakeup, AsyncStream<ControlEvent>.Continuation, (String) -> Void)
            throws(TransportError) -> Void
    ) throws(TransportError) {
        let wakeup = try Wakeup()
        let outbox = Outbox(wakeup: wakeup)
        let (events, continuation) = AsyncStream.makeStream(
            of: ControlEvent.self, bufferingPolicy: .bufferingOldest(ControlLimits.queuedEventCountMax))
        let state = ConditionLock(State())
        let thread = try NamedThread(name: name) {
            do throws(TransportError) {
                try open(outbox, wakeup, continuation) { endpoint in state.update { $0.start = .success(endpoint) } }
            } catch {
                state.update { $0.start = $0.start ?? .failure(error) }
            }
            continuation.finish()
            let waiters = state.update { state in
                state.isOver = true
                defer { state.waiters = [] }
                return state.waiters
            }
            for waiter in waiters { waiter.resume() }
        }
        do throws(TransportError) {
            endpoint = try state.wait { $0.start }.get()
        } catch {
            thread.join()
            throw error
        }
        self.outbox = outbox
        self.events = events
        self.thread = thread
        self.state = state
    }

    deinit { outbox.close() }

    /// Ends the thread and waits for it: at most twice the flush time.
    func close() {
        outbox.close()
        thread.join()
    }

    /// Ends the thread and waits for it without blocking the caller's thread.
    func close() async {
        outbox.close()
        await withCheckedContinuation { continuation in
            let isOver = state.update { state in
                if !state.isOver { state.waiters.append(continuation) }
                return state.isOver
            }
            if isOver { continuation.resume() }
        }
        // The thread is past its last statement but one, so this does not wait.
        joinEndedThread()
    }

    private func joinEndedThread() { thread.join() }
}
