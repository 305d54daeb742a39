import Bench
import Coordinator
import Foundation
import Glibc
import Logging
import Server
import Synchronization

/// The wiring of `bench serve`: the server of `up`, on a port of its own, under the load of its own clients.
enum ServeBenchSession {
    /// What is asked of the server.
    struct Load: Sendable {
        /// Steps of each picture while steps are measured.
        var steps: Int
        /// Requests while requests are measured.
        var requests: Int
        /// Connections at once while requests are measured.
        var clients: Int
    }

    /// Calls of programs, as the coordinator saw them.
    private final class Calls: Sendable {
        private let spans = Mutex<[CallSpan]>([])
        func add(_ span: CallSpan) { spans.withLock { $0.append(span) } }
        func take() -> [CallSpan] {
            spans.withLock { spans in
                defer { spans = [] }; return spans
            }
        }
    }

    /// Starts a server of the configuration's cluster and puts the load on it.
    static func measure(
        _ configuration: ClusterConfiguration, subject: String, load: Load, tell: @escaping @Sendable (String) -> Void
    ) async throws -> [BenchReport.Figure] {
        let folder = FileManager.default.temporaryDirectory.appending(path: "tessera-bench-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        var configuration = try configuration.resolvedForStart()
        configuration.server.address.port = 0
        configuration.server.keysPath = nil
        configuration.server.jobs = .file(folder.appending(path: "jobs.sqlite").path)
        configuration.server.queueLimit = load.requests + load.clients
        let (fixed, calls) = (configuration, Calls())
        let (logger, metrics, progress) = (TerminalLog.logger(level: .critical), Metrics(), Progress())
        defer { progress.finish() }
        let studio = try Studio(configuration: fixed, progress: progress, metrics: metrics) { calls.add($0) }
        let settings = try fixed.settings(bind: fixed.ownEndpoint, modelHash: studio.modelHash)
        return try await withCluster(settings, launcher: fixed.launcher(logger), logger: logger) { cluster in
            let service = PictureService(cluster: cluster, studio: studio, settings: fixed.server, metrics: metrics)
            try await studio.prepare(on: cluster, pictures: fixed.server.batchLimit)
            service.open()
            return try await serving(fixed.server, service, metrics, logger) { port in
                let bench = Measurement(
                    subject: subject, workers: settings.workers.count, threads: settings.workers.first?.threads ?? 1,
                    port: port, load: load, calls: { calls.take() }, tell: tell)
                var figures: [BenchReport.Figure] = []
                for pictures in Set([1, fixed.server.batchLimit]).sorted() {
                    figures.append(try await bench.steps(pictures: pictures))
                }
                figures.append(try await bench.jobs())
                await service.drained()
                figures.append(try await bench.pictures())
                return figures
            }
        }
    }

    /// Runs the HTTP server around a body.
    private static func serving<Result: Sendable>(
        _ settings: ServerSettings, _ service: PictureService, _ metrics: Metrics, _ logger: Logger,
        _ body: @escaping @Sendable (_ port: Int) async throws -> Result
    ) async throws -> Result {
        let (ports, listening) = AsyncStream.makeStream(of: Int.self)
        let server = try ImageServer(settings, service: service, metrics: metrics, logger: logger) {
            listening.yield($0)
            listening.finish()
        }
        return try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                defer { listening.finish() }
                try await server.run()
            }
            guard let port = await ports.first(where: { _ in true }) else {
                try await group.next()
                throw BenchError.nothingRecorded(subject: "the HTTP server")
            }
            let result: Swift.Result<Result, any Error>
            do {
                result = .success(try await body(port))
            } catch {
                result = .failure(error)
            }
            await server.stop()
            try await group.waitForAll()
            return try result.get()
        }
    }
}

extension PictureService {
    /// Returns when no order waits or runs.
    fileprivate func drained() async {
        while true {
            let queue = await status().queue
            if queue.waiting + queue.running == 0 { return }
            // Sleeping ends with an error when the measurement is given up.
            guard (try? await Task.sleep(for: .milliseconds(10))) != nil else { return }
        }
    }
}

/// The phases of the measurement on a running server.
private struct Measurement {
    /// Steps before those that count: programs of larger batches are installed while smaller ones run.
    private static let warmUpSteps = 100

    let subject: String
    let workers: Int
    let threads: Int
    let port: Int
    let load: ServeBenchSession.Load
    let calls: @Sendable () -> [CallSpan]
    let tell: @Sendable (String) -> Void

    /// The coordinator's time for a step: from the order of one to the order of the next, less the slowest worker's
    /// time in the call.
    func steps(pictures: Int) async throws -> BenchReport.Figure {
        let name = "\(subject), \(pictures) at once, coordinator's part of a step"
        tell(name)
        try await stream(pictures, steps: Self.warmUpSteps)
        _ = calls()
        let before = processorSeconds()
        let spent = try await stream(pictures, steps: load.steps)
        let processor = processorSeconds() - before - spent.processorSeconds
        let all = calls()
        // A text or a decoding is another kind of call; the scheduler may find smaller batches faster.
        let spans = all.filter { $0.slots > 0 }
        let pairs = zip(all, all.dropFirst()).filter { $0.slots > 0 && $1.slots > 0 }
        guard pairs.count > 1 else { throw BenchError.nothingRecorded(subject: name) }
        let own = BenchReport.Seconds(pairs.map { ($1.begin - $0.begin - $0.longest) / .seconds(1) })
        let between = BenchReport.Seconds(pairs.map { ($1.begin - $0.end) / .seconds(1) })
        let link = BenchReport.Seconds(spans.map { ($0.end - $0.begin - $0.longest) / .seconds(1) })
        let busy = BenchReport.Seconds(spans.map { $0.longest / .seconds(1) })
        return figure(
            name, value: 1 / own.median, unit: "step/s", seconds: own,
            details: [
                "betweenCallsMedianSeconds": between.median, "linkMedianSeconds": link.median,
                "workerMedianSeconds": busy.median, "processorSecondsPerStep": processor / Double(all.count),
                "picturesPerStep": Double(spans.reduce(0) { $0 + $1.slots }) / Double(max(1, spans.count)),
            ])
    }

    /// Jobs that are taken: checked, on disk and answered, while the workers make those that were taken before.
    func jobs() async throws -> BenchReport.Figure {
        try await requests("jobs accepted", path: "/v1/jobs", status: 202)
    }

    /// Pictures that are ordered, made and answered, each on a connection of its own.
    func pictures() async throws -> BenchReport.Figure {
        try await requests("pictures answered", path: "/v1/images/generations", status: 200)
    }

    private func requests(_ what: String, path: String, status: Int) async throws -> BenchReport.Figure {
        let name = "\(subject), \(what)"
        tell(name)
        let waits = Mutex<[Double]>([])
        let before = processorSeconds()
        let spent = try await LoadClient.run(load.requests, clients: load.clients, port: port) { client, number in
            let start = ContinuousClock.now
            try client.post(path, Self.order(number, steps: 1), status: status)
            let seconds = (ContinuousClock.now - start) / .seconds(1)
            waits.withLock { $0.append(seconds) }
        }
        let processor = processorSeconds() - before - spent.processorSeconds
        return figure(
            name, value: Double(load.requests) / spent.seconds, unit: "request/s",
            seconds: BenchReport.Seconds(waits.withLock { $0 }),
            details: [
                "clients": Double(load.clients), "requests": Double(load.requests),
                "processorSecondsPerRequest": processor / Double(load.requests),
            ])
    }

    @discardableResult
    private func stream(_ pictures: Int, steps: Int) async throws -> LoadClient.Spent {
        try await LoadClient.run(pictures, clients: pictures, port: port) { client, number in
            let order = Self.order(number, steps: steps, more: ", \"stream\": true")
            try client.post("/v1/images/generations", order, status: 200)
        }
    }

    private static func order(_ number: Int, steps: Int, more: String = "") -> String {
        "{\"prompt\": \"a red fox in snow\", \"seed\": \(number), \"num_inference_steps\": \(steps)\(more)}"
    }

    private func figure(
        _ name: String, value: Double, unit: String, seconds: BenchReport.Seconds, details: [String: Double]
    ) -> BenchReport.Figure {
        BenchReport.Figure(
            subject: name, workers: workers, threads: threads, value: value, unit: unit, seconds: seconds,
            details: details)
    }

    /// Processor time of this process: the coordinator, and the clients' threads.
    private func processorSeconds() -> Double {
        var time = timespec()
        clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time)
        return Double(time.tv_sec) + 1e-9 * Double(time.tv_nsec)
    }
}
