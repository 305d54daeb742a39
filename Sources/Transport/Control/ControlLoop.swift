import CZeroMQ
import Logging

/// What a control link's thread does: sends what is queued, passes on what arrives, until it is told to close.
struct ControlLoop: ~Copyable {
    /// Which end of the link this is.
    enum Role {
        case client
        case server
    }

    private let role: Role
    private let endpoint: String
    private let hasKey: Bool
    private let socket: Socket
    private let monitor: SocketMonitor
    private let outbox: Outbox
    private let wakeup: Wakeup
    private let logger: Logger
    private var sink: EventSink
    private let message = Message()
    private var queues: [PeerID: FIFO<[UInt8]>] = [:]
    /// Which peer speaks over which connection (server).
    private var connections = ConnectionTable()
    /// True while the client's connection stands.
    private var isConnected = false
    /// Whether it is of use that the client tries again.
    private var judge: HandshakeJudge
    /// Where the connections come from that have not introduced themselves (server).
    private var strangers: [Int32: String] = [:]
    /// Why the connection that ends next was refused (server).
    private var refusal: HandshakeFailure?
    private var refusals: RefusalLog
    private var isClosing = false

    init(
        role: Role, endpoint: String, hasKey: Bool, socket: consuming Socket, monitor: consuming SocketMonitor,
        outbox: Outbox, wakeup: Wakeup, sink: consuming EventSink, logger: Logger
    ) {
        self.role = role
        self.endpoint = endpoint
        self.hasKey = hasKey
        judge = HandshakeJudge(endpoint: endpoint, hasKey: hasKey)
        refusals = RefusalLog(logger)
        self.socket = socket
        self.monitor = monitor
        self.outbox = outbox
        self.wakeup = wakeup
        self.sink = sink
        self.logger = logger
    }

    /// Runs until the outbox closes or the socket fails.
    mutating func run() {
        defer { socket.stopMonitor() }
        do {
            try loop()
        } catch {
            logger.error("control link failed", metadata: ["error": "\(error)"])
            sink.yield(.failed(error))
            outbox.close()
        }
    }

    private mutating func loop() throws(TransportError) {
        var flushDeadline: ContinuousClock.Instant?
        while true {
            takeDelivery()
            try sendQueued()
            sink.retry()
            if isClosing {
                let end = flushDeadline ?? .now.advanced(by: .milliseconds(ControlLimits.flushMilliseconds))
                flushDeadline = end
                if queues.isEmpty || end <= .now || (role == .client && !isConnected) { return }
            }
            var items = [wakeup.pollItem, monitor.pollItem, socket.pollItem(socketEvents)]
            let isRetrying = sink.isBlocked || isClosing || (role == .server && !queues.isEmpty)
            try poll(
                &items, milliseconds: isRetrying ? ControlLimits.retryMilliseconds : ControlLimits.idleMilliseconds)
            if items[0].isReadable { wakeup.clear() }
            try takeConnectionEvents()
            if items[2].isReadable { try takeMessages() }
        }
    }

    /// A ROUTER always says that some peer could be written to, so a server tries blocked peers again by the clock.
    private var socketEvents: Int32 {
        (sink.isBlocked ? 0 : ZMQ_POLLIN) | (role == .client && !queues.isEmpty ? ZMQ_POLLOUT : 0)
    }

    private mutating func takeDelivery() {
        let delivery = outbox.take()
        isClosing = delivery.isClosing
        for (peer, bytes) in delivery.messages { queues[peer, default: FIFO()].append(bytes) }
        for peer in delivery.refused {
            logger.warning("control message refused: too long, or too many wait", metadata: ["peer": "\(peer)"])
            sink.yield(.undeliverable(to: peer))
        }
    }

    private mutating func sendQueued() throws(TransportError) {
        for peer in Array(queues.keys) {
            while let bytes = queues[peer]?.first {
                let outcome = try send(bytes, to: peer)
                if outcome == .wouldBlock { break }
                if outcome == .unreachable {
                    drop(peer)
                    break
                }
                _ = queues[peer]?.popFirst()
                outbox.release(bytes.count, of: peer)
            }
            if queues[peer]?.isEmpty == true { queues[peer] = nil }
        }
    }

    private mutating func drop(_ peer: PeerID) {
        logger.debug("peer is unreachable", metadata: ["peer": "\(peer)"])
        while let bytes = queues[peer]?.popFirst() { outbox.release(bytes.count, of: peer) }
        queues[peer] = nil
        sink.yield(.undeliverable(to: peer))
    }

    private func send(_ bytes: [UInt8], to peer: PeerID) throws(TransportError) -> Socket.SendOutcome {
        if role == .server {
            let outcome = try Self.send(peer.bytes, on: socket, more: true)
            guard outcome == .sent else { return outcome }
        }
        return try Self.send(bytes, on: socket, more: false)
    }

    private static func send(
        _ bytes: [UInt8], on socket: borrowing Socket, more: Bool
    ) throws(TransportError) -> Socket.SendOutcome {
        // Typed errors do not pass through withUnsafeBytes, so the result is carried out.
        var result: Result<Socket.SendOutcome, TransportError> = .success(.wouldBlock)
        bytes.withUnsafeBytes { pointer in
            do throws(TransportError) {
                result = .success(try socket.send(pointer, more: more))
            } catch {
                result = .failure(error)
            }
        }
        return try result.get()
    }

    private mutating func takeConnectionEvents() throws(TransportError) {
        while let event = try monitor.next() {
            if role == .server {
                takeServerEvent(event)
            } else {
                try takeClientEvent(event)
            }
        }
    }

    private mutating func takeServerEvent(_ event: SocketMonitor.Event) {
        switch event {
        case .accepted(let connection): strangers[connection] = peerAddress(of: connection)
        case .handshakeSucceeded: break
        case .handshakeFailed(let failure): refusal = failure
        case .disconnected(let connection):
            let address = strangers.removeValue(forKey: connection)
            // A failed handshake is reported just before the end of its connection.
            if let refusal = refusal.take() {
                refusals.note(address: address ?? "unknown", reason: refusal.reason(hasKey: hasKey))
            }
            if let peer = connections.close(connection) { sink.yield(.disconnected(peer)) }
        }
    }

    private mutating func takeClientEvent(_ event: SocketMonitor.Event) throws(TransportError) {
        switch event {
        case .accepted: break
        case .handshakeSucceeded:
            judge.succeed()
            isConnected = true
            sink.yield(.connected)
        case .handshakeFailed(let failure):
            let reason = failure.reason(hasKey: hasKey)
            logger.debug("control handshake failed", metadata: ["endpoint": "\(endpoint)", "reason": "\(reason)"])
            if let error = judge.fail(failure) { throw error }
            sink.yield(.handshakeFailed(reason: reason))
        case .disconnected:
            guard isConnected else { return }
            isConnected = false
            sink.yield(.disconnected(.server))
        }
    }

    private mutating func takeMessages() throws(TransportError) {
        for _ in 0..<ControlLimits.batchCountMax where !sink.isBlocked {
            // News about connections come first, because descriptors are used again.
            try takeConnectionEvents()
            guard try socket.receive(message) else { return }
            var sender = PeerID.server
            if role == .server {
                sender = PeerID(bytes: Array(message.bytes))
                if let connection = message.connection, let former = connections.open(connection, by: sender) {
                    sink.yield(.disconnected(former))
                }
                guard message.hasMore, try socket.receive(message) else { continue }
                if let connection = message.connection, let former = connections.open(connection, by: sender) {
                    sink.yield(.disconnected(former))
                }
            }
            guard !message.hasMore else {
                try socket.discardRest(of: message)
                logger.warning("control message with too many parts dropped", metadata: ["peer": "\(sender)"])
                continue
            }
            sink.yield(.message(from: sender, Array(message.bytes)))
        }
    }
}
