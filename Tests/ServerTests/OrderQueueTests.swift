import Coordinator
import Server
import Synchronization
import Testing

/// The queue that all clients stand in.
@Suite(.timeLimit(.minutes(10))) struct OrderQueueTests {
    private static let nothing = PaintedPictures(files: [], width: 1, height: 1, seed: 0)

    /// Work that begins, waits until it is let go, and ends.
    private final class Job: Sendable {
        let (began, beginning) = AsyncStream.makeStream(of: Void.self)
        let (gate, gateKeeper) = AsyncStream.makeStream(of: Void.self)

        func run(_ tell: OrderQueue.Ticket) async throws -> PaintedPictures {
            await tell(.stepped(done: 1, total: 4, secondsLeft: 30))
            beginning.finish()
            for await _ in gate {}
            try Task.checkCancellation()
            return OrderQueueTests.nothing
        }

        /// As ``run(_:)``, but it still waits.
        func wait() async throws -> PaintedPictures {
            for await _ in gate {}
            try Task.checkCancellation()
            return OrderQueueTests.nothing
        }

        func letGo() { gateKeeper.finish() }
        func hasBegun() async { for await _ in began {} }
    }

    private func end(_ events: AsyncThrowingStream<PaintingEvent, any Error>) async throws -> [PaintingEvent] {
        var all: [PaintingEvent] = []
        for try await event in events { all.append(event) }
        return all
    }

    @Test func ordersAreNumberedAsTheyCome() async throws {
        let queue = OrderQueue(limit: 10, metrics: Metrics())
        let numbers = Mutex<[Int: UInt64]>([:])
        var streams: [AsyncThrowingStream<PaintingEvent, any Error>] = []
        for index in 0..<10 {
            streams.append(
                try await queue.place(cost: 1) { ticket in
                    numbers.withLock { $0[index] = ticket.number }
                    return Self.nothing
                })
        }
        for stream in streams {
            let events = try await end(stream)
            #expect(events.last == .finished(Self.nothing))
            guard case .queued = events.first else {
                Issue.record("no place was told")
                continue
            }
        }
        #expect(numbers.withLock { $0 } == Dictionary(uniqueKeysWithValues: (0..<10).map { ($0, UInt64($0 + 1)) }))
    }

    @Test func aFullQueueTurnsAwayAndSaysWhenToComeBack() async throws {
        let time = Mutex(Duration.zero)
        let queue = OrderQueue(
            limit: 1, metrics: Metrics(), placeInterval: .seconds(600), now: { time.withLock { $0 } })
        let job = Job()
        let first = try await queue.place(cost: 4) { try await job.run($0) }
        await job.hasBegun()
        let waiting = Job()
        let second = try await queue.place(cost: 4) { _ in try await waiting.wait() }
        await #expect(throws: OrderError.queueFull(limit: 1, retryAfter: .seconds(30))) {
            try await queue.place(cost: 4) { _ in Self.nothing }
        }
        #expect(await queue.status.waiting == 1)
        job.letGo()
        #expect(try await end(first).count == 3)
        waiting.letGo()
        #expect(try await end(second) == [.queued(ahead: 1), .finished(Self.nothing)])
    }

    @Test func whoWaitsIsToldThePlaceAgainWhenItChanges() async throws {
        let queue = OrderQueue(limit: 8, metrics: Metrics(), placeInterval: .milliseconds(1))
        let jobs = (0..<4).map { _ in Job() }
        var streams: [AsyncThrowingStream<PaintingEvent, any Error>] = []
        for job in jobs.prefix(3) { streams.append(try await queue.place(cost: 1) { _ in try await job.wait() }) }
        var last = streams[2].makeAsyncIterator()
        #expect(try await last.next() == .queued(ahead: 2))
        jobs[0].letGo()
        #expect(try await end(streams[0]).last == .finished(Self.nothing))
        #expect(try await last.next() == .queued(ahead: 1))
        // One that came later and was begun before it is ahead of it, too.
        let overtaking = try await queue.place(cost: 1) { try await jobs[3].run($0) }
        #expect(try await last.next() == .queued(ahead: 2))
        jobs[1].letGo()
        jobs[3].letGo()
        _ = try await end(streams[1])
        _ = try await end(overtaking)
        // Both ends may be told as one.
        let next = try await last.next()
        #expect(next == .queued(ahead: 1) || next == .queued(ahead: 0))
        jobs[2].letGo()
        var events: [PaintingEvent] = []
        while let event = try await last.next() { events.append(event) }
        #expect(events.last == .finished(Self.nothing))
    }

    @Test func withoutStepsTheTimeOfEarlierOrdersCounts() async throws {
        let time = Mutex(Duration.zero)
        let queue = OrderQueue(limit: 1, metrics: Metrics(), now: { time.withLock { $0 } })
        let measured = try await queue.place(cost: 10) { _ in
            time.withLock { $0 += .seconds(20) }
            return Self.nothing
        }
        _ = try await end(measured)
        let (began, beginning) = AsyncStream.makeStream(of: Void.self)
        let (gate, gateKeeper) = AsyncStream.makeStream(of: Void.self)
        let silent = try await queue.place(cost: 30) { ticket in
            await ticket.begin()
            beginning.finish()
            for await _ in gate {}
            return Self.nothing
        }
        for await _ in began {}
        let job = Job()
        let waiting = try await queue.place(cost: 1) { _ in try await job.wait() }
        time.withLock { $0 += .seconds(15) }
        // 30 steps at 2 seconds, of which 15 are over.
        await #expect(throws: OrderError.queueFull(limit: 1, retryAfter: .seconds(45))) {
            try await queue.place(cost: 1) { _ in Self.nothing }
        }
        gateKeeper.finish()
        job.letGo()
        _ = try await end(silent)
        _ = try await end(waiting)
    }

    @Test func anOrderThatIsGivenUpLeavesItsPlace() async throws {
        let queue = OrderQueue(limit: 1, metrics: Metrics())
        let job = Job()
        let first = try await queue.place(cost: 1) { try await job.run($0) }
        await job.hasBegun()
        let waiting = Job()
        var second: AsyncThrowingStream<PaintingEvent, any Error>? = try await queue.place(cost: 1) { _ in
            try await waiting.wait()
        }
        #expect(second != nil)
        second = nil
        while await queue.status.waiting > 0 { try await Task.sleep(for: .milliseconds(1)) }
        job.letGo()
        _ = try await end(first)
        _ = try await end(try await queue.place(cost: 1) { _ in Self.nothing })
    }

    @Test func anOrderThatCannotBeDoneInTimeIsRefused() async throws {
        let time = Mutex(Duration.zero)
        let queue = OrderQueue(limit: 9, slots: 2, metrics: Metrics(), now: { time.withLock { $0 } })
        // Nothing is known yet, so nothing is refused.
        let measured = try await queue.place(cost: 10, terms: ServiceTerms(deadline: .seconds(1))) { _ in
            time.withLock { $0 += .seconds(20) }
            return Self.nothing
        }
        _ = try await end(measured)
        // Two seconds a step.
        await #expect(throws: OrderError.late(deadline: .seconds(19), expected: .seconds(20))) {
            try await queue.place(cost: 10, terms: ServiceTerms(deadline: .seconds(19))) { _ in Self.nothing }
        }
        let job = Job()
        let other = try await queue.place(cost: 40, terms: ServiceTerms(client: "other")) { _ in try await job.wait() }
        // Half of the time is the other client's.
        await #expect(throws: OrderError.late(deadline: .seconds(25), expected: .seconds(40))) {
            try await queue.place(cost: 10, terms: ServiceTerms(deadline: .seconds(25))) { _ in Self.nothing }
        }
        let own = try await queue.place(cost: 10, terms: ServiceTerms(deadline: .seconds(40))) { _ in Self.nothing }
        _ = try await end(own)
        job.letGo()
        _ = try await end(other)
    }

    @Test func drainingLetsTheRunningOrderEnd() async throws {
        let queue = OrderQueue(limit: 2, metrics: Metrics())
        let job = Job()
        let first = try await queue.place(cost: 1) { try await job.run($0) }
        await job.hasBegun()
        let waiting = Job()
        let second = try await queue.place(cost: 1) { _ in try await waiting.wait() }
        async let drained: Void = queue.drain(because: "it ends")
        await #expect(throws: OrderError.stopping("it ends")) { _ = try await end(second) }
        await #expect(throws: OrderError.stopping("it ends")) { try await queue.place(cost: 1) { _ in Self.nothing } }
        job.letGo()
        await drained
        #expect(try await end(first).last == .finished(Self.nothing))
    }

    @Test func stoppingGivesAllUp() async throws {
        let queue = OrderQueue(limit: 2, metrics: Metrics())
        let job = Job()
        let first = try await queue.place(cost: 1) { try await job.run($0) }
        await job.hasBegun()
        let waiting = Job()
        let second = try await queue.place(cost: 1) { _ in try await waiting.wait() }
        await queue.stop(because: "it ends")
        for events in [first, second] {
            await #expect(throws: OrderError.stopping("it ends")) { _ = try await end(events) }
        }
        await queue.drain(because: "it ends")
    }

    @Test func aFailureEndsItsOrderOnly() async throws {
        struct Broken: Error {}
        let queue = OrderQueue(limit: 2, metrics: Metrics())
        let broken = try await queue.place(cost: 1) { _ in throw Broken() }
        let whole = try await queue.place(cost: 1) { _ in Self.nothing }
        await #expect(throws: Broken.self) { _ = try await end(broken) }
        #expect(try await end(whole).last == .finished(Self.nothing))
    }
}
