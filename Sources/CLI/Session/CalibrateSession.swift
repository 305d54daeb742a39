import Coordinator
import Foundation
import Logging
import Sharding

/// The wiring of `calibrate`: a cluster that lives as long as the measurements.
enum CalibrateSession {
    /// Starts the configuration's workers and measures them; progress goes to the terminal.
    static func profile(
        _ configuration: ClusterConfiguration, effort: CalibrationEffort
    ) async throws -> MachineProfile {
        let signals = StopSignals()
        let logger = TerminalLog.logger(level: .critical)
        var settings = try configuration.settings(bind: configuration.ownEndpoint, modelHash: "")
        settings.modelHash = nil
        // The measurements' own weights are no part of what a worker may hold.
        for index in settings.workers.indices { settings.workers[index].memoryLimit = nil }
        let (fixed, progress) = (settings, Progress())
        defer { progress.finish() }
        return try await signals.stopping(after: 1) {
            Terminal.shared.note("\(configuration.startNote) to measure them")
            return try await withCluster(fixed, launcher: configuration.launcher(logger), logger: logger) { cluster in
                let calibration = Calibration(
                    target: cluster, workers: fixed.workers.map(\.name), threads: await cluster.threads,
                    effort: effort
                ) { progress.measured($0.done, of: $0.total, $0.subject) }
                return try await calibration.run()
            }
        }
    }
}
