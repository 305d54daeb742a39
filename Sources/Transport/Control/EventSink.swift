/// The thread's end of an event stream.
///
/// What the reader has no room for waits here, and the link stops taking messages.
struct EventSink: ~Copyable {
    private let continuation: AsyncStream<ControlEvent>.Continuation
    private var waiting = FIFO<ControlEvent>()

    init(_ continuation: AsyncStream<ControlEvent>.Continuation) { self.continuation = continuation }

    deinit { continuation.finish() }

    /// True while the reader is behind.
    var isBlocked: Bool { !waiting.isEmpty }

    /// Passes an event on, in order.
    mutating func yield(_ event: ControlEvent) {
        waiting.append(event)
        retry()
    }

    /// Passes on what there is room for.
    mutating func retry() {
        while let event = waiting.first {
            if case .dropped = continuation.yield(event) { return }
            _ = waiting.popFirst()
        }
    }
}
