import Program
import Runtime
import Testing

/// A ring keeps the last events and counts the others.
@Suite struct TraceRingTests {
    @Test(arguments: [(1, 5), (4, 4), (4, 3), (4, 9), (8, 0), (3, 7)])
    func keepsTheLastEventsAndCountsTheRest(capacity: Int, count: Int) {
        let ring = TraceRing(capacity: capacity)
        for call in 0..<count {
            ring.call = UInt64(call)
            ring.recordCall(since: TraceRing.now)
        }
        let taken = ring.take()
        #expect(taken.lost == max(0, count - capacity))
        #expect(taken.events.map(\.call) == (max(0, count - capacity)..<count).map { UInt64($0) })
        #expect(taken.events.allSatisfy { $0.instruction == nil && $0.begin <= $0.end && $0.end <= TraceRing.now })
        #expect(ring.take().events.isEmpty && ring.take().lost == 0)
    }

    @Test func aTakenRingStartsAnew() {
        let ring = TraceRing(capacity: 2)
        for _ in 0..<3 { ring.recordCall(since: 0) }
        _ = ring.take()
        ring.call = 7
        ring.recordCall(since: 0)
        let taken = ring.take()
        #expect(taken.lost == 0 && taken.events.map(\.call) == [7])
    }
}

/// Limits are numbers that a machine can have.
@Suite struct MachineLimitTests {
    @Test(arguments: MachineLimit.Arithmetic.allCases)
    func arithmeticIsMeasured(kind: MachineLimit.Arithmetic) {
        let speed = MachineLimit.operationsPerSecond(kind, threads: 1)
        // Between one operation in a hundred cycles and a thousand times a fast core.
        #expect(speed > 1e7 && speed < 1e16, "\(speed)")
        #expect(!kind.instructions.isEmpty)
    }

    @Test func memoryIsMeasured() throws {
        let speed = try #require(MachineLimit.readBytesPerSecond(threads: 2, byteCount: 8 << 20))
        #expect(speed > 1e7 && speed < 1e14, "\(speed)")
    }

    @Test func noMemoryIsNoFigure() {
        #expect(MachineLimit.readBytesPerSecond(threads: 1, byteCount: 100) == nil)
    }
}
