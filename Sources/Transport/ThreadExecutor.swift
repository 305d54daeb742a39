/// Runs a tree of tasks, and an actor if wanted (``ActorExecutor``), on an operating system thread of its own.
///
/// For what must be on time although everything else in the process computes: the threads of the cooperative pool are as
/// few as processors, and whoever computes for seconds on them keeps all other tasks waiting. An `AsyncStream` is awaited
/// on the preferred executor of the task, not on the actor's: whoever reads one for an actor prefers this executor.
package final class ThreadExecutor: TaskExecutor {
    private let queue: Queue

    /// Starts the thread; it ends when nobody holds an executor of it any more.
    ///
    /// At most 15 bytes of the name are shown by the system. Traps where the process may start no thread: nothing that
    /// would run here could go on.
    package init(name: String) { queue = Queue(name: name) }

    /// Calls `body` on the thread at this interval, after what was queued before; nil: no more.
    package func tick(_ interval: Duration, _ body: (@Sendable () -> Void)?) {
        let milliseconds = max(1, Int(interval / .milliseconds(1)))
        queue.state.update { $0.ticker = body.map { Ticker(milliseconds: milliseconds, body: $0) } }
    }

    /// Queues a job.
    package func enqueue(_ job: consuming ExecutorJob) {
        queue.add(.free(UnownedJob(job), asUnownedTaskExecutor()))
    }

    /// This executor, for the runtime.
    package func asUnownedTaskExecutor() -> UnownedTaskExecutor { UnownedTaskExecutor(ordinary: self) }

    /// Runs an actor on the thread of a ``ThreadExecutor``.
    package final class ActorExecutor: SerialExecutor {
        private let queue: Queue

        /// Shares a thread.
        package init(_ executor: ThreadExecutor) { queue = executor.queue }

        /// Queues a job.
        package func enqueue(_ job: consuming ExecutorJob) {
            queue.add(.isolated(UnownedJob(job), asUnownedSerialExecutor()))
        }

        /// This executor, for the runtime.
        package func asUnownedSerialExecutor() -> UnownedSerialExecutor { UnownedSerialExecutor(ordinary: self) }
    }

    private enum Job: Sendable {
        case isolated(UnownedJob, UnownedSerialExecutor)
        case free(UnownedJob, UnownedTaskExecutor)

        func run() {
            switch self {
            case .isolated(let job, let executor): job.runSynchronously(on: executor)
            case .free(let job, let executor): job.runSynchronously(on: executor)
            }
        }
    }

    private struct Ticker {
        var milliseconds: Int
        var body: @Sendable () -> Void
    }

    private struct State {
        var jobs: [Job] = []
        var ticker: Ticker?
        var isOver = false
    }

    /// What the thread takes over.
    private struct Batch {
        var jobs: [Job]
        var ticker: Ticker?
        var isOver: Bool
    }

    /// Jobs, and the thread that runs them.
    private final class Queue: Sendable {
        let state: ConditionLock<State>
        private let thread: NamedThread

        init(name: String) {
            let state = ConditionLock(State())
            do {
                thread = try NamedThread(name: name) { ThreadExecutor.run(state) }
            } catch {
                fatalError("a process needs a thread for \(name): \(error)")
            }
            self.state = state
        }

        deinit { state.update { $0.isOver = true } }

        func add(_ job: Job) { state.update { $0.jobs.append(job) } }
    }

    private static func run(_ state: ConditionLock<State>) {
        let clock = ContinuousClock()
        var ticked = clock.now
        var ticker: Ticker?
        while true {
            let since = Int(ticked.duration(to: clock.now) / .milliseconds(1))
            let isTicking = ticker != nil
            func due(_ state: inout State) -> Batch? {
                guard !state.jobs.isEmpty || state.isOver || (state.ticker != nil) != isTicking else { return nil }
                defer { state.jobs = [] }
                return Batch(jobs: state.jobs, ticker: state.ticker, isOver: state.isOver)
            }
            let batch =
                if let ticker {
                    state.wait(milliseconds: max(0, ticker.milliseconds - since), due)
                } else {
                    state.wait(due)
                }
            if let batch {
                for job in batch.jobs { job.run() }
                if batch.isOver && batch.jobs.isEmpty { return }
                ticker = batch.ticker
            }
            if let ticker, Int(ticked.duration(to: clock.now) / .milliseconds(1)) >= ticker.milliseconds {
                ticked = clock.now
                ticker.body()
            }
        }
    }
}
