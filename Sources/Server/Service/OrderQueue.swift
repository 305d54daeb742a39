public import Coordinator

/// The one queue in front of the cluster: it takes orders of all kinds of clients as long as there is room, knows how
/// each stands, and says how long things will take. Whose turn it is the decoding loop's scheduler decides.
public actor OrderQueue {
    /// Makes the pictures of an order.
    public typealias Work = @Sendable (_ ticket: Ticket) async throws -> PaintedPictures

    /// An order's place in the queue.
    public struct Ticket: Sendable {
        /// Orders are numbered as they come.
        public let number: UInt64
        fileprivate let queue: OrderQueue

        /// Tells the client what happens.
        public func callAsFunction(_ event: PaintingEvent) async { await queue.tell(event, of: number) }
        /// The order waits no more; its first step says so too.
        public func begin() async { await queue.begin(number) }
    }

    /// How the queue is.
    public struct Status: Sendable, Hashable {
        /// Orders that wait.
        public var waiting: Int
        /// Orders that are being served.
        public var running: Int
        /// Time since an order, or else the last one, came forward; nil: there was none.
        public var progressAge: Duration?

        /// Makes a status.
        public init(waiting: Int, running: Int, progressAge: Duration? = nil) {
            self.waiting = waiting
            self.running = running
            self.progressAge = progressAge
        }
    }

    private struct Entry {
        let terms: ServiceTerms
        /// Steps times pictures.
        let cost: Int
        let placed: Duration
        let events: AsyncThrowingStream<PaintingEvent, any Error>.Continuation
        var task: Task<Void, Never>?
        var begun: Duration?
        /// Steps done, and when that was told.
        var done = 0
        var heard = Duration.zero
        var secondsLeft: Double?
        /// Orders before it, as its client was told last.
        var ahead: Int
        /// What it needs is being loaded.
        var isLoading = false
        /// True where it only waits.
        var isWaiting: Bool { begun == nil && !isLoading }
        var left: Int { max(0, cost - done) }
    }

    /// Seconds of an order where nothing has been measured yet.
    private static let guessedSeconds = 5.0

    private let limit: Int
    private let slots: Int
    private let metrics: Metrics
    private let now: @Sendable () -> Duration
    private let placeInterval: Duration
    private var entries: [UInt64: Entry] = [:]
    private var lastNumber: UInt64 = 0
    private var lastProgress: Duration?
    private var pace = Pace()
    private var ending: String?
    private var drained: [CheckedContinuation<Void, Never>] = []
    /// Places are told again soon.
    private var isTelling = false

    /// An empty queue.
    ///
    /// - Parameters:
    ///   - limit: orders that may wait besides those that slots are for.
    ///   - slots: orders that may be served at once.
    ///   - placeInterval: orders that wait are told their place again so long after it has changed: what happens
    ///     meanwhile is one event.
    ///   - now: time since some fixed moment.
    public init(
        limit: Int, slots: Int = 1, metrics: Metrics, placeInterval: Duration = .milliseconds(250),
        now: (@Sendable () -> Duration)? = nil
    ) {
        precondition(limit >= 1 && slots >= 1, "a queue has room for one order")
        self.limit = limit
        self.slots = slots
        self.metrics = metrics
        self.placeInterval = placeInterval
        let start = ContinuousClock.now
        self.now = now ?? { ContinuousClock.now - start }
    }

    /// How it is now.
    public var status: Status {
        let running = entries.values.count { $0.begun != nil }
        return Status(
            waiting: entries.count - running, running: running, progressAge: lastProgress.map { now() - $0 })
    }

    /// Places an order and returns what happens to it; dropping the stream gives it up.
    ///
    /// - Parameters:
    ///   - cost: steps times pictures, for estimates.
    ///   - terms: whose it is, and how much it presses.
    ///
    /// Throws ``OrderError``.
    public func place(
        cost: Int, terms: ServiceTerms = ServiceTerms(), _ work: @escaping Work
    ) throws(OrderError) -> AsyncThrowingStream<PaintingEvent, any Error> {
        do throws(OrderError) { try check(cost: cost, terms) } catch {
            metrics.count(.orders, ["state": "refused"])
            throw error
        }
        lastNumber += 1
        let number = lastNumber
        let (stream, events) = AsyncThrowingStream.makeStream(of: PaintingEvent.self)
        // Events are few (a step each), so the stream needs no bound of its own.
        events.onTermination = { [weak self] _ in Task { await self?.withdraw(number) } }
        events.yield(.queued(ahead: entries.count))
        entries[number] = Entry(
            terms: terms, cost: max(1, cost), placed: now(), events: events, ahead: entries.count)
        entries[number]?.task = Task { await self.serve(number, work) }
        return stream
    }

    private func check(cost: Int, _ terms: ServiceTerms) throws(OrderError) {
        if let ending { throw .stopping(ending) }
        guard entries.count < limit + slots else { throw .queueFull(limit: limit, retryAfter: timeUntilPlace) }
        guard let deadline = terms.deadline, let seconds = pace.secondsPerStep else { return }
        // At the very least: what the client's own orders need that go before, in its share of the time.
        let own = entries.values.filter { $0.terms.client == terms.client && $0.terms.priority >= terms.priority }
        let clients = Set(entries.values.map(\.terms.client)).union([terms.client]).count
        let all = entries.values.reduce(cost) { $0 + $1.left }
        let steps = min(all, own.reduce(cost) { $0 + $1.left } * clients)
        let expected = Duration.seconds(Double(steps) * seconds)
        if expected > deadline { throw .late(deadline: deadline, expected: expected) }
    }

    /// Takes no more orders, turns away what waits, and returns when those that are being served are done.
    public func drain(because reason: String) async {
        ending = reason
        for entry in entries.values where entry.begun == nil {
            entry.events.finish(throwing: OrderError.stopping(reason))
            entry.task?.cancel()
        }
        if !entries.isEmpty { await withCheckedContinuation { drained.append($0) } }
    }

    /// Takes no more orders and gives up all there are.
    public func stop(because reason: String) {
        ending = reason
        for entry in entries.values { entry.task?.cancel() }
    }

    /// About when the next place becomes free: when the first of the orders ends.
    private var timeUntilPlace: Duration {
        let time = now()
        let running = entries.values.filter { $0.begun != nil }.map { entry in
            if let left = entry.secondsLeft { return left - (time - entry.heard) / .seconds(1) }
            guard let seconds = pace.secondsPerStep else { return Self.guessedSeconds }
            return seconds * Double(entry.cost) - (time - (entry.begun ?? time)) / .seconds(1)
        }
        return .seconds(Int(min(max(running.min() ?? Self.guessedSeconds, 1), 3600).rounded(.up)))
    }

    private func withdraw(_ number: UInt64) { entries[number]?.task?.cancel() }

    private func begin(_ number: UInt64) {
        guard let entry = entries[number], entry.begun == nil else { return }
        let time = now()
        metrics.observe(.queueSeconds, (time - entry.placed) / .seconds(1))
        entries[number]?.begun = time
        lastProgress = time
        tellPlacesSoon()
    }

    private func tellPlacesSoon() {
        guard !isTelling, entries.values.contains(where: \.isWaiting) else { return }
        isTelling = true
        let interval = placeInterval
        Task {
            // The task is nobody's to cancel; an end before its time would tell too soon, no more.
            _ = try? await Task.sleep(for: interval)
            self.tellPlaces()
        }
    }

    /// Tells those that wait whose place has changed: those in progress are before them, and those that came earlier.
    private func tellPlaces() {
        isTelling = false
        let waiting = entries.filter(\.value.isWaiting).sorted { $0.key < $1.key }
        var ahead = entries.count - waiting.count
        for (number, entry) in waiting {
            if entry.ahead != ahead {
                entries[number]?.ahead = ahead
                entry.events.yield(.queued(ahead: ahead))
            }
            ahead += 1
        }
    }

    private func serve(_ number: UInt64, _ work: Work) async {
        let result: Result<PaintedPictures, any Error>
        do {
            result = .success(try await work(Ticket(number: number, queue: self)))
        } catch {
            result = .failure(error)
        }
        end(number, result, isCancelled: Task.isCancelled)
    }

    private func end(_ number: UInt64, _ result: Result<PaintedPictures, any Error>, isCancelled: Bool) {
        guard let entry = entries.removeValue(forKey: number) else { return }
        let time = now()
        switch result {
        case .success(let pictures):
            let seconds = (time - (entry.begun ?? entry.placed)) / .seconds(1)
            if entry.done == 0 { pace.add(steps: entry.cost, seconds: seconds) }
            metrics.observe(.paintingSeconds, seconds)
            metrics.count(.orders, ["state": "completed"])
            metrics.count(.pictures, by: pictures.files.count)
            entry.events.yield(.finished(pictures))
            entry.events.finish()
        case .failure(let error):
            let isGivenUp = error is CancellationError || isCancelled
            let state =
                isGivenUp && entry.begun == nil && ending != nil ? "refused" : isGivenUp ? "cancelled" : "failed"
            metrics.count(.orders, ["state": state])
            if let ending, isGivenUp {
                entry.events.finish(throwing: OrderError.stopping(ending))
            } else {
                entry.events.finish(throwing: error)
            }
        }
        lastProgress = time
        tellPlacesSoon()
        guard entries.isEmpty else { return }
        for continuation in drained { continuation.resume() }
        drained = []
    }

    private func tell(_ event: PaintingEvent, of number: UInt64) {
        if case .stepped(let done, _, let secondsLeft) = event {
            begin(number)
            let time = now()
            let steps = max(0, done - (entries[number]?.done ?? 0))
            pace.add(steps: steps, seconds: (time - (lastProgress ?? time)) / .seconds(1))
            entries[number]?.done = done
            entries[number]?.heard = time
            entries[number]?.secondsLeft = secondsLeft
            lastProgress = time
        }
        if case .loading = event { entries[number]?.isLoading = true }
        entries[number]?.events.yield(event)
    }
}

/// Seconds of a picture's step, over all orders together, smoothed.
private struct Pace {
    /// What remains of the sums after each entry.
    private static let memory = 0.98
    private var steps = 0.0
    private var seconds = 0.0

    mutating func add(steps new: Int, seconds passed: Double) {
        steps = steps * Self.memory + Double(new)
        seconds = seconds * Self.memory + passed
    }

    /// Nil: nothing has been measured.
    var secondsPerStep: Double? { steps > 0 ? seconds / steps : nil }
}
