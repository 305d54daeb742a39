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
    /// Which program of the model.
    struct Slot: Hashable {
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

    /// Builds and installs those that are not there yet, all at once.
    func install(_ slots: [Slot], progress: @escaping @Sendable (LoadingProgress) -> Void) async throws {
        let known = entries.withLock { $0 }
        var missing: [Slot] = []
        for slot in slots where known[slot] == nil && !missing.contains(slot) { missing.append(slot) }
        guard !missing.isEmpty else { return }
        let programs = try missing.map { try model.program($0.role, shape: $0.shape) }
        let keys = try await runner.install(programs, progress: progress)
        for (slot, (program, key)) in zip(missing, zip(programs, keys)) {
            let entry = Self.entry(program, key)
            entries.withLock { $0[slot] = entry }
        }
    }

    private static func entry(_ program: Program, _ key: ProgramKey) -> Entry {
        var inputs: [String: TensorType] = [:]
        for operation in program.operations where operation.opcode == .input {
            let name = operation.attributes.text("name")
            if !program.residentInputs.contains(name) { inputs[name] = operation.type }
        }
        return Entry(name: program.name, key: key, inputs: inputs)
    }

    /// Runs an installed program with those of the given inputs that it takes.
    func run(
        _ role: ProgramRole, _ shape: GenerationShape, request: UInt64, inputs: [String: HostTensor]
    ) async throws -> [String: HostTensor] {
        guard let entry = entries.withLock({ $0[Slot(role: role, shape: shape)] }) else {
            preconditionFailure("the loop installs \(role) before it runs it")
        }
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
