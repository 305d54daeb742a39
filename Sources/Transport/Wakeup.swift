import CLinux
import CZeroMQ
import Glibc

/// An eventfd that ends a poll on another thread.
final class Wakeup: Sendable {
    private let descriptor: Int32

    /// Opens the descriptor.
    init() throws(TransportError) {
        descriptor = clinux_eventfd()
        guard descriptor >= 0 else {
            throw .failure("opening an event descriptor", at: "this process", code: -descriptor)
        }
    }

    deinit { close(descriptor) }

    /// Wakes the poller, from any thread.
    func signal() {
        var one: UInt64 = 1
        // Fails only where the counter is full, and then the poller wakes anyway.
        _ = write(descriptor, &one, 8)
    }

    /// Takes the signals so far.
    func clear() {
        var count: UInt64 = 0
        _ = read(descriptor, &count, 8)
    }

    /// What to wait for.
    var pollItem: zmq_pollitem_t { zmq_pollitem_t(socket: nil, fd: descriptor, events: Int16(ZMQ_POLLIN), revents: 0) }
}
