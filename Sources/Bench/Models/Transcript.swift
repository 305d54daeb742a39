public import Coordinator
public import Program
public import Tensor

/// What was asked of a runner, and what it answered, in order.
public struct Transcript: Sendable {
    /// One call.
    public struct Call: Sendable {
        /// Name of the program.
        public var program: String
        /// What it was given.
        public var inputs: [String: HostTensor]
        /// What it gave.
        public var outputs: [String: HostTensor]
        /// Seconds until the answer was there.
        public var seconds: Double
    }

    /// In the order of asking.
    public var calls: [Call] = []

    /// An empty transcript.
    public init() {}
}

/// A runner that writes down its calls; with the transcript of another runner it answers as that one did.
///
/// So the same calls, with the same inputs, are made of models that would choose different codes and go different ways
/// from there (teacher forcing).
public actor TranscribingRunner: ProgramRunner {
    private let runner: any ProgramRunner
    private let teacher: Transcript?
    private var names: [ProgramKey: String] = [:]
    /// True after a loss: calls may be made anew.
    private var hasRecovered = false
    /// What was really asked and answered.
    public private(set) var transcript = Transcript()

    /// Wraps a runner.
    ///
    /// - Parameter teacher: the answers to give, call by call; nil: the runner's own.
    public init(_ runner: any ProgramRunner, teacher: Transcript? = nil) {
        self.runner = runner
        self.teacher = teacher
    }

    /// Installs programs on the wrapped runner.
    public func install(
        _ programs: [Program], progress: @escaping @Sendable (LoadingProgress) -> Void
    ) async throws -> [ProgramKey] {
        let keys = try await runner.install(programs, progress: progress)
        for (key, program) in zip(keys, programs) { names[key] = program.name }
        return keys
    }

    /// Takes programs off the wrapped runner.
    public func uninstall(_ keys: [ProgramKey]) async { await runner.uninstall(keys) }

    /// Runs a program on the wrapped runner; the teacher's answer, where there is one.
    ///
    /// Throws what the wrapped runner throws, and ``BenchError/otherCalls(subject:)`` where the teacher was asked
    /// something else.
    public func run(
        _ key: ProgramKey, request: UInt64, slots: [UInt64], inputs: [String: HostTensor]
    ) async throws -> [String: HostTensor] {
        let name = names[key] ?? key.name
        let begin = ContinuousClock.now
        let outputs = try await runner.run(key, request: request, slots: slots, inputs: inputs)
        let seconds = ContinuousClock.now - begin
        // What is computed anew after a loss was answered already.
        if hasRecovered,
            let former = transcript.calls.firstIndex(where: { $0.program == name && $0.inputs == inputs })
        {
            return teacher?.calls[former].outputs ?? outputs
        }
        let index = transcript.calls.count
        transcript.calls.append(
            .init(
                program: name, inputs: inputs, outputs: outputs,
                seconds: Double(seconds.components.seconds) + 1e-18 * Double(seconds.components.attoseconds)))
        guard let teacher else { return outputs }
        guard teacher.calls.indices.contains(index), teacher.calls[index].program == name,
            teacher.calls[index].inputs == inputs
        else { throw BenchError.otherCalls(subject: name) }
        return teacher.calls[index].outputs
    }

    /// Brings the wrapped runner's devices back; what is then computed anew is written down once only.
    public func recover(from error: any Error) async -> Bool {
        let isBack = await runner.recover(from: error)
        hasRecovered = hasRecovered || isBack
        return isBack
    }

    /// Frees what a request left on the wrapped runner.
    public func release(request: UInt64) async { await runner.release(request: request) }
}
