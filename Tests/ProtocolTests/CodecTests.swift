import Program
import Protocol
import Tensor
import Testing

/// Decodes and gives the code of the error, nil for success.
func errorCode(_ bytes: [UInt8], limit: Int = ProtocolLimits.memberBytes) -> ProtocolError.Code? {
    do throws(ProtocolError) {
        _ = try Codec.decode(bytes, limit: limit)
        return nil
    } catch {
        return error.code
    }
}

@Suite struct CodecTests {
    private func envelope(_ message: Message) -> Envelope {
        Envelope(clusterID: "harbour", epoch: 7, message: message)
    }

    @Test("every message comes back as it was", arguments: 0..<40)
    func roundTrip(seed: Int) throws {
        var messages = RandomMessages(seed: UInt64(seed))
        for message in messages.all() {
            let sent = envelope(message)
            #expect(try Codec.decode(Codec.encode(sent)) == sent, "\(message.name)")
        }
    }

    @Test("random local programs come back as they were", arguments: 0..<100)
    func programs(seed: Int) throws {
        var messages = RandomMessages(seed: 1000 + UInt64(seed))
        let sent = envelope(.install(messages.install()))
        #expect(try Codec.decode(Codec.encode(sent)) == sent)
    }

    @Test("a message cut at any byte is an error or another valid message, never a trap")
    func truncated() throws {
        var messages = RandomMessages(seed: 5)
        for message in messages.all() {
            let bytes = try Codec.encode(envelope(message))
            var survivors = 0
            for count in 0..<bytes.count where errorCode(Array(bytes[..<count])) == nil { survivors += 1 }
            // Protobuf has no end mark: a cut between two fields of the body's last level may leave a valid message,
            // but the body itself is length-prefixed, so no proper prefix is one.
            #expect(survivors == 0, "\(message.name)")
        }
    }

    @Test("random damage never traps", arguments: 0..<8)
    func damage(seed: Int) throws {
        var messages = RandomMessages(seed: 77 + UInt64(seed))
        let originals = try messages.all().map { try Codec.encode(envelope($0)) }
        var rejected = 0
        for _ in 0..<4000 {
            var bytes = messages.pick(originals)
            for _ in 0..<messages.int(1...4) {
                let position = messages.int(0...bytes.count - 1)
                switch messages.int(0...2) {
                case 0: bytes[position] ^= 1 << UInt8(messages.int(0...7))
                case 1: bytes[position] = UInt8(messages.int(0...255))
                default: bytes.remove(at: position)
                }
                if bytes.isEmpty { break }
            }
            if errorCode(bytes) != nil { rejected += 1 }
        }
        #expect(rejected > 1000)
    }

    @Test("random bytes never trap")
    func noise() {
        var messages = RandomMessages(seed: 99)
        for _ in 0..<5000 {
            let count = messages.int(0...64)
            _ = errorCode(messages.bytes(count))
        }
        #expect(errorCode([]) == .version)
    }

    @Test("another version is named before anything else")
    func version() throws {
        let bytes = try Codec.encode(envelope(.ready), version: 9)
        #expect(errorCode(bytes) == .version)
        do throws(ProtocolError) {
            _ = try Codec.decode(bytes)
            Issue.record("version 9 was taken")
        } catch {
            #expect(
                error.description.contains("version 9")
                    && error.description.contains("version \(ProtocolVersion.current)"))
        }
    }

    @Test("a message longer than its sender may send is an error")
    func size() throws {
        let bytes = try Codec.encode(envelope(.abort(reason: String(repeating: "x", count: 100))))
        #expect(errorCode(bytes, limit: 100) == .size)
        #expect(errorCode(bytes, limit: bytes.count) == nil)
    }
}

/// One broken rule at a time.
///
/// Values that the types can hold but the protocol forbids.
@Suite struct CodecRuleTests {
    private func code(_ message: Message) throws -> ProtocolError.Code? {
        errorCode(try Codec.encode(Envelope(clusterID: "c", epoch: 1, message: message)))
    }

    private func program(_ change: (inout LocalProgram) -> Void) throws -> ProtocolError.Code? {
        var program = LocalProgram(
            name: "step", device: 0,
            buffers: [
                LocalBuffer(dtype: .f32, dims: [Dim(4)], box: Box([0..<4]), storage: .arena(offset: 0)),
                LocalBuffer(dtype: .f32, dims: [Dim(4)], box: Box([0..<2]), storage: .arena(offset: 64)),
            ],
            exchanges: [
                Exchange(
                    kind: .permute, axes: [], source: 0, destination: 1, sends: [.init(peer: 1, box: Box([0..<4]))],
                    receives: [], copies: [], stagingOffset: 128)
            ], arenaByteCount: 192)
        change(&program)
        return try code(.install(Install(programKey: "k", program: program, sources: [:])))
    }

    @Test func soundProgramPasses() throws { #expect(try program { _ in } == nil) }

    @Test func programReferences() throws {
        #expect(try program { $0.inputs = [.init(name: "x", buffer: 2)] } == .bounds)
        #expect(try program { $0.outputs = [.init(name: "x", buffer: 2, isPrimary: true)] } == .bounds)
        #expect(try program { $0.instructions = [.exchangeStart(1)] } == .bounds)
        #expect(try program { $0.buffers[0].storage = .parameter(0) } == .bounds)
        #expect(try program { $0.buffers[0].storage = .resident(0) } == .bounds)
        #expect(try program { $0.exchanges[0].destination = 2 } == .bounds)
        #expect(
            try program {
                $0.instructions = [
                    .compute(.init(opcode: .add, operands: [0, 5], result: 1, attributes: [:], scope: ""))
                ]
            } == .bounds)
        #expect(try program { $0.name = "" } == .missing)
    }

    @Test func programMemory() throws {
        #expect(try program { $0.buffers[1].storage = .arena(offset: 192) } == .bounds)
        #expect(try program { $0.buffers[1].storage = .arena(offset: 65) } == .bounds)
        #expect(try program { $0.exchanges[0].stagingOffset = 192 } == .bounds)
        #expect(try program { $0.exchanges[0].stagingOffset = 100 } == .bounds)
        #expect(try program { $0.exchanges[0].sends[0].partials = 5 } == .bounds)
        #expect(try program { $0.exchanges[0].sends[0].partials = 0 } == .bounds)
    }

    @Test func exchangesAsInt8() throws {
        // What has arrived takes room of its own.
        func received(_ wire: WireFormat, room: Int) throws -> ProtocolError.Code? {
            try program {
                $0.exchanges[0].wire = wire
                $0.exchanges[0].receives = [.init(peer: 1, box: Box([0..<2]))]
                $0.arenaByteCount = 128 + room
            }
        }
        #expect(try received(.exact, room: 128) == nil)
        #expect(try received(.int8, room: 128) == .bounds)
        #expect(try received(.int8, room: 192) == nil)
    }

    @Test func fusedExchanges() throws {
        /// Three exchanges, and what each carries.
        func carried(_ fused: [[Int]], arena: Int = 192 + 128) throws -> ProtocolError.Code? {
            try program { program in
                program.exchanges = fused.map { indices in
                    var exchange = program.exchanges[0]
                    exchange.fused = indices
                    return exchange
                }
                program.arenaByteCount = arena
            }
        }
        #expect(try carried([[1, 2], [], []]) == nil)
        #expect(try carried([[], [2, 0], []]) == nil)
        // One message of three has room for three.
        #expect(try carried([[1, 2], [], []], arena: 192 + 64) == .bounds)
        #expect(try carried([[], [], []], arena: 192) == nil)
        #expect(try carried([[3], [], []]) == .bounds)
        #expect(try carried([[1, 1], [], []]) == .bounds)
        #expect(try carried([[0], [], []]) == .bounds)
        #expect(try carried([[1], [2], []]) == .bounds)
        #expect(try carried([[2], [2], []]) == .bounds)
    }

    @Test func programBoxes() throws {
        #expect(try program { $0.buffers[0].box = Box([0..<5]) } == .bounds)
        #expect(try program { $0.buffers[0].box = Box([]) } == .bounds)
        #expect(try program { $0.exchanges[0].sends[0].box = Box([0..<5]) } == .bounds)
        #expect(try program { $0.exchanges[0].copies = [.init(from: Box([0..<2]), to: Box([1..<3]))] } == .bounds)
    }

    @Test func treeNodes() throws {
        func held(_ nodes: [(Int, Int)], of leaves: Int) throws -> ProtocolError.Code? {
            try program {
                $0.buffers[1].nodes = nodes.map { ReductionTree.Node(first: $0.0, level: $0.1) }
                $0.buffers[1].leafCount = leaves
            }
        }
        #expect(try held([(0, 2), (4, 0)], of: 8) == nil)
        #expect(try held([(1, 1)], of: 8) == .bounds)
        #expect(try held([(8, 0)], of: 8) == .bounds)
        #expect(try held([(0, 1), (1, 0)], of: 8) == .bounds)
        #expect(try held([(0, 25)], of: 8) == .bounds)
    }

    @Test func weights() throws {
        let spec = ParameterSpec(name: "w", part: "p", tensor: "t", fileDims: [2, 3])
        func install(_ spec: ParameterSpec, _ sources: [String: ParameterSource]) throws -> ProtocolError.Code? {
            let slice = ParameterSlice(spec: spec, dtype: .bf16, box: Box([0..<2, 0..<3]))
            let program = LocalProgram(name: "step", device: 0, parameters: [slice])
            return try code(.install(Install(programKey: "k", program: program, sources: sources)))
        }
        #expect(try install(spec, ["w": .generated(seed: 1)]) == nil)
        #expect(try install(spec, [:]) == .missing)
        #expect(try install(spec, ["w": .file(path: "", offset: 0, dtype: .f32)]) == .missing)
        var view = spec
        view.view = [7]
        #expect(try install(view, ["w": .generated(seed: 1)]) == .bounds)
        var order = spec
        order.permutation = [0, 0]
        #expect(try install(order, ["w": .generated(seed: 1)]) == .bounds)
    }

    @Test func ranksAndCounts() throws {
        let assign = Assign(
            rank: 2, deviceCount: 2, dtype: .bf16, threads: 1, heartbeat: .seconds(1), silence: .seconds(2),
            callDeadline: .seconds(3))
        #expect(try code(.assign(assign)) == .bounds)
        var still = assign
        still.rank = 1
        still.heartbeat = .zero
        #expect(try code(.assign(still)) == .bounds)
        #expect(try code(.connect(endpoints: [""])) == .missing)
        #expect(try code(.connect(endpoints: Array(repeating: "e", count: 5000))) == .bounds)
        #expect(try code(.bound(Bound(endpoint: ""))) == .missing)
        #expect(try code(.pictures(Pictures(job: 1, files: Array(repeating: [1], count: 300)))) == .bounds)
        #expect(try code(.generate(Generate(job: 1, prompt: "p", seed: 1, count: 10_000))) == .bounds)
        #expect(try code(.generate(Generate(job: 1, prompt: "p", seed: 1, strength: .nan))) == .bounds)
        #expect(
            try code(.generate(Generate(job: 1, prompt: String(repeating: "p", count: 70_000), seed: 1))) == .bounds)
    }

    @Test func recordedEvents() throws {
        func report(_ event: TraceEvent, now: UInt64 = 100) throws -> ProtocolError.Code? {
            try code(.traced(TraceReport(number: 1, now: now, events: [event])))
        }
        #expect(try report(TraceEvent(call: 1, instruction: 0, begin: 0, end: 100)) == nil)
        #expect(try report(TraceEvent(call: 1, instruction: 0, begin: 50, end: 101)) == .bounds)
        #expect(try report(TraceEvent(call: 1, instruction: 0, begin: 101, end: 102)) == .bounds)
        #expect(try report(TraceEvent(call: 1, instruction: 1 << 21, begin: 0, end: 1)) == .bounds)
        #expect(try code(.trace(TraceOrder(number: 1, capacity: 1 << 21))) == .bounds)
        let event = TraceEvent(call: 1, instruction: nil, begin: 0, end: 1)
        let many = [TraceEvent](repeating: event, count: ProtocolLimits.traceEvents + 1)
        #expect(try code(.traced(TraceReport(number: 1, now: 2, events: many))) == .bounds)
        #expect(try code(.traced(TraceReport(number: 1, now: 2, events: Array(many.dropLast())))) == nil)
    }

    @Test func reportsOfWorkers() throws {
        func beat(_ report: WorkerReport) throws -> ProtocolError.Code? {
            try code(.heartbeat(Heartbeat(sequence: 1, steps: 1, report: report)))
        }
        #expect(try beat(WorkerReport()) == nil)
        #expect(try beat(WorkerReport(residentByteCount: 1 << 47)) == .bounds)
        #expect(try beat(WorkerReport(heldByteCount: 1 << 47)) == .bounds)
        #expect(try beat(WorkerReport(computeTime: .nanoseconds(1 << 62))) == .bounds)
        #expect(try beat(WorkerReport(collectiveTime: .nanoseconds(1 << 62))) == .bounds)
        #expect(try beat(WorkerReport(sentByteCounts: [1, 1 << 62])) == .bounds)
        let many = [Int](repeating: 0, count: ProtocolLimits.devices + 1)
        #expect(try beat(WorkerReport(sentByteCounts: many)) == .bounds)
        #expect(try beat(WorkerReport(running: .init(programKey: "", request: 1, step: 1))) == .missing)
    }

    @Test func outputParts() throws {
        let tensor = HostTensor([Float](repeating: 0, count: 4), dims: [4])
        func result(_ box: Box, _ dims: [Int]) throws -> ProtocolError.Code? {
            let part = OutputPart(name: "x", box: box, dims: dims, tensor: tensor)
            return try code(.result(RunResult(call: 1, outputs: [part], duration: .zero, sentByteCount: 0)))
        }
        #expect(try result(Box([2..<6]), [8]) == nil)
        #expect(try result(Box([6..<10]), [8]) == .bounds)
        #expect(try result(Box([2..<5]), [8]) == .bounds)
        #expect(try result(Box([0..<2, 0..<2]), [2, 2]) == .bounds)
        #expect(try result(Box([2..<6]), [1 << 41]) == .bounds)
    }
}
