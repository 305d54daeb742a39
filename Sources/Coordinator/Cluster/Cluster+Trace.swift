import Program
import Protocol

extension Cluster {
    /// Events that a worker keeps of one call unless ``startTrace(capacity:)`` is told otherwise: 48 layers of a hundred
    /// instructions leave room for ten times as many.
    public static let traceCapacity = 1 << 16

    /// What is recorded so far.
    struct Tracing: Sendable {
        var capacity: Int
        var trace: ClusterTrace
        var clocks: [ClockEstimate]
    }

    /// An order to give what was recorded, in flight.
    struct TraceWait {
        var remaining: Set<Int>
        var sent: UInt64
        var end: Duration
        var continuation: CheckedContinuation<Void, any Error>
    }

    /// Makes all workers record when their instructions run, until ``endTrace()``.
    ///
    /// Programs that are installed from now on are known by name in the trace. After every call the workers' events are
    /// fetched, so `capacity` has to hold one call, or those that overlap.
    ///
    /// Throws ``ClusterError``, `CancellationError`.
    public func startTrace(capacity: Int = Cluster.traceCapacity) async throws {
        precondition((1...ProtocolLimits.traceEvents).contains(capacity), "a worker keeps a limited number of events")
        tracing = Tracing(
            capacity: capacity, trace: ClusterTrace(workers: members.map(\.spec.name)),
            clocks: members.map { _ in ClockEstimate() })
        try await fetchTrace(capacity: capacity)
    }

    /// Ends the recording and gives what was recorded; nil where nothing was.
    ///
    /// Throws ``ClusterError``, `CancellationError`.
    public func endTrace() async throws -> ClusterTrace? {
        guard tracing != nil else { return nil }
        try await fetchTrace(capacity: 0)
        guard let ended = tracing else { return nil }
        tracing = nil
        var trace = ended.trace
        trace.clockOffsets = ended.clocks.map(\.correction)
        for rank in trace.events.indices {
            let correction = UInt64(bitPattern: trace.clockOffsets[rank])
            guard correction != 0 else { continue }
            for index in trace.events[rank].indices {
                trace.events[rank][index].begin &-= correction
                trace.events[rank][index].end &-= correction
            }
        }
        return trace
    }

    /// Notes a call that was answered, and fetches its events.
    func trace(_ call: ClusterTrace.Call) async throws {
        guard let capacity = tracing?.capacity else { return }
        tracing?.trace.calls.append(call)
        try await fetchTrace(capacity: capacity)
    }

    private func fetchTrace(capacity: Int) async throws {
        try await waitUntilReady()
        let id = number()
        let signals = signals
        try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                traceWaits[id] = TraceWait(
                    remaining: Set(members.indices), sent: MonotonicClock.now, end: now + settings.callDeadline,
                    continuation: continuation)
                for index in members.indices { order(index, .trace(TraceOrder(number: id, capacity: capacity))) }
            }
        } onCancel: {
            signals.yield(.cancelledTrace(id))
        }
    }

    /// Takes what a worker recorded, also when nobody waits for it any more.
    func finishTrace(_ index: Int, _ report: TraceReport) {
        tracing?.trace.events[index] += report.events
        tracing?.trace.lost[index] += report.lost
        tracing?.trace.heap[index] += report.heap
        guard var wait = traceWaits[report.number] else { return }
        tracing?.clocks[index].take(sent: wait.sent, received: MonotonicClock.now, worker: report.now)
        wait.remaining.remove(index)
        traceWaits[report.number] = wait.remaining.isEmpty ? nil : wait
        if wait.remaining.isEmpty { wait.continuation.resume() }
    }

    /// Gives up orders that no answer came to; the cluster goes on.
    func checkTraces(_ now: Duration) {
        for (id, wait) in traceWaits where now > wait.end {
            traceWaits[id] = nil
            wait.continuation.resume(
                throwing: ClusterError.stuck(
                    workers: wait.remaining.sorted().map { members[$0].spec.name }, doing: "giving their traces",
                    after: settings.callDeadline))
        }
    }
}
