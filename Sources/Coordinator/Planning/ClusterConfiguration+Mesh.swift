import Models
import Program
public import Sharding

extension ClusterConfiguration {
    /// The configuration with the mesh that `mesh: auto` stands for, and why it was chosen.
    ///
    /// Workers that the chosen mesh leaves idle are not in it. A configuration with a mesh of its own comes back as it is.
    ///
    /// - Parameters:
    ///   - pictures: pictures of a request; nil: one for the least latency, one a worker for throughput.
    ///   - progress: told how many meshes of how many are compiled.
    /// - Throws: what opening the model throws, `MeshSearchError` and `ShardingError`.
    public func resolved(
        pictures: Int? = nil, progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
    ) throws -> (configuration: ClusterConfiguration, choice: MeshChoice?) {
        guard automatic != nil else { return (self, nil) }
        return try resolved(
            for: try ModelLoader.load(model), pictures: pictures, progress: progress)
    }

    /// As ``resolved(pictures:progress:)``, for a model that is open already.
    public func resolved(
        for model: any ImageModel, pictures: Int? = nil, progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
    ) throws -> (configuration: ClusterConfiguration, choice: MeshChoice?) {
        guard let objective = automatic else { return (self, nil) }
        let search = MeshSearch(
            profile: machineProfile, memoryLimits: workers.map(\.memoryByteCount), objective: objective,
            partialSums: partialSums, wire: wire
        ) { LogicalAxisRules(LogicalAxis.defaultRules(mesh: $0)) }
        var count = pictures ?? (objective == .latency ? 1 : min(workers.count, GenerationPlan.Limits.pictures))
        while true {
            do {
                let choice = try search.run(pictures: count, progress: progress) {
                    try workload(of: model, pictures: $0)
                }
                return (adopting(choice.best), choice)
            } catch let error as MeshSearchError {
                // Fewer pictures at once take less memory.
                guard pictures == nil, count > 1 else { throw error }
                count /= 2
            }
        }
    }

    /// The programs of a request of the model's own size.
    public func workload(of model: any ImageModel, pictures: Int) throws -> Workload {
        let defaults = model.defaults
        let scale = generation.guidanceScale ?? defaults.guidanceScale
        let shape = GenerationShape(
            pictures: pictures, isGuided: scale > 1, rows: defaults.height / model.pixelsPerToken,
            columns: defaults.width / model.pixelsPerToken)
        let steps = generation.steps ?? defaults.steps
        let conditional = conditionalStepCount(of: model)
        let roles: [(ProgramRole, Int)] = [
            (.text, pictures), (.conditionalStep(.generated), conditional), (.step(.generated), steps - conditional),
            (.decode, 1),
        ].filter { $0.1 > 0 }
        return Workload(
            pictures: pictures,
            stages: try roles.map { Workload.Stage(try model.program($0.0, shape: shape.shape(of: $0.0)), calls: $0.1) }
        )
    }

    private func adopting(_ best: MeshChoice.Outcome) -> ClusterConfiguration {
        var result = self
        result.automatic = nil
        result.workers = best.numbers.map { workers[$0] }
        result.mesh = best.mesh
        result.rules = LogicalAxisRules(LogicalAxis.defaultRules(mesh: best.axes.map(\.name)))
        return result
    }
}
