import Bench
import Coordinator
import Foundation
import Logging
import Models
import Protocol
import Runtime

/// The wiring of benchmarks of whole models: a cluster that makes pictures while its workers record what they do.
enum ModelBenchSession {
    /// What was measured.
    struct Measured: Sendable {
        var trace: ClusterTrace
        /// Seconds of each picture that counts, loading left out.
        var wall: [Double]
        var limit: BenchReport.Limit
        var threads: Int
        var isInteger: Bool
    }

    /// Makes a picture that counts for nothing, then `pictures` that do; `variables` are added to the workers' environment.
    static func measure(
        _ configuration: ClusterConfiguration, steps: Int, pictures: Int, variables: [String: String] = [:]
    ) async throws -> Measured {
        let configuration = try configuration.resolvedForStart()
        let progress = Progress()
        defer { progress.finish() }
        let studio = try Studio(configuration: configuration, progress: progress)
        let logger = TerminalLog.logger(level: .critical)
        let settings = try configuration.settings(bind: configuration.ownEndpoint, modelHash: studio.modelHash)
        let arithmetic: MachineLimit.Arithmetic =
            switch configuration.model.dtype {
            case .int8: .int8
            case .bf16: .bf16
            case .f32: .f32
            }
        let threads = settings.workers.reduce(0) { $0 + $1.threads }
        let before = await Limits.arithmetic(arithmetic, threads: threads)
        let (trace, wall) = try await withCluster(
            settings, launcher: configuration.launcher(logger, adding: variables), logger: logger
        ) { cluster in
            try await cluster.startTrace()
            try await studio.prepare(on: cluster, pictures: 1)
            var wall: [Double] = []
            for index in 0...pictures {
                let begin = ContinuousClock.now
                let order = Generate(job: UInt64(index), prompt: "a red fox in snow", seed: UInt64(index), steps: steps)
                _ = try await studio.make(order, on: cluster) { _ in }
                let seconds = ContinuousClock.now - begin
                if index > 0 {
                    wall.append(Double(seconds.components.seconds) + 1e-18 * Double(seconds.components.attoseconds))
                }
            }
            return (try await cluster.endTrace(), wall)
        }
        let after = await Limits.arithmetic(arithmetic, threads: threads)
        guard var trace else { throw BenchError.nothingRecorded(subject: configuration.name) }
        trace.dropFirstRequest()
        return Measured(
            trace: trace, wall: wall, limit: before.value >= after.value ? before : after,
            threads: settings.workers.first?.threads ?? 1, isInteger: arithmetic == .int8)
    }

    /// As ``measure(_:steps:pictures:variables:)``, until a signal comes.
    static func measureUntilStopped(
        _ configuration: ClusterConfiguration, steps: Int, pictures: Int, variables: [String: String] = [:]
    ) async throws -> Measured {
        try await StopSignals().stopping(after: 1) {
            try await measure(configuration, steps: steps, pictures: pictures, variables: variables)
        }
    }
}

extension ModelBenchSession.Measured {
    /// Figures under this name.
    func figures(_ subject: String) -> ModelFigures {
        ModelFigures(trace: trace, subject: subject, threads: threads, limit: limit, isInteger: isInteger)
    }
}
