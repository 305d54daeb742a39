import CZeroMQ
public import Logging

/// A worker's end of the control plane: a DEALER socket on a thread of its own.
///
/// It connects in the background and again after a break, with growing pauses; ``ControlEvent/connected`` tells when.
/// Messages queue until then. Use it from any thread.
public final class ControlClient: Sendable {
    /// How the server addresses this incarnation.
    public let id: PeerID
    private let link: LinkThread

    /// Begins to connect to `tcp://host:port`; with a key, only to who has it.
    ///
    /// Where the other side will never take this one, because their keys differ or one has none, the link ends with
    /// ``ControlEvent/failed(_:)`` and ``TransportError/keyMismatch(endpoint:reason:)``.
    public init(connect: String, key: ClusterKey? = nil, logger: Logger) throws(TransportError) {
        let address = try TCPAddress(parsing: connect)
        guard address.port != 0, !address.isWildcard else {
            throw .invalidEndpoint(endpoint: connect, reason: "one cannot connect to a wildcard or to port 0")
        }
        let id = PeerID.random()
        link = try LinkThread(name: "control-client") {
            (outbox, wakeup, continuation, ready) throws(TransportError) in
            let context = try Context()
            let socket = try Socket(.dealer, in: context)
            let monitor = try SocketMonitor(of: socket, in: context)
            try socket.setControlOptions(isEncrypted: key != nil)
            if let key { try socket.show(key) }
            try socket.setRoutingID(id.bytes)
            // Messages wait here, not in a connection that may never come.
            try socket.set(ZMQ_IMMEDIATE, 1)
            try socket.set(ZMQ_CONNECT_TIMEOUT, ControlLimits.handshakeMilliseconds)
            try socket.set(ZMQ_RECONNECT_IVL, ControlLimits.reconnectMilliseconds)
            try socket.set(ZMQ_RECONNECT_IVL_MAX, ControlLimits.reconnectMillisecondsMax)
            try socket.connect(address.endpoint)
            var loop = ControlLoop(
                role: .client, endpoint: address.endpoint, hasKey: key != nil, socket: socket, monitor: monitor,
                outbox: outbox, wakeup: wakeup, sink: EventSink(continuation), logger: logger)
            ready(address.endpoint)
            loop.run()
        }
        self.id = id
    }

    /// What happens, for one reader.
    ///
    /// It ends when the client is closed.
    public var events: AsyncStream<ControlEvent> { link.events }

    /// Queues a message for the server; false where the client is closing, the message is longer than
    /// ``ControlLimits/messageByteCountMax`` or too much already waits.
    @discardableResult
    public func send(_ bytes: [UInt8]) -> Bool { link.outbox.add(bytes, to: .server) }

    /// Sends what is queued, within two seconds, and ends.
    ///
    /// From asynchronous code the other form is called.
    public func close() { link.close() }

    /// Sends what is queued, within two seconds, and ends.
    public func close() async { await link.close() }
}
