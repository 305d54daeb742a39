import Coordinator
import Program

/// Measures collectives between workers of this machine, over the links that pictures are made with.
///
/// Programs of nothing but such collectives run with tracing; a collective takes from the moment at which the first
/// worker begins to send until the last one has its result.
public struct CollectiveBench: Sendable {
    private let workers: any BenchWorkers
    private let runs: Int
    private let progress: @Sendable (String) -> Void

    /// Makes a benchmark; every figure rests on so many calls of a chain of collectives.
    public init(workers: any BenchWorkers, runs: Int, progress: @escaping @Sendable (String) -> Void = { _ in }) {
        precondition(runs >= 1, "a figure has at least one run")
        self.workers = workers
        self.runs = runs
        self.progress = progress
    }

    /// Measures kinds of collectives whose whole results have so many bytes.
    public func figures(
        _ kinds: [CollectivePrograms.Kind], payloads: [Int], group: WorkerGroup
    ) async throws -> [BenchReport.Figure] {
        precondition(group.count >= 2, "a collective has at least two workers")
        let (runs, progress) = (runs, progress)
        return try await workers.with(group) { cluster in
            var figures: [BenchReport.Figure] = []
            for kind in kinds {
                for payload in payloads {
                    progress("\(kind.rawValue) of \(Self.size(payload))")
                    figures.append(try await Self.figure(kind, payload, group, on: cluster, runs: runs))
                }
            }
            return figures
        }
    }

    /// Collectives in one call: many small ones, a few large ones.
    private static func count(_ payload: Int) -> Int { payload <= 64 << 10 ? 32 : payload <= 1 << 20 ? 16 : 6 }

    private static func figure(
        _ kind: CollectivePrograms.Kind, _ payload: Int, _ group: WorkerGroup, on cluster: Cluster, runs: Int
    ) async throws -> BenchReport.Figure {
        let locals = CollectivePrograms.locals(
            kind, elements: max(group.count, payload / 2), count: count(payload), workers: group.count)
        let key = "bench.\(kind.rawValue).\(payload)"
        try await cluster.startTrace()
        try await cluster.prepare(key, locals: locals, sources: [:])
        for _ in 0...runs { _ = try await cluster.time(key) }
        let trace = try await cluster.endTrace()
        await cluster.drop(key)
        let spans = trace.map { collectives($0) } ?? []
        guard !spans.isEmpty else { throw BenchError.nothingRecorded(subject: "\(kind.rawValue) of \(size(payload))") }
        let seconds = BenchReport.Seconds(spans.map(\.seconds))
        let sent = spans.map(\.sentBytes).max() ?? 0
        let limit = await Limits.loopback(byteCount: sent)
        var details = ["medianMicroseconds": seconds.median * 1e6, "sentBytesPerWorker": Double(sent)]
        // The convention by which collectives of different sizes and algorithms are compared: result bytes a second.
        details["payloadBytesPerSecond"] = Double(payload) / seconds.best
        return BenchReport.Figure(
            subject: "\(kind.rawValue) of \(size(payload))" + (group.isInProcess ? ", one process" : ""),
            workers: group.count, threads: group.threads, value: Double(sent) / seconds.best, unit: "B/s",
            seconds: seconds, limit: limit, details: details)
    }

    /// A collective of one call: all its rounds.
    struct Collective: Hashable {
        var seconds: Double
        /// Payload bytes of the worker that sends most.
        var sentBytes: Int
    }

    /// The collectives in all calls but the first, which warms links and caches.
    static func collectives(_ trace: ClusterTrace) -> [Collective] {
        struct Key: Hashable {
            var call: UInt64
            var scope: String
        }
        var times: [Key: (begin: UInt64, end: UInt64, sent: [Int: Int])] = [:]
        let calls = Dictionary(trace.calls.dropFirst().map { ($0.number, $0) }, uniquingKeysWith: { a, _ in a })
        for rank in trace.workers.indices {
            for span in trace.exchanges(rank: rank) {
                guard let call = calls[span.call], let local = trace.local(of: call, rank: rank) else { continue }
                let exchange = local.exchanges[span.exchange]
                let traced = TracedExchange(span.exchange, in: local)
                let key = Key(call: span.call, scope: exchange.scope)
                var time = times[key] ?? (span.begin, span.end, [:])
                time.begin = min(time.begin, span.begin)
                time.end = max(time.end, span.end)
                time.sent[rank, default: 0] += traced.sentBytes
                times[key] = time
            }
        }
        return times.values.map {
            Collective(seconds: Double($0.end - $0.begin) * 1e-9, sentBytes: $0.sent.values.max() ?? 0)
        }
    }

    static func size(_ bytes: Int) -> String {
        bytes >= 1 << 20 && bytes % (1 << 20) == 0
            ? "\(bytes >> 20) MiB" : bytes >= 1 << 10 ? "\(bytes >> 10) KiB" : "\(bytes) bytes"
    }
}
