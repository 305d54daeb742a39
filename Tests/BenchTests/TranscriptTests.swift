import Bench
import Coordinator
import Program
import Synchronization
import Tensor
import Testing

/// Answers every call with how many there were, and loses a worker in one of them.
private final class LossyRunner: ProgramRunner {
    private let count = Mutex(0)
    private let lossy: Int

    init(lossy: Int) { self.lossy = lossy }

    func install(
        _ programs: [Program], progress: @escaping @Sendable (LoadingProgress) -> Void
    ) async throws -> [ProgramKey] { programs.map { ProgramKey($0.name) } }

    func run(
        _ key: ProgramKey, request: UInt64, slots: [UInt64], inputs: [String: HostTensor]
    ) async throws -> [String: HostTensor] {
        let number = count.withLock { count in
            count += 1
            return count
        }
        if number == lossy {
            throw ClusterError.interrupted(worker: "w0", rank: 0, loss: "ended with signal 9", doing: "running step")
        }
        return ["y": HostTensor([Float(number)], dims: [1])]
    }

    func release(request: UInt64) async {}

    func recover(from error: any Error) async -> Bool {
        if case ClusterError.interrupted = error { true } else { false }
    }
}

@Suite struct TranscriptTests {
    private static let calls: [(program: String, input: Float)] = [("text", 1), ("step", 2), ("step", 3)]

    /// Makes the calls as a decoding loop does: after a loss the text again, and the call that was lost.
    private static func make(_ runner: any ProgramRunner) async throws -> [Float] {
        func call(_ index: Int) async throws -> Float {
            let (program, input) = calls[index]
            let inputs = ["x": HostTensor([input], dims: [1])]
            return try await runner.run(ProgramKey(program), request: 1, slots: [], inputs: inputs)["y"]?.floats[0] ?? 0
        }
        var answers: [Float] = []
        for index in calls.indices {
            do {
                answers.append(try await call(index))
            } catch {
                guard await runner.recover(from: error) else { throw error }
                #expect(try await call(0) > 0)
                answers.append(try await call(index))
            }
        }
        return answers
    }

    @Test func whatIsComputedAnewAfterALossIsWrittenDownOnce() async throws {
        let runner = TranscribingRunner(LossyRunner(lossy: 3))
        // The third call is lost, the fourth is the text again.
        #expect(try await Self.make(runner) == [1, 2, 5])
        let transcript = await runner.transcript
        #expect(transcript.calls.map(\.program) == ["text", "step", "step"])
        #expect(transcript.calls.map { $0.inputs["x"]?.floats[0] } == [1, 2, 3])
        // A pupil that loses a worker elsewhere still answers as its teacher did.
        let pupil = TranscribingRunner(LossyRunner(lossy: 2), teacher: transcript)
        #expect(try await Self.make(pupil) == [1, 2, 5])
        #expect(await pupil.transcript.calls.count == 3)
    }

    @Test func whatNobodyBringsBackIsAnError() async {
        struct Broken: Error {}
        let runner = TranscribingRunner(LossyRunner(lossy: 0))
        #expect(await !runner.recover(from: Broken()))
    }
}
