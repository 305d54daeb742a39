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
    /// Installations go one after the other: what one needs the other may have brought.
    private let turn = Mutex(Turn())

    private struct Turn {
        var isTaken = false
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    init(model: any ImageModel, runner: any ProgramRunner) {
        self.model = model
        self.runner = runner
    }

    /// Builds and installs those that are not there yet, all at once.
    func install(_ slots: [Slot], progress: @escaping @Sendable (LoadingProgress) -> Void) async throws {
        guard !has(slots) else { return }
        await takeTurn()
        defer { giveTurn() }
        let known = entries.withLock { $0 }
        var missing: [Slot] = []
        for slot in slots where known[slot] == nil && !missing.contains(slot) { missing.append(slot) }
        guard !missing.isEmpty else { return }
        try Task.checkCancellation()
        let programs = try missing.map { try model.program($0.role, shape: $0.shape) }
        let keys = try await runner.install(programs, progress: progress)
        for (slot, (program, key)) in zip(missing, zip(programs, keys)) {
            let entry = Self.entry(program, key)
            entries.withLock { $0[slot] = entry }
        }
    }

    /// True where all of them are installed.
    func has(_ slots: [Slot]) -> Bool {
        entries.withLock { entries in slots.allSatisfy { entries[$0] != nil } }
    }

    /// Batch sizes up to a limit that a role's program is installed for.
    func sizes(of role: ProgramRole, shape: GenerationShape, limit: Int) -> [Int] {
        entries.withLock { entries in
            (1...limit).filter { size in
                var shape = shape
                shape.pictures = size
                return entries[Slot(role: role, shape: shape)] != nil
            }
        }
    }

    private func takeTurn() async {
        await withCheckedContinuation { continuation in
            let isMine = turn.withLock { turn in
                if turn.isTaken {
                    turn.waiting.append(continuation)
                    return false
                }
                turn.isTaken = true
                return true
            }
            if isMine { continuation.resume() }
        }
    }

    private func giveTurn() {
        let next = turn.withLock { turn -> CheckedContinuation<Void, Never>? in
            if turn.waiting.isEmpty { turn.isTaken = false }
            return turn.waiting.isEmpty ? nil : turn.waiting.removeFirst()
        }
        next?.resume()
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
        _ role: ProgramRole, _ shape: GenerationShape, request: UInt64, slots: [UInt64] = [],
        inputs: [String: HostTensor]
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
        return try await runner.run(entry.key, request: request, slots: slots, inputs: wanted)
    }
}
