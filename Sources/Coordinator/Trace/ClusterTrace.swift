public import Program

/// When a cluster's calls and each of their instructions ran, on every worker.
///
/// All times are nanoseconds of the coordinator's monotonic clock.
public struct ClusterTrace: Sendable, Hashable {
    /// A call as the coordinator saw it, from the order to the last worker's answer.
    public struct Call: Sendable, Hashable {
        /// Its number; events refer to it.
        public var number: UInt64
        /// Key of the program in ``ClusterTrace/programs``.
        public var program: String
        /// The request that it belongs to.
        public var request: UInt64
        /// Count of program calls in the request.
        public var step: UInt32
        /// When it was ordered.
        public var begin: UInt64
        /// When it was answered.
        public var end: UInt64

        /// Makes a call.
        public init(number: UInt64, program: String, request: UInt64, step: UInt32, begin: UInt64, end: UInt64) {
            self.number = number
            self.program = program
            self.request = request
            self.step = step
            self.begin = begin
            self.end = end
        }
    }

    /// Names of the workers, by rank.
    public var workers: [String]
    /// What was installed while the trace was kept: local programs by rank, by key.
    public var programs: [String: [LocalProgram]] = [:]
    /// In the order in which they were answered.
    public var calls: [Call] = []
    /// Each worker's events by rank, in the order in which they ended.
    public var events: [[TraceEvent]]
    /// Events that each worker's ring had no room for, by rank.
    public var lost: [Int]
    /// What each worker's calls took from the heap, by rank; empty where workers do not count.
    public var heap: [[HeapCount]]
    /// How far each worker's clock is ahead of the coordinator's; 0 where a message takes longer than they differ.
    public var clockOffsets: [Int64]

    /// A trace in which nothing has happened.
    public init(workers: [String]) {
        self.workers = workers
        events = workers.map { _ in [] }
        lost = workers.map { _ in 0 }
        heap = workers.map { _ in [] }
        clockOffsets = workers.map { _ in 0 }
    }

    /// The local program that a call ran on a worker; nil where it was installed before the trace began.
    public func local(of call: Call, rank: Int) -> LocalProgram? {
        guard let locals = programs[call.program], locals.indices.contains(rank) else { return nil }
        return locals[rank]
    }
}

extension ClusterTrace {
    /// The instruction of an event of a call; nil for the call as a whole and where the program is not known.
    public func instruction(of event: TraceEvent, in local: LocalProgram?) -> Instruction? {
        guard let index = event.instruction, let local, local.instructions.indices.contains(index) else { return nil }
        return local.instructions[index]
    }
}

extension ClusterTrace {
    /// Forgets the calls of the request that was served first, and their events: they warmed caches and links.
    public mutating func dropFirstRequest() {
        guard let first = calls.first?.request else { return }
        let dropped = Set(calls.filter { $0.request == first }.map(\.number))
        calls.removeAll { dropped.contains($0.number) }
        for rank in events.indices { events[rank].removeAll { dropped.contains($0.call) } }
        for rank in heap.indices { heap[rank].removeAll { dropped.contains($0.call) } }
    }
}
