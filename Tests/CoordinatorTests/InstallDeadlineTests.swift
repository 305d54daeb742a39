import Coordinator
import Protocol
import Testing
import Transport
import Worker

/// Loading that takes too long.
@Suite(.timeLimit(.minutes(1))) struct InstallDeadlineTests {
    /// An engine that loads until it is given up.
    private final class LoadingEngine: RankEngine {
        let endpoint = "tcp://127.0.0.1:1"
        private let abortFlag: AbortFlag

        init(abortFlag: AbortFlag) { self.abortFlag = abortFlag }

        func connect(endpoints: [String], epoch: UInt32) {}
        func install(_ order: Install, progress: (LoadProgress) -> Void) throws -> Installed {
            let lock = ConditionLock(false)
            while abortFlag.reason == nil { _ = lock.wait(milliseconds: 1) { $0 ? true : nil } }
            throw TransportError.aborted(reason: abortFlag.reason ?? "")
        }
        func uninstall(_ programKey: String) {}
        func run(_ order: Run) throws -> RunResult { throw WorkerError.unknownProgram(key: order.programKey) }
        func release(request: UInt64) {}
    }

    @Test("the deadline of an installation is the caller's, who may install several", arguments: [true, false])
    func deadline(isOfTheCaller: Bool) async throws {
        let launcher = InProcessLauncher { _ in { _, abortFlag in LoadingEngine(abortFlag: abortFlag) } }
        let settings = twoWorkers { if !isOfTheCaller { $0.installDeadline = .milliseconds(200) } }
        try await withCluster(settings, launcher: launcher, logger: testLogger) { cluster in
            let error = await failure {
                try await cluster.install(
                    "step", locals: [HandPrograms.double(0), HandPrograms.double(1)], sources: [:],
                    deadline: isOfTheCaller ? .now + .milliseconds(200) : nil)
            }
            guard case .workerLost("w0", 0, let loss, _, _) = error else {
                return #expect(Bool(false), "\(String(describing: error))")
            }
            #expect(loss.contains("did not finish installing step"))
        }
    }
}
