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
    private var links: [Int: FabricLink] = [:]
    private var invites: [InviteSocket] = []

    /// A socket in a class, so that arrays can hold it.
    private final class InviteSocket {
        let socket: Socket
        init(_ socket: consuming Socket) { self.socket = socket }
    }

    init(
        rank: Int, epoch: UInt32, peers: [Int: String], door: FabricDoor, context: Context, abortFlag: AbortFlag
    ) {
        self.rank = rank
        self.epoch = epoch
        self.peers = peers
        self.door = door
        self.context = context
        self.abortFlag = abortFlag
    }

    /// Returns the links to all peers, or throws and leaves none.
    func run(deadline duration: Duration) throws(TransportError) -> [FabricLink] {
        let deadline = Deadline(after: duration)
        for (peer, endpoint) in peers where peer > rank { try invite(peer, at: endpoint) }
        while true {
            try acceptInvitations()
            for link in links.values { try greet(link) }
            let missing = peers.keys.filter { !(links[$0].map(Self.isComplete) ?? false) }.sorted()
            if missing.isEmpty { return Array(links.values) }
            try abortFlag.check()
            guard let slice = deadline.sliceMilliseconds else {
                throw .connectDeadline(missing: missing, epoch: epoch, after: duration)
            }
            try wait(milliseconds: slice)
        }
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
        let link = try FabricLink(
            peer: peer, token: token, context: context, listeningOn: door.host, connectingTo: nil)
        links[peer] = link
        var address = try TCPAddress(parsing: link.endpoint)
        address.host = door.advertisedHost
        let payload = Array(address.endpoint.utf8)
        let socket = try Socket(.dealer, in: context)
        try socket.connect(TCPAddress(parsing: endpoint).endpoint)
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
        invites.append(InviteSocket(socket))
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
                peer: peer, token: invitation.token, context: context, listeningOn: nil,
                connectingTo: invitation.endpoint)
        }
    }

    private func greet(_ link: FabricLink) throws(TransportError) {
        if !link.hasSentHello {
            let hello = header(.hello, to: link.peer, token: link.token)
            link.hasSentHello = try link.send(hello, payload: UnsafeRawBufferPointer(start: nil, count: 0))
        }
        if !link.hasReceivedHello, let frame = try link.receive() {
            let found = try? FrameHeader(decoding: frame.header.bytes)
            guard
                frame.isWhole, frame.payload.bytes.isEmpty, let found, found.kind == .hello,
                found.tag.epoch == epoch, found.tag.request == link.token, found.tag.step == link.peer,
                found.tag.instruction == rank
            else {
                throw .unexpectedFrame(
                    peer: link.peer, expected: "a hello for epoch \(epoch)",
                    found: found.map { "\($0.kind) with \($0.tag)" } ?? "something else")
            }
            link.setConnection(of: frame)
            link.hasReceivedHello = true
        }
        try link.checkConnection()
        if let reason = link.lossReason {
            throw .peerLost(peer: link.peer, reason: "\(reason) while links of epoch \(epoch) were made")
        }
    }

    private func wait(milliseconds: Int) throws(TransportError) {
        var items = [door.pollItem]
        for link in links.values where !Self.isComplete(link) {
            link.pollItems[0].events = Int16(ZMQ_POLLIN | (link.hasSentHello ? 0 : ZMQ_POLLOUT))
            items += link.pollItems
        }
        try poll(&items, milliseconds: milliseconds)
    }
}
