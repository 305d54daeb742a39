import CZeroMQ
import Program

/// One connection between two ranks: a PAIR socket, what watches it, and what arrived before it was wanted.
///
/// Used by the fabric's thread alone.
final class FabricLink {
    /// A received frame.
    final class Frame {
        let header = Message()
        let payload = Message()
        /// False where a frame had not exactly two parts.
        var isWhole = false
    }

    let peer: Int
    /// Random number that both ends of the link know from the invitation.
    let token: UInt64
    /// True on the side that listens.
    let isListener: Bool
    /// Where this side listens or connects.
    private(set) var endpoint: String
    var judge: FrameJudge
    /// True when this side's hello is out.
    var hasSentHello = false
    /// True when the peer's hello is in.
    var hasReceivedHello = false
    /// Why the connection ended; nil while it lives.
    private(set) var lossReason: String?
    /// What to wait for: the socket, then its monitor.
    var pollItems: [zmq_pollitem_t]

    private let socket: Socket
    private let monitor: SocketMonitor
    private var connection: Int32?
    private var sequence: UInt32 = 0
    private var isHeaderOut = false
    private var early = FIFO<Frame>()
    private var earlyByteCount = 0
    private var spare = Frame()
    private let headerBytes = UnsafeMutableRawBufferPointer.allocate(byteCount: FrameHeader.byteCount, alignment: 8)

    /// Listens on a port of its own, or connects to the peer's.
    init(
        peer: Int, token: UInt64, context: Context, listeningOn host: String?, connectingTo endpoint: String?
    ) throws(TransportError) {
        let socket = try Socket(.pair, in: context)
        let monitor = try SocketMonitor(of: socket, in: context, reportsHandshakes: false)
        try socket.set(ZMQ_SNDHWM, FabricLimits.highWaterMark)
        try socket.set(ZMQ_RCVHWM, FabricLimits.highWaterMark)
        try socket.setFrameByteCountMax(FrameHeader.chunkByteCountMax)
        try socket.set(ZMQ_HANDSHAKE_IVL, FabricLink.handshakeMilliseconds)
        // A connection that breaks has lost messages: it must not come back silently.
        try socket.set(ZMQ_RECONNECT_IVL, -1)
        // ZeroMQ's own heartbeats would fail while a busy rank leaves its queue full; the kernel answers these probes.
        try socket.set(ZMQ_TCP_KEEPALIVE, 1)
        try socket.set(ZMQ_TCP_KEEPALIVE_IDLE, FabricLink.keepAliveSeconds)
        try socket.set(ZMQ_TCP_KEEPALIVE_INTVL, FabricLink.keepAliveSeconds)
        try socket.set(ZMQ_TCP_KEEPALIVE_CNT, 3)
        if let endpoint {
            try socket.connect(endpoint)
            self.endpoint = endpoint
        } else {
            self.endpoint = try socket.bind("tcp://\(host ?? "127.0.0.1"):0")
        }
        self.peer = peer
        self.token = token
        isListener = endpoint == nil
        judge = FrameJudge(peer: peer)
        pollItems = [socket.pollItem(ZMQ_POLLIN), monitor.pollItem]
        self.socket = socket
        self.monitor = monitor
    }

    deinit {
        socket.stopMonitor()
        headerBytes.deallocate()
    }

    /// How long a connection may take to introduce itself.
    private static let handshakeMilliseconds: Int32 = 3000
    /// Idle time before, and pause between, the kernel's probes of a silent connection.
    private static let keepAliveSeconds: Int32 = 5

    /// Gives a frame to the socket; false where there is no room now.
    ///
    /// Repeat with the same arguments until true.
    func send(_ header: FrameHeader, payload: UnsafeRawBufferPointer) throws(TransportError) -> Bool {
        if !isHeaderOut {
            var header = header
            header.sequence = sequence
            header.encode(into: headerBytes)
            guard try socket.send(UnsafeRawBufferPointer(headerBytes), more: true) == .sent else { return false }
            isHeaderOut = true
        }
        guard try socket.send(payload) == .sent else { return false }
        isHeaderOut = false
        if header.kind == .data { sequence &+= 1 }
        return true
    }

    /// The next frame, valid until the next call; nil where nothing has arrived.
    func receive() throws(TransportError) -> Frame? {
        if let frame = early.popFirst() {
            earlyByteCount -= frame.payload.bytes.count
            return frame
        }
        return try receive(into: spare) ? spare : nil
    }

    /// Moves what has arrived out of the socket's short queue, so that a peer can go on sending while this rank is
    /// itself waiting for room.
    func drain() throws(TransportError) {
        while earlyByteCount < FabricLimits.queuedByteCountMax {
            let frame = Frame()
            guard try receive(into: frame) else { return }
            earlyByteCount += frame.payload.bytes.count
            early.append(frame)
        }
    }

    /// True where more may be moved by ``drain()``.
    var canDrain: Bool { earlyByteCount < FabricLimits.queuedByteCountMax && lossReason == nil }

    private func receive(into frame: Frame) throws(TransportError) -> Bool {
        guard try socket.receive(frame.header) else { return false }
        frame.isWhole = false
        guard frame.header.hasMore, try socket.receive(frame.payload) else { return true }
        frame.isWhole = !frame.payload.hasMore
        try socket.discardRest(of: frame.payload)
        return true
    }

    /// Remembers which connection carries the link.
    func setConnection(of frame: Frame) { connection = frame.header.connection }

    /// Takes in what happened to the socket's connections.
    func checkConnection() throws(TransportError) {
        while let event = try monitor.next() {
            // Until the hello names the connection, a listener may be bothered by strangers.
            guard case .disconnected(let lost) = event, connection == lost || (connection == nil && !isListener)
            else { continue }
            lossReason = "the connection to it broke"
        }
    }
}
