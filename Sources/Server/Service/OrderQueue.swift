/// The one queue in front of the cluster: orders of all kinds of clients, served one after the other in the order in
/// which they came.
public actor OrderQueue {
    /// Makes the pictures of an order, telling what happens meanwhile.
    public typealias Work =
        @Sendable (_ tell: @escaping @Sendable (PaintingEvent) async -> Void) async throws -> PaintedPictures

    /// How the queue is.
    public struct Status: Sendable, Hashable {
        /// Orders that wait.
        public var waiting: Int
        /// Orders that are being served.
        public var running: Int
        /// Time since the running order, or else the last one, came forward; nil: there was none.
        public var progressAge: Duration?

        /// Makes a status.
        public init(waiting: Int, running: Int, progressAge: Duration? = nil) {
            self.waiting = waiting
            self.running = running
            self.progressAge = progressAge
        }
    }

    private struct Entry {
        let number: UInt64
        /// Steps times pictures.
        let cost: Int
        let placed: Duration
        let work: Work
        let events: AsyncThrowingStream<PaintingEvent, any Error>.Continuation
    }

    private struct Running {
        let number: UInt64
        let cost: Int
        let started: Duration
        let task: Task<Void, Never>
        var secondsLeft: Double?
    }

    /// Seconds of an order where nothing has been measured yet.
    private static let guessedSeconds = 5.0

    private let limit: Int
    private let metrics: Metrics
    private let now: @Sendable () -> Duration
    private var waiting: [Entry] = []
    private var running: Running?
    private var lastNumber: UInt64 = 0
    private var lastProgress: Duration?
    /// Seconds of a step of a picture, smoothed over the orders so far.
    private var secondsPerStep: Double?
    private var ending: String?
    private var drained: [CheckedContinuation<Void, Never>] = []

    /// An empty queue.
    ///
    /// - Parameters:
    ///   - limit: orders that may wait besides the one that is served.
    ///   - now: time since some fixed moment.
    public init(limit: Int, metrics: Metrics, now: (@Sendable () -> Duration)? = nil) {
        precondition(limit >= 1, "a queue has room for one order")
        self.limit = limit
        self.metrics = metrics
        let start = ContinuousClock.now
        self.now = now ?? { ContinuousClock.now - start }
    }

    /// How it is now.
    public var status: Status {
        Status(waiting: waiting.count, running: running == nil ? 0 : 1, progressAge: lastProgress.map { now() - $0 })
    }

    /// Places an order and returns what happens to it; dropping the stream gives it up.
    ///
    /// - Parameter cost: steps times pictures, for estimates.
    ///
    /// Throws ``OrderError``.
    public func place(
        cost: Int, _ work: @escaping Work
    ) throws(OrderError) -> AsyncThrowingStream<PaintingEvent, any Error> {
        if let ending {
            metrics.count(.orders, ["state": "refused"])
            throw .stopping(ending)
        }
        guard waiting.count < limit else {
            metrics.count(.orders, ["state": "refused"])
            throw .queueFull(limit: limit, retryAfter: timeUntilPlace)
        }
        lastNumber += 1
        let number = lastNumber
        let (stream, events) = AsyncThrowingStream.makeStream(of: PaintingEvent.self)
        // Events are few (a step each), so the stream needs no bound of its own.
        events.onTermination = { [weak self] _ in Task { await self?.withdraw(number) } }
        events.yield(.queued(ahead: waiting.count + (running == nil ? 0 : 1)))
        waiting.append(Entry(number: number, cost: max(1, cost), placed: now(), work: work, events: events))
        startNext()
        return stream
    }

    /// Takes no more orders, turns away what waits, and returns when the running one is done.
    public func drain(because reason: String) async {
        ending = reason
        for entry in waiting {
            metrics.count(.orders, ["state": "refused"])
            entry.events.finish(throwing: OrderError.stopping(reason))
        }
        waiting = []
        if running != nil { await withCheckedContinuation { drained.append($0) } }
    }

    /// Takes no more orders and gives up all there are.
    public func stop(because reason: String) {
        ending = reason
        for entry in waiting { entry.events.finish(throwing: OrderError.stopping(reason)) }
        waiting = []
        running?.task.cancel()
    }

    /// About when the next place becomes free: when the running order ends.
    private var timeUntilPlace: Duration {
        var seconds = Self.guessedSeconds
        if let running {
            let elapsed = Self.seconds(now() - running.started)
            if let left = running.secondsLeft {
                seconds = left
            } else if let secondsPerStep {
                seconds = secondsPerStep * Double(running.cost) - elapsed
            }
        }
        return .seconds(Int(min(max(seconds, 1), 3600).rounded(.up)))
    }

    private func withdraw(_ number: UInt64) {
        if let index = waiting.firstIndex(where: { $0.number == number }) {
            waiting.remove(at: index)
            metrics.count(.orders, ["state": "cancelled"])
        } else if running?.number == number {
            running?.task.cancel()
        }
    }

    private func startNext() {
        guard running == nil, !waiting.isEmpty else { return }
        let entry = waiting.removeFirst()
        let started = now()
        metrics.observe(.queueSeconds, Self.seconds(started - entry.placed))
        lastProgress = started
        running = Running(
            number: entry.number, cost: entry.cost, started: started, task: Task { await self.serve(entry) })
    }

    private func serve(_ entry: Entry) async {
        do {
            let pictures = try await entry.work { await self.tell($0, of: entry) }
            let seconds = running.map { Self.seconds(now() - $0.started) } ?? 0
            let rate = seconds / Double(entry.cost)
            secondsPerStep = secondsPerStep.map { $0 * 0.7 + rate * 0.3 } ?? rate
            metrics.observe(.paintingSeconds, seconds)
            metrics.count(.orders, ["state": "completed"])
            metrics.count(.pictures, by: pictures.files.count)
            entry.events.yield(.finished(pictures))
            entry.events.finish()
        } catch {
            let isCancelled = error is CancellationError || Task.isCancelled
            metrics.count(.orders, ["state": isCancelled ? "cancelled" : "failed"])
            if let ending, isCancelled {
                entry.events.finish(throwing: OrderError.stopping(ending))
            } else {
                entry.events.finish(throwing: error)
            }
        }
        lastProgress = now()
        running = nil
        startNext()
        guard running == nil else { return }
        for continuation in drained { continuation.resume() }
        drained = []
    }

    private func tell(_ event: PaintingEvent, of entry: Entry) {
        let time = now()
        if case .stepped(_, _, let secondsLeft) = event {
            running?.secondsLeft = secondsLeft
            if let lastProgress { metrics.observe(.stepSeconds, Self.seconds(time - lastProgress)) }
        }
        lastProgress = time
        entry.events.yield(event)
    }

    private static func seconds(_ duration: Duration) -> Double {
        Double(duration.components.seconds) + Double(duration.components.attoseconds) * 1e-18
    }
}
