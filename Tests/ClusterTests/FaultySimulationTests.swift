import Coordinator
import Program
import Runtime
import Sharding
import Tensor
import TestSupport
import Testing
import Transport

/// Sharded programs over a network that delays, loses, damages and dies: a right result or a named error on every rank,
/// never a wrong result and never a hang.
@Suite("Simulated faults", .timeLimit(.minutes(5)))
struct FaultySimulationTests {
    /// A random program on a random mesh, and what one device makes of it.
    private struct Case {
        var locals: [LocalProgram]
        var inputs: [String: HostTensor]
        var sources: [String: ParameterSource]
        var expected: [String: HostTensor]

        /// Draws programs and meshes until devices talk with each other.
        init(seed: UInt64) throws {
            var random = SeededGenerator(seed: seed &* 104_729 &+ 11)
            while true {
                let drawn = RandomProgram(seed: random.next(), activation: random.chance(50) ? .bf16 : .f32)
                let axes = [Mesh.Axis("a", random.int(2...3))] + (random.chance(30) ? [Mesh.Axis("b", 2)] : [])
                let mesh = Mesh(axes)
                var rules: [String: [String]] = [:]
                for logical in RandomProgram.logicalAxes { rules[logical] = [random.pick(axes).name] }
                var planner = Planner(mesh: mesh, rules: LogicalAxisRules(rules))
                do {
                    locals = try planner.compile(drawn.program).program.locals
                } catch ShardingError.axisUsedTwice {
                    // These rules contradict this program's annotations; others are drawn.
                    continue
                }
                guard locals.allSatisfy({ CostModel.sentByteCount(of: $0) > 0 }) else { continue }
                inputs = drawn.inputs
                sources = drawn.program.parameters.mapValues { _ in .generated(seed: 11) }
                let whole = SimulatedCluster(mesh: .single, rules: LogicalAxisRules([:]), sources: sources)
                expected = try whole.runNow(try whole.installNow(drawn.program), request: 1, inputs: inputs)
                return
            }
        }

        func run(_ network: FaultInjector, deadline: Duration) -> FaultySimulation {
            FaultySimulation(locals, inputs: inputs, sources: sources, network: network, deadline: deadline)
        }

        /// True where all that a rank gives is part of what one device gives.
        func isRight(_ outputs: [FaultySimulation.Output]) -> Bool {
            outputs.allSatisfy { expected[$0.name]?.extract($0.box) == $0.tensor }
        }
    }

    @Test("Delays and doubled frames change nothing", arguments: UInt64(0)..<40)
    func delays(seed: UInt64) throws {
        let drawn = try Case(seed: seed)
        let network = FaultInjector.seeded(
            seed, [(.delay(.microseconds(700)), 0.2), (.delay(.milliseconds(4)), 0.05), (.duplicate, 0.1)])
        let simulation = drawn.run(network, deadline: .seconds(60))
        for (rank, end) in simulation.ends.enumerated() {
            switch end {
            case .success(let outputs)?: #expect(drawn.isRight(outputs), "seed \(seed): rank \(rank) is wrong")
            case .failure(let error)?: Issue.record("seed \(seed): rank \(rank) failed: \(error)")
            case nil: Issue.record("seed \(seed): rank \(rank) hangs")
            }
        }
    }

    @Test("Lost frames, damaged frames and deaths end in typed errors", arguments: UInt64(0)..<90)
    func faults(seed: UInt64) throws {
        let drawn = try Case(seed: seed)
        let kinds: [Fault] = [.drop, .corrupt(bit: Int(seed) * 29 % 384), .senderDies]
        let kind = kinds[Int(seed % 3)]
        // A frame that is lost at the end is noticed by the deadline alone.
        let deadline: Duration = kind == .drop ? .milliseconds(400) : .seconds(60)
        let network = FaultInjector.seeded(seed, [(kind, 0.1), (.delay(.microseconds(300)), 0.1)])
        let simulation = drawn.run(network, deadline: deadline)
        var failures = 0
        for (rank, end) in simulation.ends.enumerated() {
            switch end {
            case .success(let outputs)?:
                #expect(drawn.isRight(outputs), "seed \(seed), \(kind): rank \(rank) is wrong")
            case .failure(let error)?:
                failures += 1
                let execution = error as? ExecutionError
                #expect(
                    execution?.code == .exchangeFailed && execution?.underlying is TransportError,
                    "seed \(seed), \(kind): rank \(rank) ended in \(error)")
            case nil: Issue.record("seed \(seed), \(kind): rank \(rank) hangs")
            }
        }
        let harm = simulation.faults.count { $0 == kind }
        #expect(failures > 0 || harm == 0, "seed \(seed): \(harm) x \(kind) and nobody noticed")
        if kind != .drop { #expect(failures == 0 || harm > 0, "seed \(seed): errors without a fault") }
    }

    @Test("The seeds above do harm")
    func seedsDoHarm() throws {
        let met = try (UInt64(0)..<30).count { seed in
            let network = FaultInjector.seeded(seed, [(.senderDies, 0.1)])
            return try !Case(seed: seed).run(network, deadline: .seconds(60)).faults.isEmpty
        }
        #expect(met > 5)
    }
}
