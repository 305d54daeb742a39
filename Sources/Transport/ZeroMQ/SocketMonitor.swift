import CZeroMQ
import Synchronization

/// Tells what happens to a socket's connections.
///
/// Lives on the socket's thread.
struct SocketMonitor: ~Copyable {
    /// What is reported; connections are named by their descriptor.
    enum Event {
        /// Somebody has connected to a socket that listens.
        case accepted(connection: Int32)
        case disconnected(connection: Int32)
        /// The end of its connection follows.
        case handshakeFailed(HandshakeFailure)
        case handshakeSucceeded
    }

    private static let count = Atomic<UInt64>(0)
    private let socket: Socket
    private let message = Message()

    /// Watches a socket; to be made before the socket binds or connects.
    init(
        of watched: borrowing Socket, in context: Context, reportsHandshakes: Bool = true
    ) throws(TransportError) {
        let index = Self.count.add(1, ordering: .relaxed).newValue
        let endpoint = "inproc://monitor-\(index)"
        let handshakes =
            ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL
            | ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL
        let events = ZMQ_EVENT_DISCONNECTED | (reportsHandshakes ? handshakes | ZMQ_EVENT_ACCEPTED : 0)
        guard zmq_socket_monitor(watched.pointer, endpoint, Int32(events)) == 0 else {
            throw .lastFailure("watching a socket", at: endpoint)
        }
        let socket = try Socket(.pair, in: context)
        try socket.connect(endpoint)
        self.socket = socket
    }

    /// The next event, if there is one.
    func next() throws(TransportError) -> Event? {
        while try socket.receive(message) {
            let bytes = message.bytes
            guard bytes.count == 6 else {
                try socket.discardRest(of: message)
                continue
            }
            let kind = Int32(bytes.loadUnaligned(as: UInt16.self))
            let value = bytes.loadUnaligned(fromByteOffset: 2, as: Int32.self)
            try socket.discardRest(of: message)
            switch kind {
            case ZMQ_EVENT_ACCEPTED:
                return .accepted(connection: value)
            case ZMQ_EVENT_DISCONNECTED:
                return .disconnected(connection: value)
            case ZMQ_EVENT_HANDSHAKE_SUCCEEDED:
                return .handshakeSucceeded
            case ZMQ_EVENT_HANDSHAKE_FAILED_AUTH:
                return .handshakeFailed(.refused(status: value))
            case ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL:
                switch value {
                case ZMQ_PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC: return .handshakeFailed(.cipher)
                case ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH: return .handshakeFailed(.mechanism)
                default: return .handshakeFailed(.other(code: value))
                }
            case ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL:
                return .handshakeFailed(.brokenOff(value))
            default: continue
            }
        }
        return nil
    }

    /// What to wait for.
    var pollItem: zmq_pollitem_t { socket.pollItem(ZMQ_POLLIN) }
}
