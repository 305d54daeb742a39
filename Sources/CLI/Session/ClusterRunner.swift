import Coordinator
import Program
import Protocol
import Sharding
import Tensor

/// Runs a model's programs on a cluster of processes: compiles each for the mesh once and installs it on all workers.
///
/// Jobs are served one after the other, so no two installations overlap.
actor ClusterRunner: ProgramRunner {
    private let cluster: Cluster
    private let sources: [String: ParameterSource]
    private let progress: Progress
    private var planner: Planner
    private var installed: Set<String> = []

    /// A runner that has installed nothing yet; `sources` are those of the whole model.
    init(
        cluster: Cluster, configuration: ClusterConfiguration, sources: [String: ParameterSource], progress: Progress
    ) {
        self.cluster = cluster
        self.sources = sources
        self.progress = progress
        planner = Planner(mesh: configuration.mesh, rules: configuration.rules)
    }

    func install(_ program: Program) async throws -> ProgramKey {
        let (name, compiled, _) = try planner.compile(program)
        if !installed.contains(name) {
            let progress = progress
            try await cluster.install(name, locals: compiled.locals, sources: sources) { worker, report in
                progress.loaded(worker: worker, bytes: report.bytesDone, of: report.bytesTotal)
            }
            progress.finish()
            installed.insert(name)
        }
        return ProgramKey(name)
    }

    func run(
        _ key: ProgramKey, request: UInt64, inputs: [String: HostTensor]
    ) async throws -> [String: HostTensor] {
        try await cluster.run(key.name, request: request, inputs: inputs)
    }

    func release(request: UInt64) async { await cluster.release(request: request) }
}
