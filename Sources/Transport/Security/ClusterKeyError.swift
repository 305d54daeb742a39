/// Why a cluster's key file cannot be used or made; cases in alphabetical order.
public enum ClusterKeyError: Error, Sendable, Hashable, CustomStringConvertible {
    /// There is a file already.
    case exists(path: String)
    /// It belongs to somebody else.
    case foreign(path: String)
    /// It does not hold a key.
    case malformed(path: String, reason: String)
    /// Others may read or write it.
    case tooOpen(path: String, mode: String)
    /// It cannot be read.
    case unreadable(path: String, reason: String)
    /// It cannot be written.
    case unwritable(path: String, reason: String)

    /// One sentence: what, where, what to do.
    public var description: String {
        switch self {
        case .exists(let path):
            "there is a file \(path) already: a new key would lock out whoever has that one; take another name, or "
                + "remove it first"
        case .foreign(let path): "the key file \(path) belongs to another user: change its owner"
        case .malformed(let path, let reason):
            "\(path) is not the key file of a cluster: \(reason); 'tessera key --out FILE' makes one"
        case .tooOpen(let path, let mode):
            "the key file \(path) can be used by others (mode 0\(mode)): run 'chmod 600 \(path)'"
        case .unreadable(let path, let reason):
            "the key file \(path) cannot be read: \(reason); 'tessera key --out FILE' makes one"
        case .unwritable(let path, let reason): "the key file \(path) cannot be written: \(reason)"
        }
    }
}
