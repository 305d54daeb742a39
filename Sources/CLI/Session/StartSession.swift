import Bench
import Coordinator
import Logging
import Protocol
import Sharding

/// The wiring of `bench start`.
enum StartSession {
    /// What was measured.
    struct Measured: Sendable {
        var workers: Int
        var threads: Int
        /// Until all weights were ready.
        var seconds: Double
        /// Weights of all workers together, as they are planned.
        var weightBytes: Int
        /// Weights, activations and what a request keeps, of the largest worker.
        var plannedBytes: Int
        /// Most that a worker had in memory.
        var residentBytes: Int?
        /// Writing as much memory; the better of before and after.
        var limit: BenchReport.Limit?
    }

    /// Starts a cluster of this machine, loads its model and makes a picture.
    static func measure(_ configuration: ClusterConfiguration) async throws -> Measured {
        let configuration = try configuration.resolvedForStart()
        let progress = Progress()
        defer { progress.finish() }
        let studio = try Studio(configuration: configuration, progress: progress)
        let plan = try configuration.plan(pictures: 1)
        let logger = TerminalLog.logger(level: .critical)
        let settings = try configuration.settings(bind: configuration.ownEndpoint, modelHash: studio.modelHash)
        let threads = settings.workers.reduce(0) { $0 + $1.threads }
        let bytes = plan.workers.reduce(0) { $0 + $1.weightBytes }
        let before = await Limits.firstWrite(byteCount: bytes, threads: threads)
        let (seconds, resident) = try await withCluster(
            settings, launcher: configuration.launcher(logger), logger: logger
        ) { cluster in
            let begin = ContinuousClock.now
            try await studio.prepare(on: cluster, pictures: 1)
            let loaded = ContinuousClock.now - begin
            _ = try await studio.make(
                Generate(job: 1, prompt: "a red fox in snow", seed: 1, steps: 2), on: cluster
            ) { _ in }
            return (loaded, ChildMemory.peakByteCounts().first)
        }
        let after = await Limits.firstWrite(byteCount: bytes, threads: threads)
        return Measured(
            workers: settings.workers.count, threads: settings.workers.first?.threads ?? 1,
            seconds: Double(seconds.components.seconds) + 1e-18 * Double(seconds.components.attoseconds),
            weightBytes: bytes, plannedBytes: plan.workers.map(\.totalBytes).max() ?? 0, residentBytes: resident,
            limit: [before, after].compactMap { $0 }.max { $0.value < $1.value })
    }
}

extension StartSession.Measured {
    /// The figure under this name.
    func figure(_ subject: String) -> BenchReport.Figure {
        let speed = Double(weightBytes) / seconds
        var details = ["weightBytes": Double(weightBytes), "plannedBytesPerWorker": Double(plannedBytes)]
        if let limit { details["timesOfWriting"] = limit.value / speed }
        if let residentBytes {
            details["residentBytesPerWorker"] = Double(residentBytes)
            details["residentOverPlan"] = Double(residentBytes) / Double(max(1, plannedBytes))
        }
        return BenchReport.Figure(
            subject: "\(subject), start", workers: workers, threads: threads, value: speed, unit: "B/s",
            seconds: BenchReport.Seconds([seconds]), limit: limit, details: details)
    }
}
