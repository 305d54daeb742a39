import Program
import Synchronization
import Tensor

/// Programs that a model's loop has installed on its runner, by role and shape.
///
/// Clients may ask for any size of picture, so there is a bound: those that have been used least recently go, and come
/// back when they are wanted again.
final class InstalledPrograms: Sendable {
    /// An installed program and the inputs that it takes from the caller.
    struct Entry: Sendable {
        let name: String
        let key: ProgramKey
        let inputs: [String: TensorType]
    }
    /// An installed program and what it is needed for.
    private struct Kept {
        let entry: Entry
        /// Calls that run.
        var callCount = 0
        /// When it was used last, as a count of uses.
        var lastUse: Int
    }
    private struct State {
        var programs: [Slot: Kept] = [:]
        var useCount = 0

        mutating func use(_ slot: Slot) -> Entry? {
            useCount += 1
            programs[slot]?.lastUse = useCount
            return programs[slot]?.entry
        }
    }
    /// Which program of the model.
    struct Slot: Hashable {
        let role: ProgramRole
        let shape: GenerationShape
    }

    private let model: any ImageModel
    private let runner: any ProgramRunner
    private let limit: Int
    private let state = Mutex(State())
    /// Installations go one after the other: what one needs the other may have brought.
    private let turn = Mutex(Turn())

    private struct Turn {
        var isTaken = false
        var waiting: [CheckedContinuation<Void, Never>] = []
    }

    /// Nothing is installed yet.
    ///
    /// - Parameter limit: more programs than that stay installed only while they run or one request needs them all.
    init(model: any ImageModel, runner: any ProgramRunner, limit: Int) {
        precondition(limit >= 1, "a program stays")
        self.model = model
        self.runner = runner
        self.limit = limit
    }

    /// Builds and installs those that are not there yet, all at once.
    func install(_ slots: [Slot], progress: @escaping @Sendable (LoadingProgress) -> Void) async throws {
        guard !has(slots) else { return }
        await takeTurn()
        defer { giveTurn() }
        let known = state.withLock { $0.programs }
        var missing: [Slot] = []
        for slot in slots where known[slot] == nil && !missing.contains(slot) { missing.append(slot) }
        guard !missing.isEmpty else { return }
        try Task.checkCancellation()
        let programs = try missing.map { try model.program($0.role, shape: $0.shape) }
        let keys = try await runner.install(programs, progress: progress)
        for (slot, (program, key)) in zip(missing, zip(programs, keys)) {
            let entry = Self.entry(program, key)
            state.withLock { state in
                state.useCount += 1
                state.programs[slot] = Kept(entry: entry, lastUse: state.useCount)
            }
        }
        await runner.uninstall(takeUnused(but: Set(slots)))
    }

    /// Forgets those that have been used least recently as long as there are too many, and gives their keys.
    private func takeUnused(but needed: Set<Slot>) -> [ProgramKey] {
        state.withLock { state in
            let idle = state.programs.filter { $0.value.callCount == 0 && !needed.contains($0.key) }
                .sorted { $0.value.lastUse < $1.value.lastUse }
            let gone = idle.prefix(max(0, state.programs.count - limit))
            for (slot, _) in gone { state.programs[slot] = nil }
            // Slots whose programs are equal share a key.
            let keys = Set(state.programs.values.map(\.entry.key))
            return Set(gone.map(\.value.entry.key)).subtracting(keys).sorted { $0.name < $1.name }
        }
    }

    /// True where all of them are installed.
    func has(_ slots: [Slot]) -> Bool {
        state.withLock { state in
            // Also those that are there are wanted now.
            slots.allSatisfy { state.use($0) != nil }
        }
    }

    /// Batch sizes up to a limit that a role's program is installed for.
    func sizes(of role: ProgramRole, shape: GenerationShape, limit: Int) -> [Int] {
        state.withLock { state in
            (1...limit).filter { size in
                var shape = shape
                shape.pictures = size
                return state.programs[Slot(role: role, shape: shape)] != nil
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

    /// The program, which stays until the call is over.
    private func begun(_ slot: Slot) async throws -> Entry {
        while true {
            let entry = state.withLock { state in
                state.programs[slot]?.callCount += 1
                return state.use(slot)
            }
            if let entry { return entry }
            try await install([slot]) { _ in }
        }
    }

    /// Runs a program with those of the given inputs that it takes; installs it again where it had to go.
    func run(
        _ role: ProgramRole, _ shape: GenerationShape, request: UInt64, slots: [UInt64] = [],
        inputs: [String: HostTensor]
    ) async throws -> [String: HostTensor] {
        let slot = Slot(role: role, shape: shape)
        let entry = try await begun(slot)
        defer { state.withLock { $0.programs[slot]?.callCount -= 1 } }
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
