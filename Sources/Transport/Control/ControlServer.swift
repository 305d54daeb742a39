import CZeroMQ
public import Logging

/// The coordinator's end of the control plane: a ROUTER socket on a thread of its own.
///
/// Messages to a peer arrive in order, or end in ``ControlEvent/undeliverable(to:)``. Use it from any thread.
public final class ControlServer: Sendable {
    /// Where it listens, with the real port.
    public let endpoint: String
    private let link: LinkThread

    /// Listens at `tcp://host:port`; port 0 takes any.
    ///
    /// With a key only those who have it are let in, and the others written down in the log.
    ///
    /// Returns when peers can connect.
    public init(bind: String, key: ClusterKey? = nil, logger: Logger) throws(TransportError) {
        let address = try TCPAddress(parsing: bind)
        link = try LinkThread(name: "control-server") {
            (outbox, wakeup, continuation, ready) throws(TransportError) in
            let context = try Context(key: key)
            let socket = try Socket(.router, in: context)
            let monitor = try SocketMonitor(of: socket, in: context)
            try socket.setControlOptions(isEncrypted: key != nil)
            if let key { try socket.admitOnly(key) }
            // Unknown peers are an error rather than silence.
            try socket.set(ZMQ_ROUTER_MANDATORY, 1)
            let endpoint = try socket.bind(address.endpoint)
            logger.debug("control server listens", metadata: ["endpoint": "\(endpoint)"])
            var loop = ControlLoop(
                role: .server, endpoint: endpoint, hasKey: key != nil, socket: socket, monitor: monitor, outbox: outbox,
                wakeup: wakeup, sink: EventSink(continuation), logger: logger)
            ready(endpoint)
            loop.run()
        }
        endpoint = link.endpoint
    }

    /// What happens, for one reader.
    ///
    /// It ends when the server is closed.
    public var events: AsyncStream<ControlEvent> { link.events }

    /// Queues a message; false where the server is closing, the message is longer than
    /// ``ControlLimits/messageByteCountMax`` or too much already waits for the peer.
    @discardableResult
    public func send(_ bytes: [UInt8], to peer: PeerID) -> Bool { link.outbox.add(bytes, to: peer) }

    /// Sends what is queued, within two seconds, and ends.
    ///
    /// From asynchronous code the other form is called.
    public func close() { link.close() }

    /// Sends what is queued, within two seconds, and ends.
    public func close() async { await link.close() }
}

extension Socket {
    /// What both ends of the control plane set before they bind or connect.
    func setControlOptions(isEncrypted: Bool) throws(TransportError) {
        try setFrameByteCountMax(ControlLimits.messageByteCountMax, isEncrypted: isEncrypted)
        try set(ZMQ_SNDHWM, ControlLimits.highWaterMark)
        try set(ZMQ_RCVHWM, ControlLimits.highWaterMark)
        try set(ZMQ_LINGER, Int32(ControlLimits.flushMilliseconds))
        try set(ZMQ_HANDSHAKE_IVL, ControlLimits.handshakeMilliseconds)
        // The kernel's probes, not ZMQ_HEARTBEAT_*: libzmq 4.3.4 aborts the process (assertion !_io_error) when
        // its heartbeat timer fires after a connection broke while the receive queue was full.
        try set(ZMQ_TCP_KEEPALIVE, 1)
        try set(ZMQ_TCP_KEEPALIVE_IDLE, ControlLimits.keepAliveIdleSeconds)
        try set(ZMQ_TCP_KEEPALIVE_INTVL, ControlLimits.keepAliveIntervalSeconds)
        try set(ZMQ_TCP_KEEPALIVE_CNT, ControlLimits.keepAliveCount)
        try set(ZMQ_TCP_MAXRT, ControlLimits.unconfirmedMilliseconds)
    }
}
