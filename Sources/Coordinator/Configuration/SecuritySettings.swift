public import Program

/// What protects the links between coordinator, workers and clients.
public struct SecuritySettings: Sendable, Hashable {
    /// File with the cluster's key; nil: there is none, and everybody who reaches the cluster is one of it.
    public var keyFile: String?
    /// Which links between workers are encrypted, where there is a key.
    public var linkEncryption: LinkEncryption
    /// True where the file says that there shall be no key, wherever the cluster listens.
    public var isWaived: Bool

    /// Makes settings.
    public init(keyFile: String? = nil, linkEncryption: LinkEncryption = .betweenHosts, isWaived: Bool = false) {
        self.keyFile = keyFile
        self.linkEncryption = linkEncryption
        self.isWaived = isWaived
    }
}
