/// Why two processes do not take each other for members of one cluster.
public enum KeyMismatch: String, Sendable, Hashable {
    /// The other side has another key than this side, or none, as far as this side can tell.
    case different
    /// The other side has a key and this side has none.
    case missingHere
    /// This side has a key and the other side has none.
    case missingThere

    /// What is wrong with an endpoint, and what to do.
    func describe(_ endpoint: String) -> String {
        switch self {
        case .different:
            "\(endpoint) did not accept this process's cluster key: it has another, or none; use copies of one key file on "
                + "both machines ('tessera key --check FILE' tells them apart), and check that the address is the cluster's"
        case .missingHere:
            "\(endpoint) asks for the cluster's key, and this process has none: name a copy of its key file "
                + "('security.key_file' in the cluster file, or --key-file of a worker)"
        case .missingThere:
            "this process has a cluster key, and \(endpoint) uses none: start that one with the key file, too, and "
                + "check that the address is the cluster's"
        }
    }
}
