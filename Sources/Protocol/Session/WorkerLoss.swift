/// Why a worker was lost.
public enum WorkerLoss: Sendable, Hashable, CustomStringConvertible {
    /// The link is gone.
    case disconnected
    /// Its process ended.
    case exited(String)
    /// It said that it cannot go on.
    case failed(Failure)
    /// It was told to give up what it does, and neither did nor finished it for so long.
    case hung(Duration)
    /// It did not do what it was told in time.
    case late(doing: String, after: Duration)
    /// It said goodbye without being asked to.
    case left(String)
    /// No HELLO came.
    case neverJoined(Duration)
    /// It sent nothing for so long.
    case silent(Duration)
    /// It broke the protocol, or was turned away.
    case violation(ProtocolError)

    /// Part of a sentence after the worker's name ("ended with signal 9").
    public var description: String {
        switch self {
        case .disconnected: "lost its connection"
        case .exited(let how): "ended with \(how)"
        case .failed(let failure): "cannot go on: \(failure.message)"
        case .hung(let deadline): "hangs (it did not give up within \(deadline))"
        case .late(let doing, let after): "did not finish \(doing) within \(after)"
        case .left(let reason): "left: \(reason)"
        case .neverJoined(let deadline): "did not join within \(deadline)"
        case .silent(let silence): "sent no sign of life for \(silence)"
        case .violation(let error): "was turned away: \(error.description)"
        }
    }
}
