public import Program

/// What goes wrong between processes; cases in alphabetical order.
public enum TransportError: Error, Sendable, Hashable, CustomStringConvertible {
    /// Somebody ended the call from outside.
    case aborted(reason: String)
    /// Another process listens at the address.
    case addressInUse(address: String)
    /// Ranks that did not join in time.
    case connectDeadline(missing: [Int], epoch: UInt32, after: Duration)
    /// A message did not come or go in time.
    case deadline(operation: String, peer: Int, tag: FrameTag, after: Duration)
    /// Text that is not an address this transport understands.
    case invalidEndpoint(endpoint: String, reason: String)
    /// Two processes do not take each other for members of one cluster.
    case keyMismatch(endpoint: String, reason: KeyMismatch)
    /// The messaging library on this machine has known holes.
    case libraryTooOld(found: String, required: String)
    /// The messaging library on this machine cannot encrypt.
    case libraryWithoutCURVE
    /// A message is longer than a frame may describe.
    case messageTooLarge(byteCount: Int, limit: Int)
    /// The ranks were told to share memory and cannot.
    case noSharedMemory(peer: Int, reason: String)
    /// There is no link to the rank.
    case notConnected(peer: Int)
    /// The connection to a rank ended.
    case peerLost(peer: Int, reason: String)
    /// A call into the system failed.
    case system(operation: String, endpoint: String, reason: String, remedy: String)
    /// A frame that does not parse, or is not the one that the plan says comes next.
    case unexpectedFrame(peer: Int, expected: String, found: String)

    /// A stable word for logs, metrics and JSON.
    public var code: String {
        switch self {
        case .aborted: "aborted"
        case .addressInUse: "addressInUse"
        case .connectDeadline: "connectDeadline"
        case .deadline: "deadline"
        case .invalidEndpoint: "invalidEndpoint"
        case .keyMismatch: "keyMismatch"
        case .libraryTooOld: "libraryTooOld"
        case .libraryWithoutCURVE: "libraryWithoutCURVE"
        case .messageTooLarge: "messageTooLarge"
        case .noSharedMemory: "noSharedMemory"
        case .notConnected: "notConnected"
        case .peerLost: "peerLost"
        case .system: "system"
        case .unexpectedFrame: "unexpectedFrame"
        }
    }

    /// One sentence: what, where, what to do.
    public var description: String {
        switch self {
        case .aborted(let reason):
            "communication was ended: \(reason)"
        case .addressInUse(let address):
            "another process already listens at \(address); stop it or choose another port"
        case .connectDeadline(let missing, let epoch, let duration):
            "no connection to rank \(missing.map(String.init).joined(separator: ", ")) in epoch \(epoch) within "
                + "\(duration); check that those workers run and that their hosts reach each other"
        case .deadline(let operation, let peer, let tag, let duration):
            "\(operation) rank \(peer) took longer than \(duration) (\(tag)); the rank is stuck, overloaded or "
                + "unreachable"
        case .invalidEndpoint(let endpoint, let reason):
            "'\(endpoint)' is not a usable address: \(reason); write tcp://host:port"
        case .keyMismatch(let endpoint, let reason): reason.describe(endpoint.withoutScheme)
        case .libraryTooOld(let found, let required):
            "libzmq \(found) is installed, which has known security holes; install \(required) or newer"
        case .libraryWithoutCURVE:
            "the installed libzmq was built without CURVE, so that links cannot be encrypted; install Debian's libzmq5, or "
                + "one that was built with libsodium"
        case .messageTooLarge(let byteCount, let limit):
            "a message of \(byteCount) bytes is longer than the limit of \(limit); split the tensor over more devices"
        case .noSharedMemory(let peer, let reason):
            "no memory is shared with rank \(peer): \(reason); let both run on one host as the same user, or set "
                + "data_plane.carrier to auto"
        case .notConnected(let peer):
            "there is no link to rank \(peer); connect the fabric before running programs"
        case .peerLost(let peer, let reason):
            "rank \(peer) is gone: \(reason); look at that worker's log"
        case .system(let operation, let endpoint, let reason, let remedy):
            "\(operation) failed at \(endpoint): \(reason); \(remedy)"
        case .unexpectedFrame(let peer, let expected, let found):
            "rank \(peer) sent \(found) where \(expected) was expected; make sure that all workers run the same version"
        }
    }
}

extension FrameTag: CustomStringConvertible {
    /// All fields, for errors and logs.
    public var description: String { "epoch \(epoch), request \(request), step \(step), exchange \(instruction)" }
}
