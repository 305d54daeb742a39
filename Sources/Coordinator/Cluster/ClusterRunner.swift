public import Program
import Protocol
import Sharding
public import Tensor

/// A call of a program that ended well, as the coordinator saw it.
public struct CallSpan: Sendable {
    /// Slots of the batch: 0 where it is no step.
    public let slots: Int
    /// When it was ordered.
    public let begin: ContinuousClock.Instant
    /// When the last worker's answer was there.
    public let end: ContinuousClock.Instant
    /// Time of the slowest worker in it.
    public let longest: Duration
}

/// Runs a model's programs on a cluster of processes: compiles each for the mesh once and installs it on all workers.
///
/// Calls do not wait for a compilation that is going on.
public final class ClusterRunner: ProgramRunner {
    private let cluster: Cluster
    private let installer: ProgramInstaller
    private let observe: (@Sendable (CallSpan) -> Void)?

    /// A runner that has installed nothing yet; `sources` are those of the whole model.
    ///
    /// - Parameter observe: told of every call that has ended well.
    public init(
        cluster: Cluster, configuration: ClusterConfiguration, sources: [String: ParameterSource],
        observe: (@Sendable (CallSpan) -> Void)? = nil
    ) {
        self.cluster = cluster
        self.observe = observe
        installer = ProgramInstaller(cluster: cluster, configuration: configuration, sources: sources)
    }

    /// Compiles and installs what is not installed yet; what a lost worker has interrupted is installed again.
    ///
    /// Throws `ShardingError`, ``ClusterError``, `CancellationError`.
    public func install(
        _ programs: [Program], progress: @escaping @Sendable (LoadingProgress) -> Void
    ) async throws -> [ProgramKey] {
        try await installer.install(programs, progress: progress)
    }

    /// Runs an installed program on all workers.
    ///
    /// Throws ``ClusterError``, `CancellationError`.
    public func run(
        _ key: ProgramKey, request: UInt64, slots: [UInt64], inputs: [String: HostTensor]
    ) async throws -> [String: HostTensor] {
        guard let observe else {
            return try await cluster.run(key.name, request: request, slots: slots, inputs: inputs)
        }
        let begin = ContinuousClock.now
        let report = try await cluster.call(key.name, request: request, slots: slots, inputs: inputs)
        observe(
            CallSpan(
                slots: slots.count, begin: begin, end: .now, longest: report.durations.max() ?? .zero))
        return report.outputs
    }

    /// Takes programs off all workers, and forgets how they were compiled.
    public func uninstall(_ keys: [ProgramKey]) async { await installer.uninstall(keys) }

    /// Frees what a request left on the workers.
    public func release(request: UInt64) async { await cluster.release(request: request) }

    /// The next call waits until the cluster is whole again, or fails where that is over.
    public func recover(from error: any Error) async -> Bool {
        if case ClusterError.interrupted = error { true } else { false }
    }
}

/// Compiles and installs programs; the decoding loop asks for one installation at a time.
private actor ProgramInstaller {
    private let cluster: Cluster
    private let sources: [String: ParameterSource]
    private let workers: [String]
    private var planner: Planner
    private var ledger: WeightLedger
    /// One local program a device, by name.
    private var installed: [String: [LocalProgram]] = [:]

    init(cluster: Cluster, configuration: ClusterConfiguration, sources: [String: ParameterSource]) {
        self.cluster = cluster
        self.sources = sources.mapValues(\.absolute)
        workers = configuration.workers.map(\.name)
        planner = Planner(
            mesh: configuration.mesh, rules: configuration.rules, options: configuration.compilerOptions)
        ledger = WeightLedger(deviceCount: configuration.mesh.deviceCount)
    }

    func install(
        _ programs: [Program], progress: @escaping @Sendable (LoadingProgress) -> Void
    ) async throws -> [ProgramKey] {
        var names: [String] = []
        var missing: [String: [Int]] = [:]
        var orders: [(name: String, program: CompiledProgram)] = []
        var ledger = ledger
        for program in programs {
            let (name, compiled, _) = try planner.compile(program)
            names.append(name)
            guard installed[name] == nil, missing[name] == nil else { continue }
            missing[name] = ledger.add(compiled.locals)
            orders.append((name, compiled))
        }
        let tally = LoadTally(workers: workers, missing: missing)
        if tally.progress.byteCount > 0 { progress(tally.progress) }
        var deadline = ContinuousClock.now + cluster.settings.installDeadline
        for order in orders {
            while installed[order.name] == nil {
                do {
                    try await cluster.install(
                        order.name, locals: order.program.locals, sources: sources, deadline: deadline
                    ) {
                        if let loaded = tally.record(worker: $0, $1) { progress(loaded) }
                    }
                    installed[order.name] = order.program.locals
                } catch ClusterError.interrupted {
                    // The way back has deadlines of its own, and the cluster bounds how often workers are lost.
                    try Task.checkCancellation()
                    deadline = .now + cluster.settings.installDeadline
                }
            }
        }
        self.ledger = ledger
        return names.map { ProgramKey($0) }
    }

    func uninstall(_ keys: [ProgramKey]) async {
        for key in keys {
            guard installed.removeValue(forKey: key.name) != nil else { continue }
            planner.forget(key.name)
            await cluster.uninstall(key.name)
        }
        ledger = WeightLedger(deviceCount: planner.mesh.deviceCount)
        for locals in installed.values { _ = ledger.add(locals) }
    }
}
