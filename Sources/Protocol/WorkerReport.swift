/// What a worker has used and done since it started, and what it does now; every heartbeat carries one.
///
/// Sums count from the start of the worker's process: they begin at 0 again when the worker has been started anew.
public struct WorkerReport: Sendable, Hashable {
    /// A call that runs.
    public struct Running: Sendable, Hashable {
        /// Which program.
        public var programKey: String
        /// The request that it belongs to.
        public var request: UInt64
        /// Count of program calls in the request.
        public var step: UInt32

        /// Makes an entry.
        public init(programKey: String, request: UInt64, step: UInt32) {
            self.programKey = programKey
            self.request = request
            self.step = step
        }
    }

    /// Bytes of its process that are in memory.
    public var residentByteCount: Int
    /// Bytes of weights and arenas, which its memory limit is about.
    public var heldByteCount: Int
    /// Time in calls outside collectives.
    public var computeTime: Duration
    /// Time in collectives: sending, waiting for peers, and putting together what came.
    public var collectiveTime: Duration
    /// Payload bytes sent to each peer, by rank; empty before the first call.
    public var sentByteCounts: [Int]
    /// What runs now; nil: nothing.
    public var running: Running?

    /// Makes a report.
    public init(
        residentByteCount: Int = 0, heldByteCount: Int = 0, computeTime: Duration = .zero,
        collectiveTime: Duration = .zero, sentByteCounts: [Int] = [], running: Running? = nil
    ) {
        self.residentByteCount = residentByteCount
        self.heldByteCount = heldByteCount
        self.computeTime = computeTime
        self.collectiveTime = collectiveTime
        self.sentByteCounts = sentByteCounts
        self.running = running
    }
}
