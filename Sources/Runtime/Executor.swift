import CKernels
public import Program
public import Tensor

/// Runs one device's local program: prepared once, then called as often as wanted.
///
/// Everything that follows from boxes and attributes is worked out by the initialiser; a call copies its inputs in,
/// runs the prepared kernels and exchanges in order, and copies its primary outputs out. Used from one thread.
public final class Executor {
    /// A primary output: the part of the whole tensor that this device holds.
    public typealias Output = (name: String, box: Box, tensor: HostTensor)

    /// Bytes that an executor and what it uses hold.
    public struct Memory: Sendable, Hashable {
        /// The arena of buffers and staging areas; executors with one thread pool share the largest.
        public let arena: Int
        /// What kernels use besides; executors with one thread pool share it.
        public let scratch: Int
        /// All of the weight store, which other executors share.
        public let weights: Int
    }

    /// The program.
    public let program: LocalProgram
    private let weights: WeightStore
    /// Keeps the thread pool's arena alive, and this executor's own where there is none.
    private let arena: (shared: SharedArena, own: AlignedMemory?)
    private let scratch: Scratch
    /// What kernels read besides buffers.
    private let kernelMemory = KernelMemory()
    private let table: BufferTable
    private let steps: [Step]
    private let inputs: [InputCopy]
    /// Nanoseconds in exchanges, over all calls so far.
    public private(set) var exchangeNanoseconds: UInt64 = 0
    /// What instructions of the last call took from the heap; nil where nobody counts.
    public private(set) var heap: HeapCounter.Counts?
    private let residentInputs: [(name: ResidentName, buffer: Int, byteCount: Int)]
    private let residentOutputs: [(name: String, buffer: Int, byteCount: Int, isRead: Bool)]

    private enum Step {
        case kernel(Kernel)
        case start(ExchangeRunner)
        case finish(ExchangeRunner)

        var isExchange: Bool {
            if case .kernel = self { false } else { true }
        }
    }

    private struct InputCopy {
        let name: String
        let buffer: Int
        let dtype: DType
        let dims: [Int]
        let copy: BoxCopy
    }

    /// Prepares a program; weights that the store does not hold yet are loaded.
    ///
    /// - Throws: ``ExecutionError`` where the program contradicts itself or memory is short, ``WeightError`` where a
    ///   weight cannot be read.
    public init(program: LocalProgram, weights: WeightStore, threads: ThreadPool) throws {
        try ProgramCheck(program: program).run()
        try weights.load(for: [program], threads: threads)
        let shared = threads.arena.memory(byteCount: program.arenaByteCount)
        let own = shared == nil ? AlignedMemory(byteCount: program.arenaByteCount) : nil
        guard let base = shared ?? own?.base else { throw Self.outOfMemory(program, program.arenaByteCount) }
        self.program = program
        self.weights = weights
        arena = (threads.arena, own)
        scratch = threads.scratch
        table = BufferTable(bases: .allocate(capacity: max(1, program.buffers.count)))
        table.bases.initialize(repeating: base, count: max(1, program.buffers.count))
        for (index, buffer) in program.buffers.enumerated() {
            switch buffer.storage {
            case .arena(let offset): table[index] = base + offset
            case .parameter(let parameter):
                if let plain = weights.find(program.parameters[parameter], .plain) { table[index] = plain }
            case .resident: break
            }
        }
        inputs = program.inputs.map { port in
            let buffer = program.buffers[port.buffer]
            let dims = buffer.dims.map(\.size)
            return InputCopy(
                name: port.name, buffer: port.buffer, dtype: buffer.dtype, dims: dims,
                copy: BoxCopy(
                    from: buffer.box, sourceShape: dims, to: buffer.box.relative(to: buffer.box),
                    destinationShape: buffer.box.dims, elementByteCount: buffer.dtype.byteCount))
        }
        residentInputs = program.residents.filter { !$0.isOutput }.map {
            (ResidentName($0.name), $0.buffer, program.buffers[$0.buffer].byteCount)
        }
        residentOutputs = program.residents.filter(\.isOutput).map { resident in
            let isRead = program.residents.contains { !$0.isOutput && $0.name == resident.name }
            return (resident.name, resident.buffer, program.buffers[resident.buffer].byteCount, isRead)
        }
        let builder = KernelBuilder(
            program: program, table: table, weights: weights, pool: threads, scratch: scratch, memory: kernelMemory)
        var runners: [Int: ExchangeRunner] = [:]
        let (buffers, room, memory) = (table, scratch, kernelMemory)
        func runner(_ index: Int) -> ExchangeRunner {
            if let known = runners[index] { return known }
            let made = ExchangeRunner(
                index: index, program: program, table: buffers, staging: base + program.exchanges[index].stagingOffset,
                pool: threads, scratch: room, memory: memory)
            runners[index] = made
            return made
        }
        var steps: [Step] = []
        for (number, instruction) in program.instructions.enumerated() {
            switch instruction {
            case .compute(let compute):
                do throws(KernelError) { steps.append(.kernel(try builder.kernel(compute))) } catch {
                    throw ExecutionError(
                        .invalidProgram, program: program.name, instruction: number,
                        operation: compute.opcode.rawValue, scope: compute.scope, reason: error.reason)
                }
            case .exchangeStart(let index): steps.append(.start(runner(index)))
            case .exchangeFinish(let index): steps.append(.finish(runner(index)))
            }
        }
        self.steps = steps
        guard scratch.allocate() else { throw Self.outOfMemory(program, scratch.byteCount) }
    }

    private static func outOfMemory(_ program: LocalProgram, _ byteCount: Int) -> ExecutionError {
        ExecutionError(
            .outOfMemory, program: program.name,
            reason: "no memory for \(byteCount) bytes of activations; use more workers or a smaller batch")
    }

    deinit { table.bases.deallocate() }

    /// Bytes held.
    public var memory: Memory {
        Memory(arena: program.arenaByteCount, scratch: scratch.byteCount, weights: weights.byteCount)
    }

    /// Runs the program once.
    ///
    /// - Parameters:
    ///   - inputs: whole tensors by name; names that the program does not know are ignored.
    ///   - residents: where the program finds and leaves the requests' buffers.
    ///   - request: under which buffers are left, and found where their name has no slot.
    ///   - slots: the request of each slot, for buffers whose name has one (``ResidentName``).
    ///   - tag: epoch, request and step of the call; the exchange's index is filled in.
    ///   - deadline: longest wait for one message.
    ///   - trace: where the times of instructions are noted; nil: nowhere.
    /// - Returns: the outputs that this device is the primary holder of.
    /// - Throws: ``ExecutionError``, which says where.
    public func run(
        inputs: [String: HostTensor], residents: ResidentStore, request: UInt64, slots: [UInt64] = [], tag: FrameTag,
        fabric: any Fabric, deadline: Duration, trace: TraceRing? = nil
    ) throws -> [Output] {
        // Another program of the pool may have reserved more since.
        guard scratch.allocate() else { throw Self.outOfMemory(program, scratch.byteCount) }
        defer { residents.dropReplaced() }
        try resolveResidents(residents, request, slots)
        try copyIn(inputs)
        let before = HeapCounter.shared?.counts
        // By index, as all loops in here: iterators of arrays allocate where the compiler does not optimise.
        for index in 0..<steps.count {
            let isExchange = steps[index].isExchange
            let begin = trace == nil && !isExchange ? 0 : TraceRing.now
            switch steps[index] {
            case .kernel(let kernel): kernel()
            case .start(let runner):
                do { try runner.start(fabric: fabric, tag: tag) } catch { throw failure(index, runner, error) }
            case .finish(let runner):
                do { try runner.finish(fabric: fabric, tag: tag, deadline: deadline) } catch {
                    throw failure(index, runner, error)
                }
            }
            trace?.record(index, since: begin)
            if isExchange { exchangeNanoseconds &+= TraceRing.now &- begin }
        }
        if let before, let counter = HeapCounter.shared { heap = counter.counts - before }
        return copyOut()
    }

    private func failure(_ index: Int, _ runner: ExchangeRunner, _ error: any Error) -> ExecutionError {
        ExecutionError(
            .exchangeFailed, program: program.name, instruction: index, operation: runner.exchange.kind.rawValue,
            scope: runner.exchange.scope, reason: "the exchange with other workers failed", underlying: error)
    }

    private func copyIn(_ given: [String: HostTensor]) throws(ExecutionError) {
        for input in inputs {
            guard let tensor = given[input.name] else {
                throw ExecutionError(
                    .invalidInput, program: program.name, reason: "the input \(input.name) is missing")
            }
            guard tensor.dtype == input.dtype, tensor.dims == input.dims else {
                throw ExecutionError(
                    .invalidInput, program: program.name,
                    reason: "the input \(input.name) is \(tensor.dtype)\(tensor.dims) instead of "
                        + "\(input.dtype)\(input.dims)")
            }
            tensor.bytes.withUnsafeBytes { bytes in
                if let base = bytes.baseAddress { input.copy.run(from: base, to: table[input.buffer]) }
            }
        }
    }

    private func resolveResidents(
        _ store: ResidentStore, _ request: UInt64, _ slots: [UInt64]
    ) throws(ExecutionError) {
        // First what is read: what is left may replace it.
        for resident in residentInputs {
            let (name, byteCount) = (resident.name.base, resident.byteCount)
            if let slot = resident.name.slot, !slots.indices.contains(slot) {
                throw ExecutionError(
                    .missingResident, program: program.name,
                    reason: "the call names \(slots.count) requests, and the program reads \(name) of slot \(slot)")
            }
            let owner = resident.name.slot.map { slots[$0] } ?? request
            guard let base = store.find(request: owner, name: name, byteCount: byteCount) else {
                throw ExecutionError(
                    .missingResident, program: program.name,
                    reason:
                        "request \(owner) left no \(name) of \(byteCount) bytes; run the program that makes it first"
                )
            }
            table[resident.buffer] = base
        }
        for (name, buffer, byteCount, isRead) in residentOutputs {
            guard let base = store.make(request: request, name: name, byteCount: byteCount, isRead: isRead) else {
                throw ExecutionError(
                    .outOfMemory, program: program.name, reason: "no memory for \(byteCount) bytes of \(name)")
            }
            table[buffer] = base
        }
    }

    private func copyOut() -> [Output] {
        program.outputs.filter(\.isPrimary).map { port in
            let buffer = program.buffers[port.buffer]
            let bytes = UnsafeRawBufferPointer(start: table[port.buffer], count: buffer.byteCount)
            return (port.name, buffer.box, HostTensor(dtype: buffer.dtype, dims: buffer.box.dims, bytes: Array(bytes)))
        }
    }
}
