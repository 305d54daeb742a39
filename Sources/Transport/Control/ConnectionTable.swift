/// Which peer speaks over which connection of a server.
///
/// Connections are named by descriptors, which are used again.
struct ConnectionTable {
    private var peers: [Int32: PeerID] = [:]
    /// Ends that will be reported for connections whose descriptor already has a new user.
    private var staleEnds: [Int32: Int] = [:]

    /// Notes that a message came over a connection.
    ///
    /// Returns the peer that had the descriptor before, if it was another: its end was not reported yet.
    mutating func open(_ connection: Int32, by peer: PeerID) -> PeerID? {
        let former = peers.updateValue(peer, forKey: connection)
        guard let former, former != peer else { return nil }
        staleEnds[connection, default: 0] += 1
        return former
    }

    /// Notes the end of a connection.
    ///
    /// Returns who spoke over it; nil for those who never did.
    mutating func close(_ connection: Int32) -> PeerID? {
        if let count = staleEnds[connection] {
            staleEnds[connection] = count > 1 ? count - 1 : nil
            return nil
        }
        return peers.removeValue(forKey: connection)
    }
}
