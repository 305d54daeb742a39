/// Names one incarnation of a process on the control plane.
public struct PeerID: Sendable, Hashable, CustomStringConvertible {
    /// 1 to 255 bytes; none for the server.
    public let bytes: [UInt8]

    /// Wraps bytes.
    public init(bytes: [UInt8]) { self.bytes = bytes }

    /// The server, as its clients see it.
    public static let server = PeerID(bytes: [])

    /// A name that no other incarnation has: 15 random bytes after a mark (ZeroMQ keeps names that begin with 0 for
    /// itself).
    public static func random() -> PeerID {
        PeerID(bytes: [0x74] + (0..<15).map { _ in UInt8.random(in: .min ... .max) })
    }

    /// The first bytes in hexadecimal, enough to tell peers apart in a log.
    public var description: String {
        guard !bytes.isEmpty else { return "server" }
        return bytes.prefix(6).map { byte in (byte < 16 ? "0" : "") + String(byte, radix: 16) }.joined()
    }
}

/// What happens on a control link; cases in alphabetical order.
public enum ControlEvent: Sendable, Hashable {
    /// A client reached its server, for the first time or again.
    case connected
    /// The connection to a peer ended. A client goes on trying; a server hears from the peer if it comes back.
    case disconnected(PeerID)
    /// The link's thread had to stop; no event follows.
    case failed(TransportError)
    /// A connection was made, but the other side is not what it should be.
    case handshakeFailed(reason: String)
    /// A whole message.
    case message(from: PeerID, [UInt8])
    /// Messages to a peer were dropped: it is gone, or does not take them.
    case undeliverable(to: PeerID)
}

/// Bounds and times of the control plane.
public enum ControlLimits {
    /// Longest message: a local program of the largest model with room to spare.
    public static let messageByteCountMax = 64 << 20
    /// What may wait for one peer before further messages are undeliverable.
    public static let queuedByteCountMax = 256 << 20
    /// Events that wait for their reader before the link stops taking messages.
    public static let queuedEventCountMax = 256
    /// How long `close` goes on sending what is queued, and then how long libzmq does.
    static let flushMilliseconds = 1000
    /// Messages that libzmq keeps on each side.
    static let highWaterMark: Int32 = 64
    /// Idle seconds before the kernel probes a connection, seconds between probes, and probes until it counts as broken.
    static let keepAliveIdleSeconds: Int32 = 2
    static let keepAliveIntervalSeconds: Int32 = 1
    static let keepAliveCount: Int32 = 3
    /// How long sent bytes may stay unconfirmed before the connection counts as broken; also bounds how long a peer may
    /// take no messages while some wait.
    static let unconfirmedMilliseconds: Int32 = 30_000
    /// How long a new connection may take to introduce itself.
    static let handshakeMilliseconds: Int32 = 3000
    /// First and longest pause between attempts to connect.
    static let reconnectMilliseconds: Int32 = 100
    static let reconnectMillisecondsMax: Int32 = 5000
    /// How often something that is blocked is tried again where nothing tells that it can go on.
    static let retryMilliseconds = 10
    /// Longest sleep of a link's thread.
    static let idleMilliseconds = 1000
    /// Messages taken in a row before it is the outgoing ones' turn.
    static let batchCountMax = 64
}
