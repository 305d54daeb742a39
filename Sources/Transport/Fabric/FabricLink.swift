import CZeroMQ
import Program

/// One connection between two ranks: a PAIR socket, what watches it, memory that both share where they can, and what
/// arrived before it was wanted.
///
/// With shared memory the socket is the doorbell, and its end is the end of the link. Used by the fabric's thread alone.
final class FabricLink {
    let peer: Int
    /// Random number that both ends of the link know from the invitation.
    let token: UInt64
    /// True on the side that listens.
    let isListener: Bool
    /// True where the connection is encrypted; what lies in shared memory never is.
    let isEncrypted: Bool
    /// Where this side listens or connects.
    private(set) var endpoint: String
    var judge: FrameJudge
    /// True when this side's hello is out.
    var hasSentHello = false
    /// True when the peer's hello is in.
    var hasReceivedHello = false
    /// Memory that this side offers, or the peer's that it has opened; while hellos are exchanged.
    var segment: SharedSegment?
    /// What this side tells the peer of its memory.
    var offer: [UInt8] = []
    /// Why there is no shared memory; nil where there is, or nobody asked for it.
    var refusal: String?
    /// Why the connection ended; nil while it lives.
    private(set) var lossReason: String?
    /// What to wait for: the socket, then its monitor.
    var pollItems: [zmq_pollitem_t]
    /// Data frames sent.
    private(set) var frameCount: UInt32 = 0

    private let socket: Socket
    private let monitor: SocketMonitor
    private var connection: Int32?
    private var rings: SharedRings?
    /// True while a message in the ring is in use.
    private var isHeld = false
    private var isHeaderOut = false
    private var early = FIFO<Arrival>()
    private var earlyByteCount = 0
    private let spare = SocketFrame()
    /// Room for frames that come early, made before they come: nothing is allocated while they do, as long as it suffices.
    private var idle = (0..<16).map { _ in SocketFrame() }
    /// Where the arrival lies that was given out last, if it came early.
    private var lent: SocketFrame?
    private let headerBytes = UnsafeMutableRawBufferPointer.allocate(byteCount: FrameHeader.byteCount, alignment: 8)

    /// Listens on a port of its own, or connects to the peer's; encrypted where there is a key.
    init(
        peer: Int, token: UInt64, context: Context, key: ClusterKey?, listeningOn host: String?,
        connectingTo endpoint: String?
    ) throws(TransportError) {
        let socket = try Socket(.pair, in: context)
        let monitor = try SocketMonitor(of: socket, in: context, reportsHandshakes: endpoint != nil)
        try socket.set(ZMQ_RCVTIMEO, FabricLink.patienceMilliseconds)
        try socket.set(ZMQ_SNDHWM, FabricLimits.highWaterMark)
        try socket.set(ZMQ_RCVHWM, FabricLimits.highWaterMark)
        try socket.setFrameByteCountMax(FrameHeader.chunkByteCountMax, isEncrypted: key != nil)
        try socket.set(ZMQ_HANDSHAKE_IVL, FabricLink.handshakeMilliseconds)
        // A connection that breaks has lost messages: it must not come back silently.
        try socket.set(ZMQ_RECONNECT_IVL, -1)
        // ZeroMQ's own heartbeats would fail while a busy rank leaves its queue full; the kernel answers these probes.
        try socket.set(ZMQ_TCP_KEEPALIVE, 1)
        try socket.set(ZMQ_TCP_KEEPALIVE_IDLE, FabricLink.keepAliveSeconds)
        try socket.set(ZMQ_TCP_KEEPALIVE_INTVL, FabricLink.keepAliveSeconds)
        try socket.set(ZMQ_TCP_KEEPALIVE_CNT, 3)
        if let endpoint {
            if let key { try socket.show(key) }
            try socket.connect(endpoint)
            self.endpoint = endpoint
        } else {
            if let key { try socket.admitOnly(key) }
            self.endpoint = try socket.bind("tcp://\(host ?? "127.0.0.1"):0")
        }
        self.peer = peer
        self.token = token
        isListener = endpoint == nil
        isEncrypted = key != nil
        judge = FrameJudge(peer: peer)
        pollItems = [socket.pollItem(ZMQ_POLLIN), monitor.pollItem]
        self.socket = socket
        self.monitor = monitor
    }

    deinit {
        socket.stopMonitor()
        headerBytes.deallocate()
    }

    /// How long a frame is awaited in the cheapest way, which sees neither an abort nor the end of the connection.
    private static let patienceMilliseconds: Int32 = 5
    /// How long a connection may take to introduce itself.
    private static let handshakeMilliseconds: Int32 = 3000
    /// Idle time before, and pause between, the kernel's probes of a silent connection.
    private static let keepAliveSeconds: Int32 = 5

    // MARK: Shared memory

    /// Sends and receives data through the segment from now on.
    func share() {
        guard let segment else { preconditionFailure("a link shares memory that it has") }
        rings = SharedRings(segment, isListener: isListener, bell: FrameHeader(kind: .bell, tag: .bell(token)))
        segment.closeFile()
        self.segment = nil
        refusal = nil
        idle = []
    }

    /// What carries data.
    var carrier: Carrier { rings == nil ? .zeroMQ : .sharedMemory }

    /// This side's half of the shared memory.
    var sharedByteCount: Int { rings.map { $0.byteCount / 2 } ?? 0 }

    /// Where the next message may be written, so that sending it from there copies nothing.
    func room(byteCount: Int) -> UnsafeMutableRawPointer? {
        guard judge.failure == nil, let rings else { return nil }
        return try? rings.writer.reserve(byteCount)
    }

    /// True where a message of so many bytes arrives in shared memory as a whole.
    func leavesInPlace(_ byteCount: Int) -> Bool { rings?.writer.fits(byteCount) ?? false }

    /// Gets ready for the frames of a message; false where shared memory has no room for it now.
    func begin(_ bytes: UnsafeRawBufferPointer) throws(TransportError) -> Bool {
        guard let rings else { return true }
        if rings.writer.isReserved(bytes.baseAddress) { return true }
        let isReady = try checked { () throws(RingError) in try rings.writer.reserve(bytes.count) != nil }
        return isReady || !rings.writer.fits(bytes.count)
    }

    /// Ends the use of what was received in shared memory.
    func giveBack() throws(TransportError) {
        isHeld = false
        guard let rings, rings.reader.giveBack() else { return }
        try ringBell(rings)
    }

    /// Keeps what was received in shared memory until ``giveBack()``.
    func hold() { isHeld = true }

    /// True where a message in shared memory is in use.
    var isHolding: Bool { isHeld }

    /// Tells the peer to ring; false where what this side waits for is there already.
    func willSleep(forRoom: Bool) -> Bool {
        guard let rings else { return true }
        if canDrain { rings.reader.setSleeping(true) }
        if forRoom { rings.writer.setSleeping(true) }
        return !(canDrain && rings.reader.hasNext) && !(forRoom && rings.writer.isBehind)
    }

    /// Takes the bells in.
    func didSleep() throws(TransportError) {
        guard let rings else { return }
        rings.reader.setSleeping(false)
        rings.writer.setSleeping(false)
        while try spare.receive(from: socket) {
            guard !spare.hasPayload, let header = try? FrameHeader(decoding: spare.header.bytes), header.kind == .bell
            else { throw judge.fail("something else than a doorbell") }
        }
    }

    private func ringBell(_ rings: SharedRings) throws(TransportError) {
        // Where the peer's queue is full of bells, it has enough of them.
        _ = try socket.send(UnsafeRawBufferPointer(rings.bell))
    }

    private func checked<Result>(_ body: () throws(RingError) -> Result) throws(TransportError) -> Result {
        do throws(RingError) { return try body() } catch { throw judge.fail("\(error)") }
    }

    // MARK: Frames

    /// The sequence number of the next data frame.
    func nextSequence() -> UInt32 {
        defer { frameCount &+= 1 }
        return frameCount
    }

    /// Gives a frame to the socket, or to shared memory; false where there is no room now.
    ///
    /// Repeat with the same arguments until true. `flippedBit` damages the header, for simulations.
    func send(
        _ header: FrameHeader, payload: UnsafeRawBufferPointer, flippedBit: Int? = nil
    ) throws(TransportError) -> Bool {
        if let rings { return try send(header, payload, flippedBit, rings) }
        if !isHeaderOut {
            encode(header, flippedBit)
            guard try socket.send(UnsafeRawBufferPointer(headerBytes), more: true) == .sent else { return false }
            isHeaderOut = true
        }
        guard try socket.send(payload) == .sent else { return false }
        isHeaderOut = false
        return true
    }

    private func send(
        _ header: FrameHeader, _ payload: UnsafeRawBufferPointer, _ flippedBit: Int?, _ rings: SharedRings
    ) throws(TransportError) -> Bool {
        let place = try checked { () throws(RingError) -> UnsafeMutableRawPointer? in
            guard try rings.writer.hasSlot() else { return nil }
            if let place = rings.writer.reserved(payload.count) { return place }
            return try rings.writer.reserve(payload.count)
        }
        guard let place else { return false }
        if let base = payload.baseAddress, base != UnsafeRawPointer(place) {
            place.copyMemory(from: base, byteCount: payload.count)
        }
        encode(header, flippedBit)
        if rings.writer.publish(UnsafeRawBufferPointer(headerBytes), byteCount: payload.count) { try ringBell(rings) }
        return true
    }

    private func encode(_ header: FrameHeader, _ flippedBit: Int?) {
        header.encode(into: headerBytes)
        if let flippedBit { headerBytes[flippedBit / 8 % headerBytes.count] ^= 1 << (flippedBit % 8) }
    }

    /// The next frame, valid until the next call; nil where nothing has arrived.
    func receive() throws(TransportError) -> Arrival? {
        takeBack()
        if let arrival = early.popFirst() {
            earlyByteCount -= arrival.payload.count
            lent = arrival.frame
            return arrival
        }
        if let rings {
            guard let frame = try checked({ () throws(RingError) in try rings.reader.next() }) else { return nil }
            return Arrival(header: frame.header, payload: frame.payload, isWhole: true, isInRing: true)
        }
        return try spare.receive(from: socket) ? Arrival(spare) : nil
    }

    /// The next frame over the socket, also if it comes within some milliseconds; as ``receive()`` otherwise.
    func awaitFrame() throws(TransportError) -> Arrival? {
        guard rings == nil, early.isEmpty else { return try receive() }
        takeBack()
        return try spare.receive(from: socket, waits: true) ? Arrival(spare) : nil
    }

    /// Ends the use of the frame that was given out last, if it came early.
    private func takeBack() {
        guard let frame = lent.take() else { return }
        frame.clear()
        idle.append(frame)
    }

    /// The peer's first frame, before any data; nil where nothing has arrived.
    func receiveHello() throws(TransportError) -> Arrival? {
        guard try spare.receive(from: socket) else { return nil }
        connection = spare.header.connection
        return Arrival(spare)
    }

    /// Moves what has arrived out of the short queue, so that a peer can go on sending while this rank is itself waiting
    /// for room.
    func drain() throws(TransportError) {
        while earlyByteCount < FabricLimits.queuedByteCountMax {
            let arrival: Arrival
            if let rings {
                guard let frame = try checked({ () throws(RingError) in try rings.reader.next() }) else { return }
                arrival = Arrival(copying: frame.header, frame.payload)
                if !isHeld { try giveBack() }
            } else {
                // By index: generic members of arrays allocate where the compiler does not optimise.
                let frame = idle.isEmpty ? SocketFrame() : idle[idle.count - 1]
                guard try frame.receive(from: socket) else { return }
                if !idle.isEmpty { idle.removeLast() }
                arrival = Arrival(frame)
            }
            earlyByteCount += arrival.payload.count
            early.append(arrival)
        }
    }

    /// True where more may be moved by ``drain()``.
    var canDrain: Bool { earlyByteCount < FabricLimits.queuedByteCountMax && lossReason == nil }

    /// Takes in what happened to the socket's connections.
    func checkConnection() throws(TransportError) {
        while let event = try monitor.next() {
            if case .handshakeFailed(let failure) = event, !isListener {
                lossReason = "its link was not made: \(failure.reason(hasKey: isEncrypted))"
            }
            // Until the hello names the connection, a listener may be bothered by strangers.
            guard case .disconnected(let lost) = event, connection == lost || (connection == nil && !isListener)
            else { continue }
            lossReason = lossReason ?? "the connection to it broke"
        }
    }
}

extension FrameTag {
    /// Of a doorbell.
    fileprivate static func bell(_ token: UInt64) -> FrameTag {
        FrameTag(epoch: 0, request: token, step: 0, instruction: 0)
    }
}
