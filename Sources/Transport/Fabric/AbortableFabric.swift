public import Program

/// A fabric whose waits can be ended from outside: what workers run programs over.
public protocol AbortableFabric: Fabric {
    /// Makes waits throw when it is set; may be set from any thread.
    var abortFlag: AbortFlag { get }
    /// Longest wait for room in a queue while sending.
    var sendDeadline: Duration { get set }
    /// Ends all links; peers see this rank as gone.
    func close()
}

/// Bounds that both fabrics keep.
enum FabricLimits {
    /// How long a sender waits for a peer that does not take messages, until told otherwise.
    static let sendDeadline = Duration.seconds(30)
    /// Bytes that wait on a link for a receiver that is busy; more than any exchange of the models here.
    static let queuedByteCountMax = 512 << 20
    /// Parts of frames, two each, that libzmq keeps on each side of a link: eight chunks, as much as rings of shared memory hold.
    ///
    /// After half as many its I/O thread tells the sender that there is room again, which wakes it from whatever it waits for:
    /// with a mark of four every message did.
    static let highWaterMark: Int32 = 16
}
