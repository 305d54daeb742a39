public import Logging
import Program
public import Protocol
import Runtime
import Tensor
public import Transport

/// Runs programs with the runtime's kernels, over ZeroMQ.
public final class RuntimeEngine: RankEngine {
    private let assign: Assign
    private let logger: Logger
    private let fabric: ZeroMQFabric
    private let threads: ThreadPool
    private let residents = ResidentStore()
    private var programs: [String: Entry] = [:]
    /// True where messages wake the threads that wait for them.
    private var wakesPeers = false
    /// Nil: nothing is recorded.
    private var ring: TraceRing?
    /// What the calls since the last order took from the heap, where that is counted.
    private var heap: [HeapCount] = []
    /// What was held and done by the end of the last call or installation.
    public private(set) var report = WorkerReport()

    /// An installed program.
    private struct Entry {
        let executor: Executor
        /// Programs that read their weights from the same places share a store.
        let store: WeightStore
        /// Payload bytes that a call sends to each peer, by rank.
        let payload: [Int]
        /// Shapes of the whole outputs, by name.
        let outputDims: [String: [Int]]

        init(_ executor: Executor, _ store: WeightStore, payload: [Int]) {
            (self.executor, self.store, self.payload) = (executor, store, payload)
            let program = executor.program
            outputDims = Dictionary(
                program.outputs.map { ($0.name, program.buffers[$0.buffer].dims.map(\.size)) },
                uniquingKeysWith: { first, _ in first })
        }
    }

    /// Listens for peers; on the rank's thread.
    ///
    /// Throws `TransportError` where the data plane cannot listen.
    public init(
        assign: Assign, settings: WorkerSettings, abortFlag: AbortFlag,
        logger: Logger = Logger(label: "tessera.worker")
    ) throws {
        self.logger = logger
        self.assign = assign
        fabric = try ZeroMQFabric(
            rank: assign.rank, bind: settings.dataHost, advertise: settings.dataAdvertise, carrier: assign.carrier,
            key: settings.key, encryption: assign.linkEncryption, abortFlag: abortFlag)
        fabric.sendDeadline = assign.callDeadline
        threads = ThreadPool(threads: assign.threads > 0 ? assign.threads : HostFacts.cpuCount)
    }

    /// Where peers reach this rank.
    public var endpoint: String { fabric.endpoint }

    /// Makes the links of an epoch.
    public func connect(endpoints: [String], epoch: UInt32) throws {
        let peers = Dictionary(uniqueKeysWithValues: endpoints.enumerated().map { ($0.offset, $0.element) })
        try fabric.connect(peers: peers, epoch: epoch)
        wakesPeers = fabric.carriers.values.contains(.zeroMQ)
        for (peer, carrier) in fabric.carriers.sorted(by: { $0.key < $1.key }) {
            let reason = fabric.refusals[peer].map { " (\($0))" } ?? ""
            let cipher = fabric.encryptedPeers.contains(peer) ? ", encrypted" : ""
            logger.info("data to and from rank \(peer) is carried by \(carrier.rawValue)\(cipher)\(reason)")
        }
    }

    /// Loads what the program needs and is not there yet, and prepares it.
    ///
    /// However that ends, weights that no installed program reads are freed.
    ///
    /// Throws ``WorkerError`` for a program of another device and where memory is not enough; what the runtime throws.
    public func install(_ order: Install, progress: (LoadProgress) -> Void) throws -> Installed {
        let program = order.program
        guard program.device == assign.rank else {
            throw WorkerError.foreignProgram(program: program.name, device: program.device, rank: assign.rank)
        }
        programs[order.programKey] = nil
        let store = store(for: order)
        defer { freeUnused(in: store) }
        let missing = store.missingByteCount(for: [program])
        if let limit = assign.memoryLimit {
            let arena = programs.values.reduce(program.arenaByteCount) { max($0, $1.executor.memory.arena) }
            let needed = weightByteCount + missing + arena + fabric.sharedByteCount
            guard needed <= limit else {
                throw WorkerError.memoryLimit(program: program.name, needed: needed, limit: limit)
            }
        }
        var done = 0
        func report() {
            progress(LoadProgress(programKey: order.programKey, phase: "weights", bytesDone: done, bytesTotal: missing))
        }
        report()
        // A message for every weight would be thousands; a hundred say as much.
        let grain = max(1, missing / 100)
        var told = 0
        try store.load(for: [program], threads: threads) { count in
            done += count
            if done - told >= grain || done >= missing {
                told = done
                report()
            }
        }
        let executor = try Executor(program: program, weights: store, threads: threads)
        programs[order.programKey] = Entry(executor, store, payload: payload(of: program))
        return Installed(
            programKey: order.programKey, arenaByteCount: executor.memory.arena + executor.memory.scratch,
            parameterByteCount: store.byteCount)
    }

    /// Runs a program.
    ///
    /// Throws ``WorkerError`` for an unknown program; what the runtime throws.
    public func run(_ order: Run) throws -> RunResult {
        guard let entry = programs[order.programKey] else {
            throw WorkerError.unknownProgram(key: order.programKey)
        }
        guard ring != nil, let counter = HeapCounter.shared else { return try run(order, entry) }
        let before = counter.counts
        counter.count(true)
        defer { counter.count(false) }
        let result = try run(order, entry)
        let all = counter.counts.allocations &- before.allocations
        if let step = entry.executor.heap, heap.count < ProtocolLimits.traceEvents {
            heap.append(
                HeapCount(
                    call: order.call, step: step.allocations - step.zeroMQ, zeroMQ: step.zeroMQ,
                    references: step.references, rest: all - step.allocations))
        }
        return result
    }

    private func run(_ order: Run, _ entry: Entry) throws -> RunResult {
        let executor = entry.executor
        // The system puts threads that wake each other on one core, where they wait for each other: every rank of a host
        // begins a call on a core of its own.
        if wakesPeers { HostFacts.startOnCore(assign.rank * threads.threadCount) }
        defer { fabric.letGoOfCore() }
        let clock = ContinuousClock()
        let (begin, sent, waited) = (clock.now, fabric.sentByteCount, executor.exchangeNanoseconds)
        let traced = ring == nil ? 0 : TraceRing.now
        ring?.call = order.call
        defer { ring?.recordCall(since: traced) }
        let tag = FrameTag(epoch: fabric.epoch, request: order.request, step: order.step, instruction: 0)
        let outputs = try executor.run(
            inputs: order.inputs, residents: residents, request: order.request, slots: order.slots, tag: tag,
            fabric: fabric, deadline: assign.callDeadline, trace: ring)
        let duration = begin.duration(to: clock.now)
        count(entry.payload, duration, collective: .nanoseconds(executor.exchangeNanoseconds &- waited))
        return RunResult(
            call: order.call,
            outputs: outputs.map {
                OutputPart(
                    name: $0.name, box: $0.box, dims: entry.outputDims[$0.name] ?? $0.box.dims, tensor: $0.tensor)
            }, duration: duration, sentByteCount: fabric.sentByteCount - sent)
    }

    /// Payload bytes that a call sends to each peer, by rank.
    private func payload(of program: LocalProgram) -> [Int] {
        var counts = [Int](repeating: 0, count: assign.deviceCount)
        for exchange in program.exchanges {
            let sent = exchange.sentByteCounts(dtype: program.buffers[exchange.source].dtype)
            for (peer, byteCount) in sent where counts.indices.contains(peer) { counts[peer] += byteCount }
        }
        return counts
    }

    /// Adds a call to the report.
    private func count(_ payload: [Int], _ duration: Duration, collective: Duration) {
        report.collectiveTime += collective
        report.computeTime += max(.zero, duration - collective)
        if report.sentByteCounts.isEmpty {
            report.sentByteCounts = [Int](repeating: 0, count: assign.deviceCount)
        }
        for (peer, byteCount) in payload.enumerated() { report.sentByteCounts[peer] += byteCount }
    }

    /// Frees what a request left.
    public func release(request: UInt64) { residents.release(request: request) }

    /// Gives what was recorded since the last order, and records as ordered from now on.
    public func trace(_ order: TraceOrder) -> TraceReport {
        let taken = ring?.take() ?? (events: [], lost: 0)
        if ring?.capacity != order.capacity { ring = order.capacity > 0 ? TraceRing(capacity: order.capacity) : nil }
        defer { heap = [] }
        return TraceReport(
            number: order.number, now: TraceRing.now, lost: taken.lost, events: taken.events, heap: heap)
    }

    /// Drops a program and frees the weights that no other one reads.
    public func uninstall(_ programKey: String) {
        guard let entry = programs.removeValue(forKey: programKey) else { return }
        freeUnused(in: entry.store)
    }

    /// Stores that programs read from.
    private var stores: [WeightStore] {
        programs.values.reduce(into: []) { stores, entry in
            if !stores.contains(where: { $0 === entry.store }) { stores.append(entry.store) }
        }
    }

    private var weightByteCount: Int { stores.reduce(0) { $0 + $1.byteCount } }

    /// Frees in a store what none of the installed programs reads, and notes what is held now.
    private func freeUnused(in store: WeightStore) {
        store.keep(for: programs.values.filter { $0.store === store }.map(\.executor.program))
        let memory = programs.values.map(\.executor.memory)
        threads.freeArena(above: memory.map(\.arena).max() ?? 0)
        report.heldByteCount = weightByteCount + (memory.map { $0.arena + $0.scratch }.max() ?? 0)
    }

    /// A store that reads the program's weights from the same places; programs share their weights that way.
    private func store(for order: Install) -> WeightStore {
        let names = order.program.parameters.map(\.spec.name)
        if let store = stores.first(where: { store in names.allSatisfy { store.sources[$0] == order.sources[$0] } }) {
            return store
        }
        return WeightStore(sources: order.sources)
    }
}

extension WorkerService {
    /// A worker that runs programs with the runtime's kernels.
    public convenience init(settings: WorkerSettings, logger: Logger) {
        self.init(settings: settings, isa: InstructionSet.current, logger: logger) { assign, abortFlag in
            try RuntimeEngine(assign: assign, settings: settings, abortFlag: abortFlag, logger: logger)
        }
    }
}
