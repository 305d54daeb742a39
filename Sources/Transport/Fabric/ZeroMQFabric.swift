import CZeroMQ
public import Program

/// The fabric between ranks that are processes: one TCP connection a pair.
///
/// Made and used on one thread. A rank listens at one ``endpoint`` from the start; ``connect(peers:epoch:rank:deadline:)``
/// then makes the links, which have ports of their own. After an error the links are in an unknown state: connect again,
/// with a new epoch.
public final class ZeroMQFabric: AbortableFabric {
    /// This device's id.
    public private(set) var rank: Int
    /// Number of devices, this one included.
    public private(set) var size = 1
    /// Incarnation of the cluster's membership that the links belong to.
    public private(set) var epoch: UInt32 = 0
    /// Payload bytes sent so far.
    public private(set) var sentByteCount = 0
    /// Where peers find this rank, for their `connect`.
    public let endpoint: String
    /// Makes waits throw when it is set.
    public let abortFlag: AbortFlag
    /// Longest wait for room in a queue while sending.
    public var sendDeadline = FabricLimits.sendDeadline

    private let context: Context
    private let door: FabricDoor
    private var links: [FabricLink?] = []
    private var waitItems: [zmq_pollitem_t] = []

    /// Listens for peers.
    ///
    /// `bind` is an address or interface of this host, with `:port` where the port must be a certain one. `advertise` is
    /// what peers connect to where that differs, which it must for a wildcard.
    public init(
        rank: Int, bind: String = "127.0.0.1", advertise: String? = nil, abortFlag: AbortFlag = AbortFlag()
    ) throws(TransportError) {
        self.rank = rank
        self.abortFlag = abortFlag
        context = try Context()
        door = try FabricDoor(context: context, bind: bind, advertise: advertise)
        endpoint = door.endpoint
    }

    /// Makes the links to all peers, after closing those of an earlier epoch; returns when every peer has answered.
    ///
    /// `peers` are the endpoints by rank; this rank's own may be among them. All ranks call this with the same epoch.
    /// Throws ``TransportError/connectDeadline(missing:epoch:after:)`` when peers stay away.
    public func connect(
        peers: [Int: String], epoch: UInt32, rank newRank: Int? = nil, deadline: Duration = .seconds(20)
    ) throws(TransportError) {
        links = []
        rank = newRank ?? rank
        self.epoch = epoch
        let others = peers.filter { $0.key != rank }
        size = max(rank, others.keys.max() ?? 0) + 1
        precondition(others.keys.allSatisfy { $0 >= 0 && $0 < FabricDoor.rankCountMax }, "ranks are small numbers")
        let rendezvous = FabricRendezvous(
            rank: rank, epoch: epoch, peers: others, door: door, context: context, abortFlag: abortFlag)
        var links = [FabricLink?](repeating: nil, count: size)
        for link in try rendezvous.run(deadline: deadline) { links[link.peer] = link }
        self.links = links
    }

    /// Ends all links; peers see this rank as gone.
    ///
    /// Messages that have not left yet are lost.
    public func close() { links = [] }

    /// Sends a message; the bytes may be reused when it returns.
    ///
    /// Throws ``TransportError``.
    public func send(to peer: Int, tag: FrameTag, bytes: UnsafeRawBufferPointer) throws(TransportError) {
        let link = try link(peer)
        guard bytes.count <= FrameHeader.messageByteCountMax else {
            throw .messageTooLarge(byteCount: bytes.count, limit: FrameHeader.messageByteCountMax)
        }
        if let failure = link.judge.failure { throw failure }
        try abortFlag.check()
        let deadline = Deadline(after: sendDeadline)
        for chunk in 0..<FrameHeader.chunkCount(of: bytes.count) {
            let piece = UnsafeRawBufferPointer(rebasing: bytes[FrameHeader.range(ofChunk: chunk, in: bytes.count)])
            let header = FrameHeader(tag: tag, chunk: UInt32(chunk), messageByteCount: UInt32(bytes.count))
            while try !link.send(header, payload: piece) {
                try abortFlag.check()
                try link.checkConnection()
                if let reason = link.lossReason { throw .peerLost(peer: peer, reason: reason) }
                guard let slice = deadline.sliceMilliseconds else {
                    throw .deadline(operation: "sending to", peer: peer, tag: tag, after: sendDeadline)
                }
                try waitForRoom(on: link, milliseconds: slice)
            }
        }
        sentByteCount += bytes.count
    }

    /// Waits for the next message from a peer.
    ///
    /// Throws ``TransportError``.
    public func receive(
        from peer: Int, tag: FrameTag, into bytes: UnsafeMutableRawBufferPointer, deadline duration: Duration
    ) throws(TransportError) {
        let link = try link(peer)
        try abortFlag.check()
        let deadline = Deadline(after: duration)
        var chunk = 0
        while chunk < FrameHeader.chunkCount(of: bytes.count) {
            let wanted = FrameJudge.Expectation(tag: tag, chunk: chunk, byteCount: bytes.count)
            let frame = try nextFrame(link, wanted, deadline, duration)
            guard frame.isWhole else { throw link.judge.fail(wanted, "a frame without a payload") }
            let verdict = try link.judge.judge(
                header: frame.header.bytes, payloadByteCount: frame.payload.bytes.count, expecting: wanted)
            guard verdict == .take else { continue }
            let target = UnsafeMutableRawBufferPointer(
                rebasing: bytes[FrameHeader.range(ofChunk: chunk, in: bytes.count)])
            target.copyMemory(from: frame.payload.bytes)
            chunk += 1
        }
    }

    private func nextFrame(
        _ link: FabricLink, _ wanted: FrameJudge.Expectation, _ deadline: Deadline, _ duration: Duration
    ) throws(TransportError) -> FabricLink.Frame {
        if let failure = link.judge.failure { throw failure }
        while true {
            if let frame = try link.receive() { return frame }
            try abortFlag.check()
            try link.checkConnection()
            if let reason = link.lossReason {
                // What came before the end still counts.
                if let frame = try link.receive() { return frame }
                throw .peerLost(peer: link.peer, reason: "\(reason) while \(wanted.tag) was awaited")
            }
            guard let slice = deadline.sliceMilliseconds else {
                throw .deadline(operation: "receiving from", peer: link.peer, tag: wanted.tag, after: duration)
            }
            link.pollItems[0].events = Int16(ZMQ_POLLIN)
            try poll(&link.pollItems, milliseconds: slice)
        }
    }

    /// Waits until the link takes a frame again, and meanwhile takes in what peers send: otherwise two ranks with full
    /// queues would wait for each other.
    private func waitForRoom(on link: FabricLink, milliseconds: Int) throws(TransportError) {
        waitItems.removeAll(keepingCapacity: true)
        waitItems.append(contentsOf: link.pollItems)
        waitItems[0].events = Int16(ZMQ_POLLOUT | (link.canDrain ? ZMQ_POLLIN : 0))
        for case let other? in links where other !== link && other.canDrain {
            try other.checkConnection()
            waitItems.append(other.pollItems[0])
            waitItems[waitItems.count - 1].events = Int16(ZMQ_POLLIN)
        }
        try poll(&waitItems, milliseconds: milliseconds)
        for case let other? in links where other.canDrain { try other.drain() }
    }

    private func link(_ peer: Int) throws(TransportError) -> FabricLink {
        guard links.indices.contains(peer), let link = links[peer] else { throw .notConnected(peer: peer) }
        return link
    }
}
