import Program
import Synchronization
import Tensor

/// Programs that a model's loop has installed on its runner, by role and shape.
final class InstalledPrograms: Sendable {
    /// An installed program and the inputs that it takes from the caller.
    struct Entry: Sendable {
        let name: String
        let key: ProgramKey
        let inputs: [String: TensorType]
    }
    private struct Slot: Hashable {
        let role: ProgramRole
        let shape: GenerationShape
    }

    private let model: any ImageModel
    private let runner: any ProgramRunner
    private let entries = Mutex<[Slot: Entry]>([:])

    init(model: any ImageModel, runner: any ProgramRunner) {
        self.model = model
        self.runner = runner
    }

    /// Builds and installs a program on first use.
    func entry(_ role: ProgramRole, _ shape: GenerationShape) async throws -> Entry {
        let slot = Slot(role: role, shape: shape)
        if let entry = entries.withLock({ $0[slot] }) { return entry }
        let program = try model.program(role, shape: shape)
        var inputs: [String: TensorType] = [:]
        for operation in program.operations where operation.opcode == .input {
            let name = operation.attributes.text("name")
            if !program.residentInputs.contains(name) { inputs[name] = operation.type }
        }
        let entry = Entry(name: program.name, key: try await runner.install(program), inputs: inputs)
        entries.withLock { $0[slot] = entry }
        return entry
    }

    /// Runs a program with those of the given inputs that it takes.
    func run(
        _ role: ProgramRole, _ shape: GenerationShape, request: UInt64, inputs: [String: HostTensor]
    ) async throws -> [String: HostTensor] {
        let entry = try await entry(role, shape)
        var wanted: [String: HostTensor] = [:]
        for (name, type) in entry.inputs {
            guard let tensor = inputs[name], tensor.dims == type.sizes, tensor.dtype == type.dtype else {
                throw DecodingLoopError.input(
                    program: entry.name, name: name, wanted: "\(type.dtype.rawValue)\(type.sizes)")
            }
            wanted[name] = tensor
        }
        return try await runner.run(entry.key, request: request, inputs: wanted)
    }
}
