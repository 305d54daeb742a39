import CZeroMQ
import Program

/// Makes the links of one epoch.
///
/// Of each pair the lower rank listens on a port of its own and invites the higher one to it; then both say hello over
/// the new link, which proves that they mean the same epoch and pair. It is complete when all hellos are in.
final class FabricRendezvous {
    private let rank: Int
    private let epoch: UInt32
    private let peers: [Int: String]
    private let door: FabricDoor
    private let context: Context
    private let abortFlag: AbortFlag
    private let carrier: Carrier
    private let key: ClusterKey?
    private let encryption: LinkEncryption
    private var links: [Int: FabricLink] = [:]
    private var invites: [InviteSocket] = []

    /// What an invitation leaves by, in a class, so that arrays can hold it.
    private final class InviteSocket {
        let socket: Socket
        private let monitor: SocketMonitor
        private var judge: HandshakeJudge

        init(_ socket: consuming Socket, _ monitor: consuming SocketMonitor, _ judge: HandshakeJudge) {
            self.socket = socket
            self.monitor = monitor
            self.judge = judge
        }

        deinit { socket.stopMonitor() }

        /// Throws where the peer will never let this rank in.
        func check() throws(TransportError) {
            while let event = try monitor.next() {
                switch event {
                case .handshakeSucceeded: judge.succeed()
                case .handshakeFailed(let failure): if let error = judge.fail(failure) { throw error }
                case .accepted, .disconnected: break
                }
            }
        }
    }

    init(
        rank: Int, epoch: UInt32, peers: [Int: String], door: FabricDoor, context: Context, abortFlag: AbortFlag,
        carrier: Carrier, key: ClusterKey?, encryption: LinkEncryption
    ) {
        self.rank = rank
        self.epoch = epoch
        self.peers = peers
        self.door = door
        self.context = context
        self.abortFlag = abortFlag
        self.carrier = carrier
        self.key = key
        self.encryption = encryption
    }

    /// Returns the links to all peers, or throws and leaves none.
    func run(deadline duration: Duration) throws(TransportError) -> [FabricLink] {
        let deadline = Deadline(after: duration)
        for (peer, endpoint) in peers where peer > rank { try invite(peer, at: endpoint) }
        while true {
            try acceptInvitations()
            for invite in invites { try invite.check() }
            for link in links.values { try greet(link) }
            let missing = peers.keys.filter { !(links[$0].map(Self.isComplete) ?? false) }.sorted()
            if missing.isEmpty { return try checkedLinks() }
            try abortFlag.check()
            guard let slice = deadline.sliceMilliseconds else {
                throw .connectDeadline(missing: missing, epoch: epoch, after: duration)
            }
            try wait(milliseconds: slice)
        }
    }

    private func checkedLinks() throws(TransportError) -> [FabricLink] {
        for link in links.values where carrier == .sharedMemory && link.carrier != .sharedMemory {
            throw .noSharedMemory(peer: link.peer, reason: link.refusal ?? "the peer could not open it; see its log")
        }
        return Array(links.values)
    }

    private static func isComplete(_ link: FabricLink) -> Bool { link.hasSentHello && link.hasReceivedHello }

    private func header(_ kind: FrameHeader.Kind, to peer: Int, token: UInt64, byteCount: Int = 0) -> FrameHeader {
        FrameHeader(
            kind: kind,
            tag: FrameTag(epoch: epoch, request: token, step: UInt32(rank), instruction: UInt32(peer)),
            messageByteCount: UInt32(byteCount))
    }

    private func invite(_ peer: Int, at endpoint: String) throws(TransportError) {
        let token = UInt64.random(in: .min ... .max)
        let peerAddress = try TCPAddress(parsing: endpoint)
        let link = try FabricLink(
            peer: peer, token: token, context: context, key: linkKey(to: peerAddress), listeningOn: door.host,
            connectingTo: nil)
        links[peer] = link
        var address = try TCPAddress(parsing: link.endpoint)
        address.host = door.advertisedHost
        let payload = Array(address.endpoint.utf8)
        let socket = try Socket(.dealer, in: context)
        let monitor = try SocketMonitor(of: socket, in: context)
        if let key { try socket.show(key) }
        try socket.connect(peerAddress.endpoint)
        var bytes = [UInt8](repeating: 0, count: FrameHeader.byteCount)
        let header = header(.invite, to: peer, token: token, byteCount: payload.count)
        bytes.withUnsafeMutableBytes(header.encode(into:))
        // A connecting DEALER queues at once; the frames go out when the peer is there.
        guard
            try send(bytes, on: socket, more: true) == .sent, try send(payload, on: socket, more: false) == .sent
        else {
            throw .system(
                operation: "inviting rank \(peer)", endpoint: endpoint, reason: "the message was not taken",
                remedy: "check the address and the network")
        }
        let judge = HandshakeJudge(endpoint: peerAddress.endpoint, hasKey: key != nil)
        invites.append(InviteSocket(socket, monitor, judge))
    }

    /// The key of the link to a peer; nil where it is not encrypted.
    ///
    /// Both ends find the same: each knows the address that the other gives to peers, and who shares an address with it is
    /// of the same host.
    private func linkKey(to peer: TCPAddress) -> ClusterKey? {
        switch encryption {
        case .everywhere: key
        case .betweenHosts: peer.isSameHost(as: door.advertisedHost) ? nil : key
        case .none: nil
        }
    }

    private func send(
        _ bytes: [UInt8], on socket: borrowing Socket, more: Bool
    ) throws(TransportError) -> Socket.SendOutcome {
        let count = bytes.count
        let pointer = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 8)
        defer { pointer.deallocate() }
        pointer.copyBytes(from: bytes)
        return try socket.send(UnsafeRawBufferPointer(pointer), more: more)
    }

    private func acceptInvitations() throws(TransportError) {
        try door.readInvitations()
        for invitation in door.takeInvitations(for: rank, epoch: epoch) {
            let peer = invitation.sender
            guard peer < rank, peers[peer] != nil, links[peer] == nil else { continue }
            links[peer] = try FabricLink(
                peer: peer, token: invitation.token, context: context,
                key: linkKey(to: TCPAddress(parsing: invitation.endpoint)), listeningOn: nil,
                connectingTo: invitation.endpoint)
        }
    }

    private func greet(_ link: FabricLink) throws(TransportError) {
        // The listener speaks first, so that the other can answer its offer.
        if mustSend(link) {
            if link.isListener, carrier != .zeroMQ, link.segment == nil, link.refusal == nil { offer(on: link) }
            let payload = link.isListener ? link.offer : link.segment == nil ? [] : [1]
            let hello = header(.hello, to: link.peer, token: link.token, byteCount: payload.count)
            link.hasSentHello = try payload.withUnsafeBytes { bytes in
                Result { () throws(TransportError) in try link.send(hello, payload: bytes) }
            }.get()
            if link.hasSentHello, !link.isListener, link.segment != nil { link.share() }
        }
        if !link.hasReceivedHello, let arrival = try link.receiveHello() {
            let found = try? FrameHeader(decoding: arrival.header)
            guard
                arrival.isWhole, let found, found.kind == .hello, found.payloadByteCount == arrival.payload.count,
                found.tag.epoch == epoch, found.tag.request == link.token, found.tag.step == link.peer,
                found.tag.instruction == rank, arrival.payload.count <= SegmentOffer.byteCount
            else {
                throw .unexpectedFrame(
                    peer: link.peer, expected: "a hello for epoch \(epoch)",
                    found: found.map { "\($0.kind) with \($0.tag)" } ?? "something else")
            }
            link.hasReceivedHello = true
            answer(arrival.payload, on: link)
        }
        try link.checkConnection()
        if let reason = link.lossReason {
            throw .peerLost(peer: link.peer, reason: "\(reason) while links of epoch \(epoch) were made")
        }
    }

    /// Makes memory to share.
    private func offer(on link: FabricLink) {
        do throws(SegmentError) {
            let (segment, offer) = try SharedSegment.make(
                ringByteCount: RingLayout.ringByteCount(peers: peers.count))
            link.segment = segment
            link.offer = offer.encoded
        } catch {
            link.refusal = error.description
        }
    }

    /// Takes in what the peer's hello says about shared memory.
    private func answer(_ payload: UnsafeRawBufferPointer, on link: FabricLink) {
        if link.isListener {
            if link.segment != nil, payload.count == 1, payload[0] == 1 { link.share() } else { link.segment = nil }
            return
        }
        guard carrier != .zeroMQ else { return }
        guard let offer = SegmentOffer(decoding: payload) else {
            link.refusal = "the peer offered none"
            return
        }
        do throws(SegmentError) { link.segment = try SharedSegment.open(offer) } catch {
            link.refusal = error.description
        }
    }

    private func mustSend(_ link: FabricLink) -> Bool {
        !link.hasSentHello && (link.isListener || link.hasReceivedHello)
    }

    private func wait(milliseconds: Int) throws(TransportError) {
        var items = [door.pollItem]
        for link in links.values where !Self.isComplete(link) {
            link.pollItems[0].events = Int16(ZMQ_POLLIN | (mustSend(link) ? ZMQ_POLLOUT : 0))
            items += link.pollItems
        }
        try poll(&items, milliseconds: milliseconds)
    }
}
