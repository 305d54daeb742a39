import Bench
import Coordinator
import Foundation
import Logging
import Program
import Protocol
import Runtime
import Transport

/// The wiring of `bench`: workers on this machine that live as long as a measurement.
struct BenchSession: BenchWorkers {
    /// What carries data between workers.
    var carrier = Carrier.automatic
    /// True: links are encrypted, with a key of the measurement's own.
    var isEncrypted = false
    private let logger = TerminalLog.logger(level: .critical)

    func with<Result: Sendable>(
        _ group: WorkerGroup, _ body: @escaping @Sendable (Cluster) async throws -> Result
    ) async throws -> Result {
        let axes = group.count == 1 ? "" : "@data=\(group.count)"
        let configuration = try Self.configuration(
            BenchLayout("\(group.count)x\(group.threads)\(axes)"), preset: Self.anyPreset, dtype: "bf16",
            flags: ["data_plane.carrier": carrier.rawValue])
        var settings = try configuration.settings(bind: configuration.ownEndpoint, modelHash: "")
        settings.modelHash = nil
        if isEncrypted { (settings.key, settings.linkEncryption) = (try .random(), .everywhere) }
        let launcher: any Launcher =
            group.isInProcess ? InProcessLauncher(logger: logger) : configuration.launcher(logger)
        return try await withCluster(settings, launcher: launcher, logger: logger, body: body)
    }

    /// Programs of measurements belong to no model; a cluster file needs one.
    private static let anyPreset = "amused-256"

    /// The configuration of a layout that serves a preset with generated weights.
    static func configuration(
        _ layout: BenchLayout, preset: String, dtype: String, flags: [String: String] = [:]
    ) throws -> ClusterConfiguration {
        try ClusterConfiguration.parse(
            layout.clusterFile(preset: preset, dtype: dtype), file: "layout \(layout)", flags: flags)
    }

    /// An empty report of this build and machine.
    static func report(_ benchmark: String) -> BenchReport {
        BenchReport(
            benchmark: benchmark, version: ProtocolVersion.build, instructionSet: InstructionSet.current,
            cores: ProcessInfo.processInfo.activeProcessorCount)
    }

    /// Runs a measurement until it is done or a signal comes; what it is at goes to the terminal.
    static func run(
        _ benchmark: String, _ options: BenchOptions,
        _ body: @escaping @Sendable (@escaping @Sendable (String) -> Void) async throws -> [BenchReport.Figure]
    ) async throws {
        var report = report(benchmark)
        report.figures = try await StopSignals().stopping(after: 1) {
            try await body { Terminal.shared.note("measuring \($0)") }
        }
        try show(report, options)
    }

    /// Prints a report as asked for.
    static func show(_ report: BenchReport, _ options: BenchOptions) throws {
        Terminal.shared.result(options.json ? try report.json : report.text)
    }
}
