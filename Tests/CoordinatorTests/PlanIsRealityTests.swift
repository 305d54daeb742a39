import Coordinator
import Models
import Program
import Sharding
import Synchronization
import Tensor
import Testing

/// Runs a model's programs on a cluster and keeps what each call really sent.
private final class CountingRunner: ProgramRunner {
    private struct State {
        var planner: Planner
        /// Compiled program and its name by key.
        var programs: [String: CompiledProgram] = [:]
        var calls: [(program: String, sent: [Int], local: [Int])] = []
    }

    private let cluster: Cluster
    private let model: AmusedModel
    private let state: Mutex<State>

    init(cluster: Cluster, model: AmusedModel, configuration: ClusterConfiguration) {
        self.cluster = cluster
        self.model = model
        state = Mutex(State(planner: Planner(mesh: configuration.mesh, rules: configuration.rules)))
    }

    /// Every call: its program, the payload bytes that each worker sent, and those of the programs it was given.
    var calls: [(program: String, sent: [Int], local: [Int])] { state.withLock { $0.calls } }

    func install(
        _ programs: [Program], progress: @escaping @Sendable (LoadingProgress) -> Void
    ) async throws -> [ProgramKey] {
        var keys: [ProgramKey] = []
        for program in programs {
            let (name, compiled, isNew) = try state.withLock { try $0.planner.compile(program) }
            if isNew {
                try await cluster.install(name, locals: compiled.locals, sources: try model.sources(of: program))
                state.withLock { $0.programs[name] = compiled }
            }
            keys.append(ProgramKey(name))
        }
        return keys
    }

    func run(
        _ key: ProgramKey, request: UInt64, slots: [UInt64], inputs: [String: HostTensor]
    ) async throws -> [String: HostTensor] {
        let report = try await cluster.call(key.name, request: request, slots: slots, inputs: inputs)
        state.withLock { state in
            guard let program = state.programs[key.name] else { return }
            let local = program.locals.map { CostModel.sentByteCount(of: $0) }
            state.calls.append((program.name, report.sentByteCounts, local))
        }
        return report.outputs
    }

    func release(request: UInt64) async { await cluster.release(request: request) }
}

/// What workers send over the network is what the plan says, to the byte.
@Suite(.timeLimit(.minutes(10))) struct PlanIsRealityTests {
    @Test(arguments: ["{guidance: 2, model: 2}", "{model: 3}", "{tokens: 2}", "{rows: 2}", "{data: 2}"])
    func everyWorkerSendsWhatThePlanSays(mesh: String) async throws {
        let configuration = try ClusterConfiguration.parse("model: {preset: amused-tiny}\nmesh: \(mesh)\n")
        let model = try AmusedModel(preset: "amused-tiny", seed: 0)
        let plan = try configuration.plan()
        let settings = ClusterSettings(
            name: "harbour", workers: configuration.workers.map { .init(name: $0.name, threads: 1) },
            silence: .seconds(30), coordinatorSilence: .seconds(30))
        let calls = try await withCluster(settings, launcher: InProcessLauncher(), logger: testLogger) { cluster in
            let runner = CountingRunner(cluster: cluster, model: model, configuration: configuration)
            let loop = DecodingLoop(
                model: try AmusedImageModel(model), runner: runner, requests: RequestIdentifiers())
            var request = GenerationRequest(prompt: "a lighthouse", seed: 5)
            request.steps = 3
            request.picturesPerPrompt = configuration.batchDivisor
            _ = try await loop.generate(request)
            return runner.calls
        }
        #expect(calls.map(\.program) == ["text", "step", "step", "step", "decode"])
        for call in calls {
            let planned = try #require(plan.programs.first { $0.name == call.program })
            #expect(call.sent == planned.sentBytes, "\(call.program) on \(mesh)")
            #expect(call.local == planned.sentBytes, "\(call.program) on \(mesh)")
            let collectives = planned.collectives.reduce(0) { $0 + $1.bytes }
            #expect(collectives == planned.sentBytes.reduce(0, +), "\(call.program) on \(mesh)")
        }
        // Somebody must talk, or nothing was compared.
        let total = plan.programs.flatMap(\.sentBytes).reduce(0, +)
        #expect(total > 0 || mesh == "{data: 2}")
        print(
            "plan = reality on \(mesh): " + plan.programs.map { "\($0.name) \($0.sentBytes)" }.joined(separator: ", "))
    }
}
