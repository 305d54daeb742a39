import Coordinator
import Foundation
import Logging
import Testing

@testable import Server

/// The desk without routes: who follows what, and what becomes of orders whose clients leave.
@Suite(.timeLimit(.minutes(10))) struct OrderDeskTests {
    private func desk(
        _ service: FakeService, store: any JobStore = MemoryJobStore(), grace: Duration = .seconds(600)
    ) -> OrderDesk {
        OrderDesk(
            service: service, store: store, retention: .init(),
            logger: Logger(label: "test", factory: { _ in SwiftLogNoOpLogHandler() }), grace: grace,
            pace: .milliseconds(1))
    }

    private func ticket(_ prompt: String, attempt: Int, owner: String = "") -> OrderTicket {
        OrderTicket(
            order: PictureOrder(.init(prompt: prompt)), owner: owner, kind: .generation, digest: prompt,
            mayRetry: true, isRetry: attempt > 0)
    }

    /// Looks again and again until something holds, leaving the processors to others in between.
    private func until(_ condition: () async throws -> Bool) async throws {
        while try await !condition() { try await Task.sleep(for: .milliseconds(1)) }
    }

    private func pictures(_ events: OrderRun.Events) async throws -> PaintedPictures? {
        for try await event in events { if case .finished(let pictures) = event { return pictures } }
        return nil
    }

    @Test func aSecondAttemptJoinsTheFirst() async throws {
        let service = FakeService(waits: true)
        let desk = desk(service)
        do { _ = try await desk.place(ticket("x", attempt: 0)) }
        try await until { await desk.runs[1]?.departures == 1 }
        // Others' orders, other bodies and first attempts are orders of their own.
        let others = [
            try await desk.place(ticket("x", attempt: 1, owner: "b")), try await desk.place(ticket("y", attempt: 1)),
            try await desk.place(ticket("x", attempt: 0)),
        ]
        #expect(service.placed.count == 4)
        let joined = try await desk.place(ticket("x", attempt: 1))
        #expect(service.placed.count == 4)
        service.letGo()
        #expect(try await pictures(joined.events) != nil)
        for other in others { #expect(try await pictures(other.events) != nil) }
        try await until { await desk.runs.isEmpty }
    }

    @Test func whatIsDoneBeforeTheSecondAttemptIsKeptForIt() async throws {
        let service = FakeService(waits: true)
        let desk = desk(service)
        do { _ = try await desk.place(ticket("x", attempt: 0)) }
        try await until { await desk.runs[1]?.departures == 1 }
        service.letGo()
        try await until { await desk.runs[1]?.result != nil }
        #expect(try await pictures(try await desk.place(ticket("x", attempt: 1)).events)?.files.count == 1)
        #expect(service.placed.count == 1)
        // It was given away: a third attempt makes it anew.
        _ = try await desk.place(ticket("x", attempt: 2))
        #expect(service.placed.count == 2)
    }

    @Test func interruptedJobsWaitAndAreMadeOnce() async throws {
        let (service, store) = (FakeService(waits: true), MemoryJobStore())
        let desk = desk(service, store: store)
        var order = ticket("x", attempt: 0)
        order.isJob = true
        let job = try await desk.accept(order).job
        await service.queue.stop(because: "test")
        try await until { try await store.job(job.id)?.state == .queued }
        #expect(try await store.job(job.id)?.attempts == 0)
        await desk.finishAll()

        let second = FakeService()
        let next = self.desk(second, store: store)
        try await next.resume()
        let upkeep = Task { await next.run() }
        try await until { try await store.job(job.id)?.state == .completed }
        upkeep.cancel()
        #expect(second.placed.map(\.request.seed) == [job.order.seed])
    }

    @Test func aJobThatEndsEveryServerIsGivenUp() async throws {
        let store = MemoryJobStore()
        let job = Job(
            id: Job.freshID("job_"), owner: "", kind: .generation, model: "demo", created: 1,
            order: StoredOrder(PictureOrder(.init(prompt: "x"))))
        try await store.insert(job, input: nil, files: [])
        for _ in 0..<OrderDesk.attemptLimit {
            try await desk(FakeService(), store: store).resume()
            #expect(try await store.job(job.id)?.state == .queued)
            // Begun, and then the process is gone.
            #expect(try await store.apply(.begun(at: 1), to: job.id, files: []))
        }
        try await desk(FakeService(), store: store).resume()
        #expect(try await store.job(job.id)?.failure?.code == "too_many_attempts")
    }

    @Test func aJobForAnotherModelFails() async throws {
        let store = MemoryJobStore()
        let job = Job(
            id: Job.freshID("job_"), owner: "", kind: .generation, model: "other", created: 1,
            order: StoredOrder(PictureOrder(.init(prompt: "x"))))
        try await store.insert(job, input: nil, files: [])
        let service = FakeService()
        let desk = desk(service, store: store)
        try await desk.resume()
        let upkeep = Task { await desk.run() }
        try await until { try await store.job(job.id)?.state.isOver == true }
        upkeep.cancel()
        #expect(try await store.job(job.id)?.failure?.code == "model_not_found")
        #expect(service.placed.isEmpty)
    }
}
