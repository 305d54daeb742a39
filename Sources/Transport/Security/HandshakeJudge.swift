import Glibc

/// How a handshake failed, as a ``SocketMonitor`` tells.
enum HandshakeFailure: Hashable {
    /// The connection ended in the middle of it, or it took too long: an error number.
    case brokenOff(Int32)
    /// What the other side sent could not be deciphered: it has another key.
    case cipher
    /// One side uses a key and the other does not.
    case mechanism
    /// The other side does not speak the same protocol.
    case other(code: Int32)
    /// The key was deciphered and not admitted.
    case refused(status: Int32)

    /// For logs; `hasKey` is this side's.
    func reason(hasKey: Bool) -> String {
        switch self {
        case .brokenOff(let code):
            "it broke off the handshake (\(String(cString: strerror(code)).lowercased()))"
                + (hasKey ? ", as one with another key does" : "")
        case .cipher: "it has another key"
        case .mechanism: hasKey ? "it has no key" : "it has a key, and this process has none"
        case .other(let code): "the other side does not speak the same protocol (code \(code))"
        case .refused(let status): "its key was not admitted (status \(status))"
        }
    }
}

/// Tells one who connects from its failed handshakes whether the other side will never take it.
///
/// With a wrong key the other side just hangs up, which a process that ends and a proxy of one that has not started do as
/// well: it takes a few in a row, and some time.
struct HandshakeJudge {
    /// Handshakes in a row that must be broken off.
    private static let countMax = 3
    /// How long that must go on with a key, and without one, where a wrong key is the less likely reason.
    static let patience = (withKey: Duration.seconds(2), without: Duration.seconds(10))

    private let endpoint: String
    private let hasKey: Bool
    private let clock = ContinuousClock()
    private var count = 0
    private var first: ContinuousClock.Instant?

    /// A judge of the connections to an endpoint.
    init(endpoint: String, hasKey: Bool) {
        self.endpoint = endpoint
        self.hasKey = hasKey
    }

    /// Takes in that a handshake succeeded.
    mutating func succeed() { (count, first) = (0, nil) }

    /// Takes in a failed one; the error where further attempts are in vain.
    mutating func fail(_ failure: HandshakeFailure) -> TransportError? { fail(failure, at: clock.now) }

    mutating func fail(_ failure: HandshakeFailure, at now: ContinuousClock.Instant) -> TransportError? {
        switch failure {
        case .mechanism: return .keyMismatch(endpoint: endpoint, reason: hasKey ? .missingThere : .missingHere)
        case .cipher, .refused: return .keyMismatch(endpoint: endpoint, reason: .different)
        case .brokenOff(ETIMEDOUT): return nil
        case .brokenOff, .other:
            count += 1
            let since = first ?? now
            first = since
            let patience = hasKey ? Self.patience.withKey : Self.patience.without
            guard count >= Self.countMax, since.duration(to: now) >= patience else { return nil }
            return .keyMismatch(endpoint: endpoint, reason: hasKey ? .different : .missingHere)
        }
    }
}
