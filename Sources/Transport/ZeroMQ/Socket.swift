import CZeroMQ
import Glibc

/// A ZeroMQ socket.
///
/// It lives and dies on the thread that makes it.
struct Socket: ~Copyable {
    /// The patterns that are used here.
    enum Kind {
        case dealer
        case pair
        case router

        fileprivate var code: Int32 {
            switch self {
            case .dealer: ZMQ_DEALER
            case .pair: ZMQ_PAIR
            case .router: ZMQ_ROUTER
            }
        }
    }

    /// What became of a frame that was given to ``send(_:more:)``.
    enum SendOutcome {
        case sent
        /// The addressed peer is unknown.
        case unreachable
        /// There is no room, or no peer yet.
        case wouldBlock
    }

    let pointer: UnsafeMutableRawPointer
    private let context: Context
    private let owner: pthread_t

    /// Makes a socket that, unless told otherwise, drops unsent messages when it closes.
    init(_ kind: Kind, in context: Context) throws(TransportError) {
        guard let pointer = zmq_socket(context.pointer, kind.code) else {
            throw .lastFailure("making a \(kind) socket", at: "this process")
        }
        var linger: Int32 = 0
        zmq_setsockopt(pointer, ZMQ_LINGER, &linger, 4)
        self.pointer = pointer
        self.context = context
        owner = pthread_self()
    }

    deinit {
        stopMonitor()
        zmq_close(pointer)
    }

    /// Ends the reports to a ``SocketMonitor``, which may be closed only afterwards: the I/O thread reports by a blocking
    /// send, and without a reader it would stand still.
    borrowing func stopMonitor() { zmq_socket_monitor(pointer, nil, 0) }

    /// Sets an integer option; those about connections hold for later binds and connects.
    func set(_ option: Int32, _ value: Int32) throws(TransportError) {
        var value = value
        try check(zmq_setsockopt(pointer, option, &value, 4), "setting socket option \(option)")
    }

    /// Bounds the size of incoming frames; a peer that exceeds it is disconnected.
    func setFrameByteCountMax(_ count: Int, isEncrypted: Bool) throws(TransportError) {
        var value = Int64(count + (isEncrypted ? ClusterKey.overheadByteCount : 0))
        try check(zmq_setsockopt(pointer, ZMQ_MAXMSGSIZE, &value, 8), "setting the largest frame")
    }

    /// Sets how a ROUTER addresses this socket: 1 to 255 bytes, the first not 0.
    func setRoutingID(_ bytes: [UInt8]) throws(TransportError) {
        try check(zmq_setsockopt(pointer, ZMQ_ROUTING_ID, bytes, bytes.count), "setting the routing id")
    }

    /// Listens and returns the endpoint with the port that was really taken.
    func bind(_ endpoint: String) throws(TransportError) -> String {
        guard zmq_bind(pointer, endpoint) == 0 else { throw .lastFailure("listening", at: endpoint) }
        var text = [CChar](repeating: 0, count: 256)
        var count = text.count
        try check(zmq_getsockopt(pointer, ZMQ_LAST_ENDPOINT, &text, &count), "reading the bound endpoint")
        return String(decoding: text.prefix(while: { $0 != 0 }).map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    /// Begins to connect; the connection itself is made in the background.
    func connect(_ endpoint: String) throws(TransportError) {
        guard zmq_connect(pointer, endpoint) == 0 else { throw .lastFailure("connecting", at: endpoint) }
    }

    /// Copies a frame into the queue, if there is room.
    func send(_ bytes: UnsafeRawBufferPointer, more: Bool = false) throws(TransportError) -> SendOutcome {
        assertConfined()
        while zmq_send(pointer, bytes.baseAddress, bytes.count, ZMQ_DONTWAIT | (more ? ZMQ_SNDMORE : 0)) < 0 {
            switch zmq_errno() {
            case EINTR: continue
            case EAGAIN: return .wouldBlock
            case EHOSTUNREACH: return .unreachable
            default: throw .lastFailure("sending", at: "a connected socket")
            }
        }
        return .sent
    }

    /// Takes the next frame, if there is one; `waits`: or if one comes before the socket's `ZMQ_RCVTIMEO` has passed.
    func receive(_ message: borrowing Message, waits: Bool = false) throws(TransportError) -> Bool {
        assertConfined()
        while zmq_msg_recv(message.pointer, pointer, waits ? 0 : ZMQ_DONTWAIT) < 0 {
            switch zmq_errno() {
            case EINTR: continue
            case EAGAIN: return false
            default: throw .lastFailure("receiving", at: "a connected socket")
            }
        }
        return true
    }

    /// Takes and forgets the remaining frames of a multipart message.
    func discardRest(of message: borrowing Message) throws(TransportError) {
        while message.hasMore {
            guard try receive(message) else { return }
        }
    }

    /// What to wait for, for ``poll(_:milliseconds:)``.
    func pollItem(_ events: Int32) -> zmq_pollitem_t {
        zmq_pollitem_t(socket: pointer, fd: -1, events: Int16(events), revents: 0)
    }

    private func assertConfined() {
        assert(pthread_equal(owner, pthread_self()) != 0, "a socket is used on the thread that made it")
    }

    private func check(_ result: Int32, _ operation: String) throws(TransportError) {
        guard result == 0 else { throw .lastFailure(operation, at: "a socket") }
    }
}

/// Waits until one of the items is ready or the time is over; a signal ends the wait early.
func poll(_ items: inout [zmq_pollitem_t], milliseconds: Int) throws(TransportError) {
    let result = zmq_poll(&items, Int32(items.count), milliseconds)
    if result < 0, zmq_errno() == EINTR {
        for index in items.indices { items[index].revents = 0 }
        return
    }
    guard result >= 0 else { throw .lastFailure("waiting for messages", at: "this process") }
}

extension zmq_pollitem_t {
    /// True where a message can be taken.
    var isReadable: Bool { Int32(revents) & ZMQ_POLLIN != 0 }
}
