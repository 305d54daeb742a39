/// Which links between workers are encrypted, in a cluster that has a key.
///
/// Memory that two processes share is never.
public enum LinkEncryption: String, Sendable, Hashable, CaseIterable {
    /// All connections, those within a host included.
    case everywhere
    /// Those to another host.
    case betweenHosts = "between-hosts"
    /// None: connections are made by invitations that are encrypted, and what follows can be read on the way.
    case none
}
