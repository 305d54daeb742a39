import Foundation
import Program
import Runtime
import Synchronization
import Tensor
import Testing

/// Whole programs: chains, residents, thread pools, and what is said when something is wrong.
struct ExecutorTests {
    private let tag = FrameTag(epoch: 0, request: 7, step: 0, instruction: 0)

    /// x + x, left as a resident or returned.
    private func doubling(isResident: Bool) -> LocalProgram {
        let dims = [Dim(5)]
        let box = Box(covering: [5])
        return LocalProgram(
            name: "text", device: 0,
            buffers: [
                LocalBuffer(dtype: .f32, dims: dims, box: box, storage: .arena(offset: 0)),
                LocalBuffer(
                    dtype: .f32, dims: dims, box: box, storage: isResident ? .resident(0) : .arena(offset: 64)),
            ], inputs: [.init(name: "x", buffer: 0)],
            residents: isResident ? [.init(name: "twice", buffer: 1, isOutput: true)] : [],
            outputs: isResident ? [] : [.init(name: "y", buffer: 1, isPrimary: true)],
            instructions: [
                .compute(.init(opcode: .add, operands: [0, 0], result: 1, attributes: [:], scope: "layers.0"))
            ], arenaByteCount: 128)
    }

    /// Reads the resident that ``doubling(isResident:)`` leaves.
    private var reading: LocalProgram {
        var program = doubling(isResident: false)
        program.name = "step"
        program.buffers[0].storage = .resident(0)
        program.inputs = []
        program.residents = [.init(name: "twice", buffer: 0, isOutput: false)]
        return program
    }

    private func executor(_ program: LocalProgram) throws -> Executor {
        try Executor(program: program, weights: WeightStore(sources: [:]), threads: ThreadPool(threads: 1))
    }

    private func run(
        _ executor: Executor, _ inputs: [String: HostTensor], _ store: ResidentStore, request: UInt64
    ) throws -> [Executor.Output] {
        try executor.run(
            inputs: inputs, residents: store, request: request, tag: tag, fabric: NoFabric(), deadline: .seconds(1))
    }

    @Test func residentsLiveUntilTheirRequestIsReleased() throws {
        let store = ResidentStore()
        let (text, step) = (try executor(doubling(isResident: true)), try executor(reading))
        for request in [UInt64(1), 2] {
            let x = HostTensor((0..<5).map { Float($0) * Float(request) }, dims: [5])
            #expect(try run(text, ["x": x], store, request: request).isEmpty)
        }
        #expect(store.requests == [1, 2] && store.byteCount == 40)
        for _ in 0..<2 {
            #expect(try run(step, [:], store, request: 2)[0].tensor.floats == [0, 8, 16, 24, 32])
            #expect(try run(step, [:], store, request: 1)[0].tensor.floats == [0, 4, 8, 12, 16])
        }
        store.release(request: 1)
        #expect(store.requests == [2] && store.byteCount == 20)
        let error = #expect(throws: ExecutionError.self) { try run(step, [:], store, request: 1) }
        #expect(error?.code == .missingResident)
        #expect(error?.description.contains("twice") == true)
    }

    @Test func whatACallReplacesIsReadToItsEnd() throws {
        let (dims, box) = ([Dim(5)], Box(covering: [5]))
        func instruction(_ opcode: Opcode, _ operands: [Int], _ result: Int, _ attributes: Attributes) -> Instruction {
            .compute(.init(opcode: opcode, operands: operands, result: result, attributes: attributes, scope: "cache"))
        }
        let turning = try executor(
            LocalProgram(
                name: "turn", device: 0,
                buffers: [.resident(0), .resident(1), .arena(offset: 0)].map {
                    LocalBuffer(dtype: .f32, dims: dims, box: box, storage: $0)
                },
                residents: [
                    .init(name: "twice", buffer: 0, isOutput: false), .init(name: "twice", buffer: 1, isOutput: true),
                ], outputs: [.init(name: "y", buffer: 2, isPrimary: true)],
                instructions: [
                    instruction(.reverse, [0], 1, ["dims": .ints([0])]), instruction(.add, [0, 0], 2, [:]),
                ], arenaByteCount: 64))
        let store = ResidentStore()
        let x = HostTensor([0, 1, 2, 3, 4] as [Float], dims: [5])
        #expect(try run(try executor(doubling(isResident: true)), ["x": x], store, request: 1).isEmpty)
        #expect(try run(turning, [:], store, request: 1)[0].tensor.floats == [0, 4, 8, 12, 16])
        #expect(try run(turning, [:], store, request: 1)[0].tensor.floats == [16, 12, 8, 4, 0])
        #expect(try run(try executor(reading), [:], store, request: 1)[0].tensor.floats == [0, 4, 8, 12, 16])
        #expect(store.byteCount == 20)
    }

    @Test func wrongInputsAreNamed() throws {
        let program = try executor(doubling(isResident: false))
        for inputs in [
            [:], ["x": HostTensor([1, 2, 3, 4] as [Float], dims: [4])],
            ["x": HostTensor([1, 2, 3, 4, 5] as [Int32], dims: [5])],
        ] {
            let error = #expect(throws: ExecutionError.self) {
                try run(program, inputs, ResidentStore(), request: 1)
            }
            #expect(error?.code == .invalidInput)
            #expect(error?.description.contains("input x") == true)
        }
    }

    @Test func contradictoryProgramsAreRefused() throws {
        var programs: [LocalProgram] = []
        func broken(_ change: (inout LocalProgram) -> Void) {
            var program = doubling(isResident: false)
            change(&program)
            programs.append(program)
        }
        broken { $0.arenaByteCount = 83 }
        broken { $0.buffers[1].storage = .arena(offset: -64) }
        broken { $0.buffers[1].storage = .arena(offset: 60) }
        broken { $0.buffers[1].storage = .parameter(0) }
        broken { $0.buffers[1].storage = .resident(0) }
        broken { $0.buffers[0].box = Box([2..<7]) }
        broken { $0.inputs[0].buffer = 2 }
        broken { $0.outputs[0].buffer = -1 }
        broken { $0.instructions.append(.exchangeStart(0)) }
        broken {
            $0.instructions = [.compute(.init(opcode: .add, operands: [0, 5], result: 1, attributes: [:], scope: ""))]
        }
        broken {
            $0.exchanges = [
                Exchange(
                    kind: .permute, axes: [], source: 0, destination: 1,
                    sends: [.init(peer: 1, box: Box([0..<6]))], receives: [], copies: [])
            ]
        }
        for program in programs {
            let error = #expect(throws: ExecutionError.self) { try executor(program) }
            #expect(error?.code == .invalidProgram)
        }
    }

    @Test func failedExchangesSayWhere() throws {
        struct Lost: Error {}
        final class Broken: Fabric {
            let rank = 0
            let size = 2
            let sentByteCount = 0
            func send(to peer: Int, tag: FrameTag, bytes: UnsafeRawBufferPointer) throws {}
            func receive(
                from peer: Int, tag: FrameTag, into bytes: UnsafeMutableRawBufferPointer, deadline: Duration
            ) throws { throw Lost() }
        }
        var program = doubling(isResident: false)
        program.exchanges = [
            Exchange(
                kind: .allGather, axes: ["model"], source: 0, destination: 1, sends: [],
                receives: [.init(peer: 1, box: Box([0..<5]))], copies: [], stagingOffset: 128, scope: "layers.3.ff")
        ]
        program.arenaByteCount = 192
        program.instructions += [.exchangeStart(0), .exchangeFinish(0)]
        let ready = try executor(program)
        let error = #expect(throws: ExecutionError.self) {
            try ready.run(
                inputs: ["x": HostTensor([1, 2, 3, 4, 5] as [Float], dims: [5])], residents: ResidentStore(),
                request: 1, tag: tag, fabric: Broken(), deadline: .seconds(1))
        }
        #expect(error?.instruction == 2 && error?.operation == "allGather" && error?.scope == "layers.3.ff")
        #expect(error?.underlying is Lost)
    }

    @Test(arguments: [1, 2, 3, 8])
    func everyIndexRunsOnce(_ threads: Int) {
        let pool = ThreadPool(threads: threads)
        for count in [0, 1, 2, 7, 100] {
            for _ in 0..<50 {
                let sum = Atomic<Int>(0)
                let calls = Atomic<Int>(0)
                pool.parallelFor(count) { index, thread in
                    precondition(thread >= 0 && thread < threads, "threads are numbered from 0")
                    sum.wrappingAdd(index, ordering: .relaxed)
                    calls.wrappingAdd(1, ordering: .relaxed)
                }
                #expect(sum.load(ordering: .relaxed) == count * (count - 1) / 2)
                #expect(calls.load(ordering: .relaxed) == count)
            }
        }
    }
}
