import Program
import Protocol
import Transport

/// The thread that owns a rank's engine, with a bounded queue of jobs in front.
///
/// Everything that computes or waits for peers happens here, in the order in which it was ordered. Giving up
/// (``abort(_:)``) takes effect inside a job as soon as it next waits for a peer.
final class RankThread: Sendable {
    /// Makes an engine on the rank's thread, with the flag that ends its waits.
    typealias MakeEngine = @Sendable (Assign, AbortFlag) throws -> any RankEngine

    /// Jobs that may wait.
    ///
    /// Requests come one call at a time, so a longer queue means a coordinator that lost count.
    static let queueLimit = 64

    private struct State {
        var jobs: [RankJob] = []
        var abortCount = 0
        var isStopping = false
        var hasEnded = false
        var report = WorkerReport()
    }

    private let state = ConditionLock(State())
    private let abortFlag = AbortFlag()
    private let thread: NamedThread

    /// Starts the thread; what happens on it is told to `report`, beginning with `bound` or a failure of the worker.
    init(
        assign: Assign, make: @escaping MakeEngine, report: @escaping @Sendable (WorkerSession.Event) -> Void
    ) throws {
        let (state, abortFlag) = (state, abortFlag)
        thread = try NamedThread(name: "rank-\(assign.rank)") {
            defer { state.update { $0.hasEnded = true } }
            let engine: any RankEngine
            do {
                engine = try make(assign, abortFlag)
            } catch {
                return report(.failed(FailureReport.describe(error, subject: .worker, isAborted: false)))
            }
            report(.bound(endpoint: engine.endpoint))
            while let job = Self.next(state) {
                state.update { $0.report.running = job.running }
                Self.perform(job, engine, state, abortFlag, report)
                let figures = engine.report
                state.update { $0.report = figures }
            }
        }
    }

    /// What the engine holds and has done, and what it does now.
    var report: WorkerReport { state.update { $0.report } }

    /// Adds a job at the end of the queue; false where it is full or the thread stops.
    func add(_ job: RankJob) -> Bool {
        state.update { state in
            guard !state.isStopping, state.jobs.count < Self.queueLimit else { return false }
            state.jobs.append(job)
            return true
        }
    }

    /// Adds an order to reach the peers of an epoch.
    func connect(epoch: UInt32, endpoints: [String]) -> Bool {
        state.update { state in
            guard !state.isStopping, state.jobs.count < Self.queueLimit else { return false }
            state.jobs.append(.connect(epoch: epoch, endpoints: endpoints, abortCount: state.abortCount))
            return true
        }
    }

    /// Gives up the job that runs and those that wait; calls and installations among them are answered as aborted.
    func abort(_ reason: String) {
        state.update { state in
            state.abortCount += 1
            abortFlag.set(reason)
        }
    }

    /// Gives everything up and waits until the thread has ended, at most for `milliseconds`; false where it has not.
    func stop(reason: String, milliseconds: Int) -> Bool {
        state.update { state in
            state.isStopping = true
            state.abortCount += 1
            state.jobs = []
            abortFlag.set(reason)
        }
        guard state.wait(milliseconds: milliseconds, { $0.hasEnded ? true : nil }) == true else { return false }
        thread.join()
        return true
    }

    private static func next(_ state: ConditionLock<State>) -> RankJob? {
        state.wait { state -> RankJob?? in
            if state.isStopping { return .some(nil) }
            return state.jobs.isEmpty ? nil : .some(state.jobs.removeFirst())
        }
    }

    private static func perform(
        _ job: RankJob, _ engine: any RankEngine, _ state: ConditionLock<State>, _ abortFlag: AbortFlag,
        _ report: @Sendable (WorkerSession.Event) -> Void
    ) {
        do {
            switch job {
            case .connect(let epoch, let endpoints, let abortCount):
                let isCurrent = state.update { state in
                    guard state.abortCount == abortCount else { return false }
                    abortFlag.clear()
                    return true
                }
                // Given up before it began: the coordinator will order another epoch, or the end.
                guard isCurrent else { return }
                try engine.connect(endpoints: endpoints, epoch: epoch)
                report(.connected(epoch: epoch))
            case .install(let order):
                if let reason = abortFlag.reason { throw TransportError.aborted(reason: reason) }
                report(.installed(try engine.install(order) { report(.progress($0)) }))
            case .uninstall(let key):
                engine.uninstall(key)
            case .run(let order):
                if let reason = abortFlag.reason { throw TransportError.aborted(reason: reason) }
                report(.finished(try engine.run(order)))
            case .release(let request):
                engine.release(request: request)
            case .trace(let order):
                report(.traced(engine.trace(order)))
            }
        } catch {
            let isAborted = abortFlag.reason != nil
            if case .connect = job, isAborted { return }
            report(.failed(FailureReport.describe(error, subject: job.subject, isAborted: isAborted)))
        }
    }
}
