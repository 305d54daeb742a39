import CZeroMQ
import Program

/// Where a rank receives invitations to links, from its start to its end.
final class FabricDoor {
    /// A lower rank's request to connect to it.
    struct Invitation {
        let sender: Int
        let receiver: Int
        let epoch: UInt32
        let token: UInt64
        let endpoint: String
    }

    /// More ranks than a full mesh of connections can serve.
    static let rankCountMax = 4096
    private static let invitationByteCountMax = 512
    private static let queueCountMax: Int32 = 1024

    /// What peers connect to.
    let endpoint: String
    /// Host that links listen on.
    let host: String
    /// Host that peers reach this one by.
    let advertisedHost: String
    private let socket: Socket
    private let routingID = Message()
    private let header = Message()
    private let payload = Message()
    /// The newest invitation of each rank; those of a coming epoch wait here.
    private var invitations: [Int: Invitation] = [:]

    /// Listens; see ``ZeroMQFabric/init(rank:bind:advertise:abortFlag:)``.
    init(context: Context, key: ClusterKey?, bind: String, advertise: String?) throws(TransportError) {
        let address = try TCPAddress(parsing: bind, defaultPort: 0)
        let socket = try Socket(.router, in: context)
        try socket.setFrameByteCountMax(Self.invitationByteCountMax, isEncrypted: key != nil)
        try socket.set(ZMQ_RCVHWM, Self.queueCountMax)
        try socket.set(ZMQ_HANDSHAKE_IVL, 3000)
        if let key { try socket.admitOnly(key) }
        let bound = try TCPAddress(parsing: socket.bind(address.endpoint))
        guard advertise != nil || !bound.isWildcard else {
            throw .invalidEndpoint(
                endpoint: bind, reason: "it means all interfaces; say which address peers shall connect to")
        }
        host = address.host
        advertisedHost = try TCPAddress(parsing: advertise ?? bound.host, defaultPort: 0).host
        endpoint = TCPAddress(host: advertisedHost, port: bound.port).endpoint
        self.socket = socket
    }

    /// Takes in what has arrived; nonsense is forgotten.
    func readInvitations() throws(TransportError) {
        while try socket.receive(routingID) {
            guard routingID.hasMore, try socket.receive(header), header.hasMore, try socket.receive(payload) else {
                continue
            }
            try socket.discardRest(of: payload)
            guard
                let header = try? FrameHeader(decoding: header.bytes), header.kind == .invite,
                header.tag.step < Self.rankCountMax, header.tag.instruction < Self.rankCountMax,
                let address = try? TCPAddress(parsing: String(decoding: payload.bytes, as: UTF8.self))
            else { continue }
            let sender = Int(header.tag.step)
            if let known = invitations[sender], known.epoch > header.tag.epoch { continue }
            invitations[sender] = Invitation(
                sender: sender, receiver: Int(header.tag.instruction), epoch: header.tag.epoch,
                token: header.tag.request, endpoint: address.endpoint)
        }
    }

    /// Takes the invitations of an epoch out, and forgets older ones.
    func takeInvitations(for rank: Int, epoch: UInt32) -> [Invitation] {
        let taken = invitations.values.filter { $0.epoch == epoch && $0.receiver == rank }
        invitations = invitations.filter { $0.value.epoch > epoch }
        return taken
    }

    /// What to wait for.
    var pollItem: zmq_pollitem_t { socket.pollItem(ZMQ_POLLIN) }
}

extension TCPAddress {
    /// An address from checked parts.
    fileprivate init(host: String, port: UInt16) {
        self.host = host
        self.port = port
    }
}
