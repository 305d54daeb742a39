import CKernels
import CLinux
import Glibc
import Synchronization

/// A few threads that run one loop at a time: the caller is one of them.
///
/// Waiting threads spin for some microseconds, then sleep. Which thread runs which index is fixed by the counts alone.
/// Kernels never let a value depend on it.
public final class ThreadPool {
    /// Threads that work on a loop, the caller included.
    public let threadCount: Int
    /// Memory of the kernels that run on the pool.
    let scratch: Scratch
    /// Where the programs that run on these threads put their buffers.
    let arena = SharedArena()
    private let state: State
    private var handles: [pthread_t] = []

    /// Starts the threads.
    ///
    /// - Parameters:
    ///   - threads: at least 1; the caller of ``parallelFor(_:_:)`` is one of them.
    ///   - cpus: one CPU a thread to pin it to, the caller first; empty: no pinning.
    public init(threads: Int, cpus: [Int] = []) {
        precondition(threads >= 1 && threads <= 1024, "a pool has between 1 and 1024 threads")
        precondition(cpus.isEmpty || cpus.count >= threads, "pinning names a CPU for each thread")
        threadCount = threads
        state = State()
        scratch = Scratch(threadCount: threads)
        // A thread that cannot be pinned (the CPU is not in the process's set) runs unpinned: only speed is at stake.
        if let first = cpus.first { _ = clinux_pin_thread(Int32(first)) }
        for index in 1..<max(1, threads) {
            let start = Start(
                state: state, index: index, threadCount: threads, cpu: cpus.isEmpty ? nil : cpus[index])
            var handle = pthread_t()
            let code = pthread_create(
                &handle, nil,
                { argument in
                    guard let argument else { return nil }
                    Unmanaged<Start>.fromOpaque(argument).takeRetainedValue().run()
                    return nil
                }, Unmanaged.passRetained(start).toOpaque())
            precondition(code == 0, "the system lets a process start its worker threads")
            handles.append(handle)
        }
    }

    deinit {
        state.stop()
        for handle in handles { pthread_join(handle, nil) }
    }

    /// Calls `body` with every index in `0..<count` and returns when all calls have.
    ///
    /// Thread t of N takes the contiguous indices `t·count/N ..< (t+1)·count/N`. Must not be nested. Takes heap memory for
    /// the closure: what runs in every step is given as ``parallelFor(_:_:_:)``.
    public func parallelFor(_ count: Int, _ body: (_ index: Int) -> Void) {
        parallelFor(count) { index, _ in body(index) }
    }

    /// As ``parallelFor(_:_:)``; the body is also told which thread runs it, to choose its scratch memory.
    public func parallelFor(_ count: Int, _ body: (_ index: Int, _ thread: Int) -> Void) {
        withoutActuallyEscaping(body) { run(ClosureLoop(body: $0), count) }
    }

    /// As ``parallelFor(_:_:)``, without heap memory: the body captures nothing, and what it needs is written down for it.
    public func parallelFor<Captures: BitwiseCopyable>(
        _ count: Int, _ captures: Captures,
        _ body: @escaping (_ captures: UnsafePointer<Captures>, _ index: Int, _ thread: Int) -> Void
    ) {
        withUnsafePointer(to: captures) { run(IndexLoop(captures: $0, body: body), count) }
    }

    /// As ``parallelFor(_:_:_:)``, in blocks of `grain`: the body is given a range of `0..<count`.
    func blocks<Captures: BitwiseCopyable>(
        _ count: Int, grain: Int, _ captures: Captures,
        _ body: @escaping (_ captures: UnsafePointer<Captures>, _ range: Range<Int>, _ thread: Int) -> Void
    ) {
        let grain = max(1, grain)
        withUnsafePointer(to: captures) {
            run(BlockLoop(count: count, grain: grain, captures: $0, body: body), (count + grain - 1) / grain)
        }
    }

    private func run<Loop: PoolLoop>(_ loop: Loop, _ count: Int) {
        if threadCount == 1 || count <= 1 { return loop.run(0..<max(0, count), thread: 0) }
        withUnsafePointer(to: loop) { loop in
            withUnsafePointer(to: Job(count: count, type: Loop.self, loop: loop)) { job in
                state.publish(job, workers: threadCount - 1)
                job.pointee.run(thread: 0, of: threadCount)
                state.awaitWorkers()
            }
        }
    }

    /// A loop that is running.
    private struct Job {
        let count: Int
        let type: any PoolLoop.Type
        /// On the stack of the thread that waits for the others.
        let loop: UnsafeRawPointer

        func run(thread: Int, of threads: Int) {
            type.run(loop, thread * count / threads..<(thread + 1) * count / threads, thread: thread)
        }
    }

    /// What a new thread is told.
    private final class Start {
        let state: State
        let index: Int
        let threadCount: Int
        let cpu: Int?

        init(state: State, index: Int, threadCount: Int, cpu: Int?) {
            self.state = state
            self.index = index
            self.threadCount = threadCount
            self.cpu = cpu
        }

        func run() {
            _ = clinux_name_thread("tessera-\(index)")
            if let cpu { _ = clinux_pin_thread(Int32(cpu)) }
            // These threads do nothing but loops.
            HeapCounter.shared?.count(true)
            var seen: UInt64 = 0
            while let job = state.next(after: &seen) {
                job.pointee.run(thread: index, of: threadCount)
                state.finished()
            }
        }
    }

    /// What the threads share.
    ///
    /// Sendable because `job` is written only while no worker reads it: before `generation` grows and after `pending`
    /// is 0.
    private final class State: @unchecked Sendable {
        private static let spins = 2000
        private let generation = Atomic<UInt64>(0)
        private let pending = Atomic<Int>(0)
        private let sleepers = Atomic<Int>(0)
        private let stopping = Atomic<Bool>(false)
        private var job: UnsafePointer<Job>?
        private let mutex: UnsafeMutablePointer<pthread_mutex_t> = .allocate(capacity: 1)
        private let condition: UnsafeMutablePointer<pthread_cond_t> = .allocate(capacity: 1)

        init() {
            pthread_mutex_init(mutex, nil)
            pthread_cond_init(condition, nil)
        }

        deinit {
            pthread_cond_destroy(condition)
            pthread_mutex_destroy(mutex)
            condition.deallocate()
            mutex.deallocate()
        }

        func publish(_ pointer: UnsafePointer<Job>, workers: Int) {
            job = pointer
            pending.store(workers, ordering: .relaxed)
            generation.wrappingAdd(1, ordering: .sequentiallyConsistent)
            wakeSleepers()
        }

        func stop() {
            stopping.store(true, ordering: .sequentiallyConsistent)
            generation.wrappingAdd(1, ordering: .sequentiallyConsistent)
            wakeSleepers()
        }

        private func wakeSleepers() {
            guard sleepers.load(ordering: .sequentiallyConsistent) > 0 else { return }
            pthread_mutex_lock(mutex)
            pthread_cond_broadcast(condition)
            pthread_mutex_unlock(mutex)
        }

        /// The next job, or nil when the pool ends.
        func next(after seen: inout UInt64) -> UnsafePointer<Job>? {
            var spin = 0
            while generation.load(ordering: .acquiring) == seen && spin < Self.spins {
                spin += 1
                _spinHint()
            }
            if generation.load(ordering: .acquiring) == seen {
                pthread_mutex_lock(mutex)
                sleepers.wrappingAdd(1, ordering: .sequentiallyConsistent)
                while generation.load(ordering: .sequentiallyConsistent) == seen {
                    pthread_cond_wait(condition, mutex)
                }
                sleepers.wrappingSubtract(1, ordering: .sequentiallyConsistent)
                pthread_mutex_unlock(mutex)
            }
            seen += 1
            return stopping.load(ordering: .acquiring) ? nil : job
        }

        func finished() { pending.wrappingSubtract(1, ordering: .acquiringAndReleasing) }

        func awaitWorkers() {
            var spin = 0
            while pending.load(ordering: .acquiring) > 0 {
                spin += 1
                if spin < Self.spins { _spinHint() } else { sched_yield() }
            }
        }

        private func _spinHint() { tk_spin_hint() }
    }
}
