import Foundation
import Server
import Synchronization
import Testing

/// Long work beside the tasks.
@Suite(.timeLimit(.minutes(1))) struct OffloadTests {
    private struct Broken: Error, Equatable { let number: Int }

    @Test func resultsAndErrorsComeBack() async {
        #expect(await Offload.run { 7 } == 7)
        await #expect(throws: Broken(number: 3)) {
            try await Offload.run { () throws(Broken) in throw Broken(number: 3) }
        }
    }

    /// Counts who runs.
    private final class Tally: Sendable {
        private let counts = Mutex((now: 0, most: 0))
        var most: Int { counts.withLock { $0.most } }

        func enter() {
            counts.withLock {
                $0.now += 1
                $0.most = max($0.most, $0.now)
            }
        }

        func leave() { counts.withLock { $0.now -= 1 } }
    }

    /// Cores are left to the workers and to the scheduler.
    @Test func fewRunAtOnce() async {
        let tally = Tally()
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<32 {
                group.addTask {
                    await Offload.run {
                        tally.enter()
                        Thread.sleep(forTimeInterval: 0.001)
                        tally.leave()
                    }
                }
            }
        }
        #expect(tally.most >= 1 && tally.most <= max(1, ProcessInfo.processInfo.activeProcessorCount / 2))
    }
}
