/// What brings messages from one worker to another.
public enum Carrier: String, Sendable, Hashable, CaseIterable {
    /// Shared memory where both ends are processes of one host that can open it, else ZeroMQ.
    case automatic = "auto"
    /// Memory that both ends share, with ZeroMQ as the doorbell; an error where it cannot be had.
    case sharedMemory = "shared-memory"
    /// ZeroMQ over TCP.
    case zeroMQ = "zeromq"

    /// What it means, for people.
    public var summary: String {
        switch self {
        case .automatic: "shared memory between workers of one host, ZeroMQ over TCP between hosts"
        case .sharedMemory: "shared memory"
        case .zeroMQ: "ZeroMQ over TCP"
        }
    }
}
