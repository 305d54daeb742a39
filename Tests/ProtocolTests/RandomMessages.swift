import Program
import Protocol
import Tensor
import TestSupport

/// Valid messages of every kind with random contents.
struct RandomMessages {
    var random: SeededGenerator

    init(seed: UInt64) { random = SeededGenerator(seed: seed) }

    mutating func int(_ range: ClosedRange<Int>) -> Int { .random(in: range, using: &random) }
    mutating func flag() -> Bool { .random(using: &random) }
    mutating func pick<T>(_ list: [T]) -> T { list[int(0...list.count - 1)] }
    mutating func list<T>(_ range: ClosedRange<Int>, _ make: (inout Self) -> T) -> [T] {
        (0..<int(range)).map { _ in make(&self) }
    }
    mutating func word() -> String {
        pick(["text", "step", "decode", "layers.3.attn1", "größe", "日本語", "a b"]) + String(int(0...99))
    }
    mutating func bytes(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) } }

    mutating func tensor(dims: [Int]? = nil) -> HostTensor {
        let dims = dims ?? list(0...3) { $0.int(0...5) }
        let dtype = pick(DType.allCases)
        return HostTensor(dtype: dtype, dims: dims, bytes: bytes(dims.reduce(1, *) * dtype.byteCount))
    }

    mutating func box(in dims: [Int]) -> Box {
        Box(
            dims.map { size in
                let lower = int(0...size)
                return lower..<int(lower...size)
            })
    }

    mutating func nodes(leafCount: Int) -> [ReductionTree.Node] {
        let lower = int(0...leafCount)
        return ReductionTree.maximalNodes(of: lower..<int(lower...leafCount), leafCount: leafCount)
    }

    mutating func attribute() -> Attribute {
        switch int(0...3) {
        case 0: .int(int(-1000...1000))
        case 1: .float(Double(int(-1000...1000)) / 7)
        case 2: .ints(list(0...5) { $0.int(-9...9) })
        default: .text(word())
        }
    }

    mutating func attributes() -> Attributes {
        Attributes(Dictionary(list(0...4) { ($0.word(), $0.attribute()) }, uniquingKeysWith: { first, _ in first }))
    }

    mutating func slice() -> ParameterSlice {
        let dims = list(1...3) { $0.int(1...6) }
        var order = Array(dims.indices)
        order.shuffle(using: &random)
        let spec = ParameterSpec(
            name: word(), part: word(), tensor: word(), fileDims: [dims.reduce(1, *)], view: dims, permutation: order,
            generatedScale: 0.5, generatedMean: 1)
        return ParameterSlice(spec: spec, dtype: pick(DType.allCases), box: box(in: spec.dims))
    }

    mutating func program() -> LocalProgram {
        var program = LocalProgram(
            name: word(), device: int(0...7), parameters: list(1...3) { $0.slice() }, arenaByteCount: 1 << 20)
        let residentCount = int(1...3)
        for _ in 0..<int(2...6) {
            let dims = list(0...3) { Dim($0.int(1...9), granule: $0.int(1...9)) }
            let leaves = int(1...9)
            let held = flag() ? nodes(leafCount: leaves) : nil
            program.buffers.append(
                LocalBuffer(
                    dtype: pick(DType.allCases), dims: dims, box: box(in: dims.map(\.size)), nodes: held,
                    leafCount: held == nil ? 0 : leaves, isLocalSum: held != nil && flag(),
                    storage: pick([
                        .arena(offset: 64 * int(0...500)), .parameter(int(0...program.parameters.count - 1)),
                        .resident(int(0...residentCount - 1)),
                    ])))
        }
        let last = program.buffers.count - 1
        program.inputs = list(0...3) { .init(name: $0.word(), buffer: $0.int(0...last)) }
        program.residents = (0..<residentCount).map { _ in
            .init(name: word(), buffer: int(0...last), isOutput: flag())
        }
        program.outputs = list(0...3) { .init(name: $0.word(), buffer: $0.int(0...last), isPrimary: $0.flag()) }
        program.exchanges = list(1...3) { $0.exchange(program.buffers) }
        let exchanges = program.exchanges.count
        if exchanges > 1, flag() { program.exchanges[exchanges - 1].fused = Array(0..<int(1...exchanges - 1)) }
        program.instructions = list(0...8) { this in
            switch this.int(0...2) {
            case 0: .exchangeStart(this.int(0...exchanges - 1))
            case 1: .exchangeFinish(this.int(0...exchanges - 1))
            default:
                .compute(
                    ComputeInstruction(
                        opcode: this.pick(Opcode.allCases), operands: this.list(0...3) { $0.int(0...last) },
                        result: this.int(0...last), attributes: this.attributes(), scope: this.word()))
            }
        }
        return program
    }

    mutating func exchange(_ buffers: [LocalBuffer]) -> Exchange {
        let (source, destination) = (int(0...buffers.count - 1), int(0...buffers.count - 1))
        let (from, to) = (buffers[source].box.dims, buffers[destination].box.dims)
        let leaves = int(1...9)
        let contributors = list(0...3) {
            Exchange.Contributor(device: $0.int(0...7), nodes: $0.nodes(leafCount: leaves))
        }
        return Exchange(
            kind: pick(CollectiveKind.allCases), axes: list(0...2) { $0.word() }, source: source,
            destination: destination,
            sends: list(0...3) { .init(peer: $0.int(0...7), box: $0.box(in: from), partials: $0.int(1...4)) },
            receives: list(0...3) { .init(peer: $0.int(0...7), box: $0.box(in: to), partials: $0.int(1...4)) },
            copies: list(0...2) { .init(from: $0.box(in: from), to: $0.box(in: to)) },
            reduction: pick([nil, .max, .argMax, .sum(contributors: contributors, leafCount: leaves)]),
            stagingOffset: 64 * int(0...100), scope: word())
    }

    mutating func install() -> Install {
        let program = program()
        var sources: [String: ParameterSource] = [:]
        for slice in program.parameters {
            sources[slice.spec.name] =
                flag()
                ? .generated(seed: random.next())
                : .file(path: "/models/" + word(), offset: int(0...1 << 30), dtype: pick(DType.allCases))
        }
        return Install(programKey: word(), program: program, sources: sources)
    }

    mutating func part() -> OutputPart {
        let dims = list(0...3) { $0.int(0...6) }
        let box = box(in: dims)
        return OutputPart(name: word(), box: box, dims: dims, tensor: tensor(dims: box.dims))
    }

    mutating func traceReport() -> TraceReport {
        let now = UInt64(int(1 << 40...1 << 50))
        return TraceReport(
            number: random.next(), now: now, lost: int(0...99),
            events: list(0...5) { this in
                let age = UInt64(this.int(0...1 << 40))
                return TraceEvent(
                    call: this.random.next(), instruction: this.flag() ? nil : this.int(0...999), begin: now - age,
                    end: now - age + UInt64(this.int(0...Int(age))))
            },
            heap: list(0...3) { this in
                HeapCount(
                    call: this.random.next(), step: this.random.next(), zeroMQ: this.random.next(),
                    references: this.random.next(), rest: this.random.next())
            })
    }

    mutating func report() -> WorkerReport {
        WorkerReport(
            residentByteCount: int(0...1 << 40), heldByteCount: int(0...1 << 40),
            computeTime: .nanoseconds(int(0...1 << 60)), collectiveTime: .nanoseconds(int(0...1 << 60)),
            sentByteCounts: list(0...5) { $0.int(0...1 << 60) },
            running: flag() ? nil : .init(programKey: word(), request: random.next(), step: UInt32(int(0...99))))
    }

    mutating func generate() -> Generate {
        Generate(
            job: random.next(), prompt: word(), negativePrompt: word(), seed: random.next(), steps: int(0...50),
            guidanceScale: flag() ? 0 : nil, temperatureStart: flag() ? 2.5 : nil, temperatureEnd: flag() ? 0 : nil,
            count: int(1...8), width: 256, height: 512, image: bytes(int(0...40)), mask: bytes(int(0...40)),
            strength: flag() ? 0.8 : nil)
    }

    /// One message of each kind.
    mutating func all() -> [Message] {
        let hello = Hello(
            worker: word(), modelHash: flag() ? "" : word(), isa: "avx512", cpuCount: int(1...64),
            memoryByteCount: int(0...1 << 40), processID: int(1...99999), host: word())
        let assign = Assign(
            rank: int(0...3), deviceCount: 4, dtype: pick(DType.allCases), threads: int(0...64),
            memoryLimit: flag() ? nil : int(1...1 << 40), heartbeat: .milliseconds(int(1...999)),
            silence: .seconds(int(1...9)), callDeadline: .seconds(int(1...99)), carrier: pick(Carrier.allCases),
            linkEncryption: pick(LinkEncryption.allCases))
        let subject: Failure.Subject = pick([.worker, .call(random.next()), .program(word())])
        let worker = ClusterStatus.Worker(
            name: word(), rank: flag() ? nil : int(0...9), state: word(), host: word(), processID: int(0...9), steps: 3,
            memoryLimit: flag() ? nil : int(1...1 << 40), restarts: int(0...9), report: flag() ? nil : report())
        return [
            .hello(hello), .bound(Bound(endpoint: "tcp://127.0.0.1:\(int(1...65535))")), .ready,
            .loadProgress(
                LoadProgress(programKey: word(), phase: word(), bytesDone: int(0...99), bytesTotal: int(0...99))),
            .installed(Installed(programKey: word(), arenaByteCount: int(0...99), parameterByteCount: int(0...99))),
            .result(
                RunResult(
                    call: random.next(), outputs: list(0...3) { $0.part() }, duration: .nanoseconds(int(0...1 << 40)),
                    sentByteCount: int(0...1 << 40))),
            .failure(
                Failure(
                    subject: subject, code: word(), message: word(), scope: word(),
                    instruction: flag() ? nil : int(0...99))),
            .goodbye(reason: word()), .assign(assign), .connect(endpoints: list(0...4) { $0.word() }),
            .install(install()),
            .run(
                Run(
                    call: random.next(), request: random.next(), slots: list(0...3) { $0.random.next() },
                    step: UInt32(int(0...99)), programKey: word(),
                    inputs: Dictionary(list(0...3) { ($0.word(), $0.tensor()) }, uniquingKeysWith: { a, _ in a }))),
            .release(request: random.next()), .uninstall(programKey: word()),
            .trace(TraceOrder(number: random.next(), capacity: int(0...1 << 20))),
            .traced(traceReport()), .abort(reason: word()), .shutdown(reason: word()),
            .reject(code: word(), message: word()),
            .heartbeat(Heartbeat(sequence: random.next(), steps: random.next(), report: flag() ? nil : report())),
            .clientHello(buildVersion: word()), .clientWelcome(ClientWelcome(cluster: word())), .generate(generate()),
            .cancelGenerate(job: random.next()),
            .progress(
                JobProgress(
                    job: random.next(), phase: word(), done: int(0...9), total: int(0...9),
                    timeLeft: flag() ? nil : .milliseconds(int(1...9999)))),
            .pictures(
                Pictures(job: random.next(), files: list(0...3) { $0.bytes(9) }, warnings: list(0...2) { $0.word() })),
            .clientError(ClientError(job: random.next(), code: word(), message: word())), .statusQuery,
            .status(
                ClusterStatus(
                    cluster: word(), state: word(), workers: [worker], queued: int(0...9), reason: word(), epoch: 7)),
        ]
    }
}
