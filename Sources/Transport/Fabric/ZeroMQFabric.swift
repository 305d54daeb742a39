import CZeroMQ
import Glibc
public import Program

/// The fabric between ranks that are processes: one TCP connection a pair, and where both are of one host memory that they
/// share, with the connection as the doorbell.
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
    /// What shall carry data; the same on all ranks.
    public let carrier: Carrier

    /// Which connections are encrypted, where there is a key; the same on all ranks.
    public let encryption: LinkEncryption

    private let key: ClusterKey?
    private let faults: FaultInjector?
    private let context: Context
    private let door: FabricDoor
    private var ioThread: IOThread?
    private var links: [FabricLink?] = []
    private var waitItems: [zmq_pollitem_t] = []

    /// Listens for peers.
    ///
    /// `bind` is an address or interface of this host, with `:port` where the port must be a certain one. `advertise` is
    /// what peers connect to where that differs, which it must for a wildcard. With a key only ranks that have it find
    /// each other. `faults` damage what this rank sends, for simulations.
    public init(
        rank: Int, bind: String = "127.0.0.1", advertise: String? = nil, carrier: Carrier = .automatic,
        key: ClusterKey? = nil, encryption: LinkEncryption = .betweenHosts, abortFlag: AbortFlag = AbortFlag(),
        faults: FaultInjector? = nil
    ) throws(TransportError) {
        self.rank = rank
        self.key = key
        self.encryption = encryption
        self.carrier = carrier
        self.faults = faults
        self.abortFlag = abortFlag
        context = try Context(key: key)
        door = try FabricDoor(context: context, key: key, bind: bind, advertise: advertise)
        endpoint = door.endpoint
    }

    /// Makes the links to all peers, after closing those of an earlier epoch; returns when every peer has answered.
    ///
    /// `peers` are the endpoints by rank; this rank's own may be among them. All ranks call this with the same epoch.
    /// Throws ``TransportError/connectDeadline(missing:epoch:after:)`` when peers stay away,
    /// ``TransportError/keyMismatch(endpoint:reason:)`` when one has another key, and
    /// ``TransportError/noSharedMemory(peer:reason:)`` where memory must be shared and cannot be.
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
            rank: rank, epoch: epoch, peers: others, door: door, context: context, abortFlag: abortFlag,
            carrier: carrier, key: key, encryption: encryption)
        var links = [FabricLink?](repeating: nil, count: size)
        for link in try rendezvous.run(deadline: deadline) { links[link.peer] = link }
        self.links = links
        // The thread names itself some time after its start; by now it has brought messages.
        if ioThread == nil { ioThread = IOThread(of: context) }
    }

    /// Ends all links; peers see this rank as gone.
    ///
    /// Messages that have not left yet are lost.
    public func close() { links = [] }

    /// What carries data to each peer: ``Carrier/sharedMemory`` or ``Carrier/zeroMQ``.
    public var carriers: [Int: Carrier] {
        Dictionary(uniqueKeysWithValues: links.compactMap { link in link.map { ($0.peer, $0.carrier) } })
    }

    /// The peers whose connections are encrypted.
    public var encryptedPeers: Set<Int> {
        Set(links.compactMap { link in link.flatMap { $0.isEncrypted ? $0.peer : nil } })
    }

    /// Why memory is not shared with a peer, where somebody tried; by rank.
    public var refusals: [Int: String] {
        let told = links.compactMap { $0 }.compactMap { link in link.refusal.map { (link.peer, $0) } }
        return Dictionary(uniqueKeysWithValues: told)
    }

    /// The core that this rank's thread and its I/O thread are kept on; nil: any.
    package var heldCore: Int32? { ioThread?.core }

    /// Lets this rank's thread run on any core again, which small messages over ZeroMQ keep on one; for the end of a call.
    public func letGoOfCore() { ioThread?.letGo() }

    /// Shared memory of all links: of each this rank's half.
    public var sharedByteCount: Int { links.reduce(0) { $0 + ($1?.sharedByteCount ?? 0) } }

    // MARK: Sending

    /// Where the next message to a peer may be written, in shared memory.
    public func room(to peer: Int, byteCount: Int) -> UnsafeMutableRawPointer? {
        links.indices.contains(peer) ? links[peer]?.room(byteCount: byteCount) : nil
    }

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
        if link.carrier == .zeroMQ { ioThread?.serve(byteCount: bytes.count) }
        let deadline = Deadline(after: sendDeadline)
        try wait(for: link, tag, deadline) { () throws(TransportError) in try link.begin(bytes) }
        for chunk in 0..<FrameHeader.chunkCount(of: bytes.count) {
            let piece = UnsafeRawBufferPointer(rebasing: bytes[FrameHeader.range(ofChunk: chunk, in: bytes.count)])
            var header = FrameHeader(tag: tag, chunk: UInt32(chunk), messageByteCount: UInt32(bytes.count))
            let fault = fault(on: link, piece.count)
            header.sequence = link.nextSequence()
            var (copies, flippedBit) = (1, Int?.none)
            switch fault {
            case nil: break
            case .corrupt(let bit): flippedBit = bit
            case .delay(let duration): Self.sleep(duration)
            case .drop: copies = 0
            case .duplicate: copies = 2
            case .senderDies:
                close()
                throw .aborted(reason: "a simulated death of rank \(rank)")
            }
            for _ in 0..<copies {
                try wait(for: link, tag, deadline) { () throws(TransportError) in
                    try link.send(header, payload: piece, flippedBit: flippedBit)
                }
            }
        }
        sentByteCount += bytes.count
    }

    private func fault(on link: FabricLink, _ byteCount: Int) -> Fault? {
        faults?.fault(
            FaultInjector.Frame(
                sender: rank, receiver: link.peer, index: Int(link.frameCount), byteCount: byteCount))
    }

    private static func sleep(_ duration: Duration) {
        let (seconds, attoseconds) = duration.components
        usleep(UInt32(clamping: seconds * 1_000_000 + attoseconds / 1_000_000_000_000))
    }

    /// Repeats an attempt to send until it succeeds, and meanwhile takes in what peers send: otherwise two ranks with full
    /// queues would wait for each other.
    private func wait(
        for link: FabricLink, _ tag: FrameTag, _ deadline: Deadline, _ attempt: () throws(TransportError) -> Bool
    ) throws(TransportError) {
        var spin = Spin()
        while try !attempt() {
            try abortFlag.check()
            // By index: iterators of arrays allocate where the compiler does not optimise.
            for index in 0..<links.count {
                if let other = links[index], other.canDrain { try other.drain() }
            }
            if canSpin(on: link), spin.next() { continue }
            try link.checkConnection()
            if let reason = link.lossReason { throw .peerLost(peer: link.peer, reason: reason) }
            guard let slice = deadline.sliceMilliseconds else {
                throw .deadline(operation: "sending to", peer: link.peer, tag: tag, after: sendDeadline)
            }
            try sleepForRoom(on: link, milliseconds: slice)
        }
    }

    private func sleepForRoom(on link: FabricLink, milliseconds: Int) throws(TransportError) {
        waitItems.removeAll(keepingCapacity: true)
        waitItems.append(contentsOf: link.pollItems)
        let events = link.carrier == .zeroMQ ? ZMQ_POLLOUT | (link.canDrain ? ZMQ_POLLIN : 0) : ZMQ_POLLIN
        waitItems[0].events = Int16(events)
        var isQuiet = link.willSleep(forRoom: true)
        for index in 0..<links.count {
            guard let other = links[index], other !== link, other.canDrain else { continue }
            try other.checkConnection()
            waitItems.append(other.pollItems[0])
            waitItems[waitItems.count - 1].events = Int16(ZMQ_POLLIN)
            isQuiet = other.willSleep(forRoom: false) && isQuiet
        }
        if isQuiet { try poll(&waitItems, milliseconds: milliseconds) }
        for index in 0..<links.count { try links[index]?.didSleep() }
    }

    // MARK: Receiving

    /// Waits for the next message from a peer.
    ///
    /// Throws ``TransportError``.
    public func receive(
        from peer: Int, tag: FrameTag, into bytes: UnsafeMutableRawBufferPointer, deadline duration: Duration
    ) throws(TransportError) {
        let link = try link(peer)
        precondition(!link.isHolding, "what was taken from a peer is given back before the next message")
        try abortFlag.check()
        try receive(on: link, tag, into: bytes, fromChunk: 0, Deadline(after: duration), duration)
    }

    /// Waits for the next message from a peer, and leaves it in shared memory where it came so.
    ///
    /// Throws ``TransportError``.
    public func take(
        from peer: Int, tag: FrameTag, room: UnsafeMutableRawBufferPointer, deadline duration: Duration
    ) throws(TransportError) -> UnsafeRawPointer? {
        let link = try link(peer)
        precondition(!link.isHolding, "what was taken from a peer is given back before the next message")
        try abortFlag.check()
        let deadline = Deadline(after: duration)
        guard link.leavesInPlace(room.count) else {
            try receive(on: link, tag, into: room, fromChunk: 0, deadline, duration)
            return nil
        }
        var base: UnsafeRawPointer?
        for chunk in 0..<FrameHeader.chunkCount(of: room.count) {
            let wanted = FrameJudge.Expectation(tag: tag, chunk: chunk, byteCount: room.count)
            let arrival = try next(link, wanted, deadline, duration)
            let range = FrameHeader.range(ofChunk: chunk, in: room.count)
            if arrival.isInRing, let start = arrival.payload.baseAddress {
                if chunk == 0 { base = start }
                if start == base.map({ $0 + range.lowerBound }) { continue }
            }
            // It does not lie in one piece: what is there is copied, and the rest comes the same way.
            let before = UnsafeRawBufferPointer(start: base, count: base == nil ? 0 : range.lowerBound)
            room.copyMemory(from: before)
            UnsafeMutableRawBufferPointer(rebasing: room[range]).copyMemory(from: arrival.payload)
            withExtendedLifetime(arrival) {}
            try link.giveBack()
            try receive(on: link, tag, into: room, fromChunk: chunk + 1, deadline, duration)
            return nil
        }
        link.hold()
        return base
    }

    /// Ends the use of what was taken from a peer.
    public func giveBack(from peer: Int) {
        // Only the bell can fail, and what is wrong with the socket shows at the next wait.
        if links.indices.contains(peer), let link = links[peer], link.isHolding { try? link.giveBack() }
    }

    private func receive(
        on link: FabricLink, _ tag: FrameTag, into bytes: UnsafeMutableRawBufferPointer, fromChunk first: Int,
        _ deadline: Deadline, _ duration: Duration
    ) throws(TransportError) {
        for chunk in first..<max(first, FrameHeader.chunkCount(of: bytes.count)) {
            let wanted = FrameJudge.Expectation(tag: tag, chunk: chunk, byteCount: bytes.count)
            let arrival = try next(link, wanted, deadline, duration)
            let target = UnsafeMutableRawBufferPointer(
                rebasing: bytes[FrameHeader.range(ofChunk: chunk, in: bytes.count)])
            target.copyMemory(from: arrival.payload)
            if arrival.isInRing { try link.giveBack() }
            withExtendedLifetime(arrival) {}
        }
    }

    /// The next frame, which is the wanted one.
    private func next(
        _ link: FabricLink, _ wanted: FrameJudge.Expectation, _ deadline: Deadline, _ duration: Duration
    ) throws(TransportError) -> Arrival {
        if let failure = link.judge.failure { throw failure }
        while true {
            let arrival = try nextFrame(link, wanted, deadline, duration)
            guard arrival.isWhole else { throw link.judge.fail(wanted, "a frame without a payload") }
            let verdict = try link.judge.judge(
                header: arrival.header, payloadByteCount: arrival.payload.count, expecting: wanted)
            if verdict == .take { return arrival }
            // What is in use with it stays until the message is complete.
            if arrival.isInRing, wanted.chunk == 0 { try link.giveBack() }
            withExtendedLifetime(arrival) {}
        }
    }

    private func nextFrame(
        _ link: FabricLink, _ wanted: FrameJudge.Expectation, _ deadline: Deadline, _ duration: Duration
    ) throws(TransportError) -> Arrival {
        if link.carrier == .zeroMQ { ioThread?.serve(byteCount: wanted.byteCount) }
        if !canSpin(on: link), let arrival = try link.awaitFrame() { return arrival }
        var spin = Spin()
        while true {
            if let arrival = try link.receive() { return arrival }
            try abortFlag.check()
            if canSpin(on: link), spin.next() { continue }
            try link.checkConnection()
            if let reason = link.lossReason {
                // What came before the end still counts.
                if let arrival = try link.receive() { return arrival }
                throw .peerLost(peer: link.peer, reason: "\(reason) while \(wanted.tag) was awaited")
            }
            guard let slice = deadline.sliceMilliseconds else {
                throw .deadline(operation: "receiving from", peer: link.peer, tag: wanted.tag, after: duration)
            }
            link.pollItems[0].events = Int16(ZMQ_POLLIN)
            if link.willSleep(forRoom: false) { try poll(&link.pollItems, milliseconds: slice) }
            try link.didSleep()
        }
    }

    /// False where the I/O thread needs the core: who spins beside it, even if it yields at every look, takes turns with it.
    private func canSpin(on link: FabricLink) -> Bool { link.carrier == .sharedMemory || heldCore == nil }

    private func link(_ peer: Int) throws(TransportError) -> FabricLink {
        guard links.indices.contains(peer), let link = links[peer] else { throw .notConnected(peer: peer) }
        return link
    }
}
