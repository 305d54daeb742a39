/// Why a worker's conversation ended.
public enum WorkerEnd: Sendable, Hashable, CustomStringConvertible {
    /// No coordinator has answered for so long.
    case coordinatorAbsent(Duration)
    /// The coordinator, which had answered, said nothing for so long.
    case coordinatorSilent(Duration)
    /// The link is gone.
    case disconnected
    /// The worker itself cannot go on.
    case failed(String)
    /// The coordinator said so; the orderly end.
    case shutdown(String)
    /// One end broke the protocol, or the coordinator turned the worker away.
    case violation(ProtocolError)

    /// True for the orderly end.
    public var isOrderly: Bool {
        if case .shutdown = self { true } else { false }
    }

    /// One sentence.
    public var description: String {
        switch self {
        case .coordinatorAbsent(let silence):
            "no coordinator answered within \(silence): check that it runs, its address, and that the network carries its"
                + " port"
        case .coordinatorSilent(let silence):
            "the coordinator said nothing for \(silence): check that it runs and that the network carries its port"
        case .disconnected: "the link to the coordinator is gone"
        case .failed(let message): message
        case .shutdown(let reason): "the coordinator ended the worker: \(reason)"
        case .violation(let error): error.description
        }
    }
}
