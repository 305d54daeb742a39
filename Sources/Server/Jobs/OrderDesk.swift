import Coordinator
import Foundation
import Logging

/// Stands between the routes and the service: knows every order in progress, lets any number of clients follow one, and
/// looks after those that outlive their client or the process.
///
/// An order ends with its last follower, unless it is a job: that one is in the store before anybody is answered, and is
/// placed again after a restart.
actor OrderDesk {
    /// Where an order stands that was placed or found, and the job that it is.
    struct Placed {
        let events: OrderRun.Events
        let job: String?
    }

    /// What was found under an idempotency key.
    enum Found {
        case live(Int)
        case stored(Job)
    }

    private struct OwnersKey: Hashable {
        var owner: String
        var key: String
    }

    /// How often a job may lose its workers before it fails.
    static let attemptLimit = 5

    let service: any ImageService
    let store: any JobStore
    let retention: ServerSettings.Retention
    let logger: Logger
    /// How long an order is kept running whose client may come back.
    let grace: Duration
    /// How long to wait before something is tried again.
    let pace: Duration
    /// Seconds since 1970.
    let now: @Sendable () -> Double

    var runs: [Int: OrderRun] = [:]
    /// Runs that are to be placed, first come first.
    var waiting: [Int] = []
    var isEnding = false
    /// Seconds of a step of a picture, and the steps of the last order: measured.
    var secondsPerStep: Double?
    var lastSteps: Int?
    /// Bytes of pictures that were kept when it was last looked, and of those that have come: before that look, and in
    /// all.
    var kept: (byteCount: Int, seen: Int)?
    var added = 0
    private var byJob: [String: Int] = [:]
    private var byKey: [OwnersKey: Int] = [:]
    private var lastNumber = 0
    private var lastFollower = 0

    init(
        service: any ImageService, store: any JobStore, retention: ServerSettings.Retention, logger: Logger,
        grace: Duration, pace: Duration = .milliseconds(200), now: (@Sendable () -> Double)? = nil
    ) {
        self.service = service
        self.store = store
        self.retention = retention
        self.logger = logger
        self.grace = grace
        self.pace = pace
        self.now = now ?? { Date().timeIntervalSince1970 }
    }

    // MARK: Placing

    /// Places an order, or joins the one that it repeats.
    ///
    /// Throws what the service throws, ``JobStoreError``, ``APIError``.
    func place(_ ticket: OrderTicket) async throws -> Placed {
        switch try await find(ticket) {
        case .live(let number): return Placed(events: follow(number), job: runs[number]?.job?.id)
        case .stored(let job):
            if let events = try await answer(of: job) { return Placed(events: events, job: job.id) }
            // Its pictures are gone; whoever came first makes them anew.
            try await store.remove(job.id)
            if let number = live(ticket) { return Placed(events: follow(number), job: runs[number]?.job?.id) }
        case nil: break
        }
        return try await start(ticket)
    }

    /// Takes a job, or finds the one that it repeats.
    func accept(_ ticket: OrderTicket) async throws -> JobView {
        var id: String?
        switch try await find(ticket) {
        case .live(let number): id = runs[number]?.job?.id
        case .stored(let job): return view(of: job)
        case nil: id = try await start(ticket).job
        }
        guard let id, let job = try await store.job(id) else { throw APIError.unknownJob }
        return view(of: job)
    }

    private func find(_ ticket: OrderTicket) async throws -> Found? {
        guard let key = ticket.idempotencyKey else {
            guard ticket.isRetry else { return nil }
            // The client of a second attempt has left the first one: nobody follows that.
            let number = runs.values.filter {
                !$0.isDurable && $0.followers.isEmpty && $0.departures > 0 && $0.ticket.owner == ticket.owner
                    && $0.ticket.digest == ticket.digest
            }.map(\.number).max()
            return number.map { .live($0) }
        }
        if let number = live(ticket) { return .live(try checked(number, ticket)) }
        let job = try await store.job(owner: ticket.owner, key: key)
        if let number = live(ticket) { return .live(try checked(number, ticket)) }
        guard let job else { return nil }
        guard job.idempotency?.digest == ticket.digest else { throw APIError.reusedKey }
        return .stored(job)
    }

    private func live(_ ticket: OrderTicket) -> Int? {
        ticket.idempotencyKey.flatMap { byKey[OwnersKey(owner: ticket.owner, key: $0)] }
    }

    private func checked(_ number: Int, _ ticket: OrderTicket) throws -> Int {
        guard runs[number]?.ticket.digest == ticket.digest else { throw APIError.reusedKey }
        return number
    }

    private func start(_ ticket: OrderTicket) async throws -> Placed {
        var job: Job?
        if ticket.isDurable || ticket.keepsPictures {
            job = Job(
                id: Job.freshID("job_"), owner: ticket.owner, kind: ticket.kind, model: service.model.id,
                created: now(), order: StoredOrder(ticket.order),
                idempotency: ticket.idempotencyKey.map { Job.Idempotency(key: $0, digest: ticket.digest) })
        }
        let number = register(ticket, job)
        let stream = follow(number)
        do {
            let events = try await service.place(ticket.order)
            if ticket.isDurable, let job {
                let input = try await Self.input(of: ticket.order)
                try await store.insert(job, input: input, files: [])
            }
            // Dropping the service's stream gives the order up.
            guard runs[number] != nil else { throw CancellationError() }
            pump(number, events)
        } catch {
            end(number, .failure(error))
            throw error
        }
        return Placed(events: stream, job: job?.id)
    }

    /// Notes an order; from here on it can be found.
    func register(_ ticket: OrderTicket, _ job: Job?) -> Int {
        lastNumber += 1
        let isDurable = ticket.isDurable
        runs[lastNumber] = OrderRun(number: lastNumber, ticket: ticket, job: job, isDurable: isDurable)
        if let job, isDurable { byJob[job.id] = lastNumber }
        if let key = ticket.idempotencyKey { byKey[OwnersKey(owner: ticket.owner, key: key)] = lastNumber }
        return lastNumber
    }

    /// The run of a job that is in progress.
    func run(of job: String) -> OrderRun? { byJob[job].flatMap { runs[$0] } }

    // MARK: Following

    /// What happens to an order from now on, after how it stands.
    func follow(_ number: Int) -> OrderRun.Events {
        let (stream, events) = OrderRun.Events.makeStream()
        guard let run = runs[number] else {
            events.finish(throwing: CancellationError())
            return stream
        }
        if let present = present(run) { events.yield(present) }
        if let result = run.result {
            remove(number)
            Self.close(events, result)
            return stream
        }
        lastFollower += 1
        let follower = lastFollower
        // Events are few (a step each), so the stream needs no bound of its own.
        runs[number]?.followers[follower] = events
        events.onTermination = { [weak self] _ in Task { await self?.leave(number, follower) } }
        return stream
    }

    /// What a follower that comes now is told first.
    private func present(_ run: OrderRun) -> PaintingEvent? {
        switch run.progress {
        case .placing: nil
        case .waiting: .queued(ahead: waiting.firstIndex(of: run.number) ?? 0)
        case .queued(let ahead): .queued(ahead: ahead)
        case .loading(let done, let total): .loading(done: done, total: total)
        case .stepped(let done, let total, let secondsLeft):
            .stepped(done: done, total: total, secondsLeft: secondsLeft)
        }
    }

    private func leave(_ number: Int, _ follower: Int) {
        guard runs[number]?.followers.removeValue(forKey: follower) != nil, let run = runs[number],
            run.followers.isEmpty, !run.isDurable
        else { return }
        runs[number]?.departures += 1
        guard run.ticket.mayRetry, !isEnding else { return giveUp(number) }
        let departures = run.departures + 1
        let grace = grace
        Task {
            _ = try? await Task.sleep(for: grace)
            self.expire(number, departures)
        }
    }

    /// Ends an order to which nobody has come back.
    private func expire(_ number: Int, _ departures: Int) {
        guard let run = runs[number], run.followers.isEmpty, run.departures == departures else { return }
        giveUp(number)
    }

    /// Ends an order: it leaves the queue, or ends at the next step.
    func giveUp(_ number: Int) {
        runs[number]?.task?.cancel()
        end(number, .failure(JobCancelled()))
        remove(number)
    }

    /// Follows the service's stream until the order is over.
    func pump(_ number: Int, _ events: OrderRun.Events) {
        runs[number]?.task = Task {
            do {
                for try await event in events {
                    if case .finished(let pictures) = event { return await self.finish(number, pictures) }
                    await self.tell(event, number)
                }
                throw CancellationError()
            } catch {
                await self.fail(number, error)
            }
        }
    }

    /// Ends a run: its followers are told, and others come forward.
    func end(_ number: Int, _ result: Result<PaintedPictures, any Error>) {
        guard let run = runs[number], run.result == nil else { return }
        for follower in run.followers.values { Self.close(follower, result) }
        let mayComeBack = !run.isDurable && run.ticket.mayRetry && run.departures > 0 && run.followers.isEmpty
        if mayComeBack {
            // Whoever left may come back for it until the grace is over.
            runs[number]?.result = result
        } else {
            remove(number)
        }
    }

    private func remove(_ number: Int) {
        guard let run = runs.removeValue(forKey: number) else { return }
        if let job = run.job, byJob[job.id] == number { byJob[job.id] = nil }
        if let key = run.ticket.idempotencyKey {
            let key = OwnersKey(owner: run.ticket.owner, key: key)
            if byKey[key] == number { byKey[key] = nil }
        }
    }

    private static func close(_ follower: OrderRun.Events.Continuation, _ result: Result<PaintedPictures, any Error>) {
        switch result {
        case .failure(let error): follower.finish(throwing: error)
        case .success(let pictures):
            follower.yield(.finished(pictures))
            follower.finish()
        }
    }
}
