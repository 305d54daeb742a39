import Coordinator
import Foundation
import Program
import Runtime
import Sharding
import Synchronization
import Tensor
import Transport

/// A whole mesh in one process: one thread a device, joined by the in-process fabric.
final class SimulatedCluster: ProgramRunner {
    /// What a device keeps between calls; used by one thread at a time.
    private final class Device {
        let weights: WeightStore
        let residents = ResidentStore()
        let threads: ThreadPool
        let fabric: any Fabric
        var executors: [String: Executor] = [:]

        init(sources: [String: ParameterSource], threads: Int, fabric: any Fabric) {
            weights = WeightStore(sources: sources)
            self.threads = ThreadPool(threads: threads)
            self.fabric = fabric
        }
    }

    private struct State {
        var planner: Planner
        var devices: [Device]
        var calls: UInt32 = 0
        var sentBytes: [Int]
        var plannedBytes: [Int]
        var locals: [String: [LocalProgram]] = [:]
    }

    // Sendable because all state is behind the mutex, and each device is used by one thread at a time.
    private let state: Mutex<UncheckedBox>
    private final class UncheckedBox: @unchecked Sendable {  // Sendable because only the mutex's holder touches it.
        var state: State
        init(_ state: State) { self.state = state }
    }

    init(
        mesh: Mesh, rules: LogicalAxisRules, sources: [String: ParameterSource], threads: Int = 1,
        options: CompilerOptions = CompilerOptions()
    ) {
        let fabrics = LocalFabric.make(size: mesh.deviceCount)
        let devices = fabrics.map { Device(sources: sources, threads: threads, fabric: $0) }
        state = Mutex(
            UncheckedBox(
                State(
                    planner: Planner(mesh: mesh, rules: rules, options: options), devices: devices,
                    sentBytes: Array(repeating: 0, count: mesh.deviceCount),
                    plannedBytes: Array(repeating: 0, count: mesh.deviceCount))))
    }

    /// Payload bytes really sent so far, and those that the plans of the calls say, by rank.
    var traffic: (sent: [Int], planned: [Int]) {
        state.withLock { box in
            (box.state.devices.map { $0.fabric.sentByteCount }, box.state.plannedBytes)
        }
    }

    /// Requests that something is kept for.
    var heldRequests: Set<UInt64> {
        state.withLock { box in box.state.devices.reduce(into: []) { $0.formUnion($1.residents.requests) } }
    }

    func install(
        _ programs: [Program], progress: @escaping @Sendable (LoadingProgress) -> Void
    ) async throws -> [ProgramKey] {
        try programs.map { try installNow($0) }
    }

    func run(
        _ key: ProgramKey, request: UInt64, slots: [UInt64], inputs: [String: HostTensor]
    ) async throws -> [String: HostTensor] {
        try runNow(key, request: request, slots: slots, inputs: inputs)
    }

    func release(request: UInt64) async {
        state.withLock { box in
            for device in box.state.devices { device.residents.release(request: request) }
        }
    }

    func installNow(_ program: Program) throws -> ProgramKey {
        try state.withLock { box in
            let compiled = try box.state.planner.compile(program)
            if compiled.isNew {
                box.state.locals[compiled.name] = compiled.program.locals
                for (device, local) in zip(box.state.devices, compiled.program.locals) {
                    try device.weights.load(for: [local])
                    device.executors[compiled.name] = try Executor(
                        program: local, weights: device.weights, threads: device.threads)
                }
            }
            return ProgramKey(compiled.name)
        }
    }

    func runNow(
        _ key: ProgramKey, request: UInt64, slots: [UInt64] = [], inputs: [String: HostTensor]
    ) throws -> [String: HostTensor] {
        try state.withLock { box in
            box.state.calls += 1
            let tag = FrameTag(epoch: 1, request: request, step: box.state.calls, instruction: 0)
            let devices = box.state.devices
            let locals = box.state.locals[key.name] ?? []
            for (rank, local) in locals.enumerated() {
                box.state.plannedBytes[rank] += CostModel.sentByteCount(of: local)
            }
            let results = Results(count: devices.count)
            let group = DispatchGroup()
            for (rank, device) in devices.enumerated() {
                let job = Job(device: device)
                group.enter()
                let thread = Thread {
                    results.set(
                        rank,
                        Result {
                            guard let executor = job.device.executors[key.name] else {
                                preconditionFailure("\(key.name) is installed before it runs")
                            }
                            return try executor.run(
                                inputs: inputs, residents: job.device.residents, request: request, slots: slots,
                                tag: tag, fabric: job.device.fabric, deadline: .seconds(60))
                        })
                    group.leave()
                }
                thread.stackSize = 4 << 20
                thread.start()
            }
            group.wait()
            return assemble(try results.all(), locals)
        }
    }

    private struct Job: @unchecked Sendable {  // Sendable because exactly one thread gets it.
        let device: Device
    }

    private final class Results: Sendable {
        typealias Outputs = [(name: String, box: Box, tensor: HostTensor)]
        private let values: Mutex<[Result<Outputs, any Error>?]>
        init(count: Int) { values = Mutex(Array(repeating: nil, count: count)) }
        func set(_ rank: Int, _ value: sending Result<Outputs, any Error>) {
            let value = value
            values.withLock { $0[rank] = value }
        }
        func all() throws -> [Outputs] {
            try values.withLock { try $0.compactMap { try $0?.get() } }
        }
    }

    private func assemble(_ parts: [Results.Outputs], _ locals: [LocalProgram]) -> [String: HostTensor] {
        var whole: [String: HostTensor] = [:]
        for (rank, outputs) in parts.enumerated() {
            for output in outputs {
                guard let port = locals[rank].outputs.first(where: { $0.name == output.name }) else { continue }
                let dims = locals[rank].buffers[port.buffer].dims.map(\.size)
                var target =
                    whole[output.name]
                    ?? HostTensor(
                        dtype: output.tensor.dtype, dims: dims,
                        bytes: Array(
                            repeating: 0, count: dims.reduce(1, *) * output.tensor.dtype.byteCount))
                target.insert(output.tensor, at: output.box)
                whole[output.name] = target
            }
        }
        return whole
    }
}
