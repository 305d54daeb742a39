import Foundation
import Testing
import Transport

/// An actor on a thread of its own.
private actor Counter {
    private let executor: ThreadExecutor.ActorExecutor
    nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }
    private(set) var count = 0

    init(_ thread: ThreadExecutor) { executor = ThreadExecutor.ActorExecutor(thread) }

    func add() -> Int {
        count += 1
        return count
    }
}

struct ThreadExecutorTests {
    /// Blocks all threads of the cooperative pool until there were ten ticks; false where they did not come.
    private static func blockPool(until ticks: ConditionLock<Int>) async -> Bool {
        await withTaskGroup(of: Bool.self) { group in
            for _ in 0..<2 * ProcessInfo.processInfo.activeProcessorCount {
                group.addTask { ticks.wait(milliseconds: 30_000) { $0 >= 10 ? true : nil } ?? false }
            }
            return await group.allSatisfy { $0 }
        }
    }

    @Test func anActorIsOnTimeWhileThePoolComputes() async {
        let thread = ThreadExecutor(name: "counter")
        let counter = Counter(thread)
        let (signals, continuation) = AsyncStream.makeStream(of: Void.self)
        let ticks = ConditionLock(0)
        let task = Task(executorPreference: thread) {
            for await _ in signals {
                let count = await counter.add()
                ticks.update { $0 = count }
            }
        }
        thread.tick(.milliseconds(5)) { continuation.yield() }
        while await counter.count == 0 { await Task.yield() }
        #expect(await Self.blockPool(until: ticks))
        thread.tick(.milliseconds(5), nil)
        continuation.finish()
        await task.value
        #expect(await counter.count >= 10)
    }

    @Test func tasksAreOnTimeWhileThePoolComputes() async {
        let executor = ThreadExecutor(name: "tasks")
        let (signals, continuation) = AsyncStream.makeStream(of: Void.self)
        let ticks = ConditionLock(0)
        let task = Task(executorPreference: executor) {
            // Children run there, too.
            await withTaskGroup(of: Void.self) { group in
                group.addTask { for await _ in signals { ticks.update { $0 += 1 } } }
            }
        }
        executor.tick(.milliseconds(5)) { continuation.yield() }
        #expect(await Self.blockPool(until: ticks))
        continuation.finish()
        await task.value
    }

    @Test func jobsKeepTheirOrder() async {
        let executor = ThreadExecutor(name: "order")
        let order = ConditionLock<[Int]>([])
        await withTaskGroup(of: Void.self) { group in
            for index in 0..<1000 {
                group.addTask(executorPreference: executor) { order.update { $0.append(index) } }
            }
        }
        #expect(order.update { $0 } == Array(0..<1000))
    }
}
