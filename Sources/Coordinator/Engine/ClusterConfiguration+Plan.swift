import Models
import Program
public import Sharding

extension ClusterConfiguration {
    /// Compiles the model for the mesh and reports what a request of the default size will do. Nothing is loaded.
    ///
    /// - Parameter pictures: pictures in the batch; nil: one for each device along the axis that batches are split over.
    /// - Throws: what opening the model throws, and `ShardingError`.
    public func plan(pictures: Int? = nil) throws -> PlanReport {
        let model = try AmusedImageModel(try ModelLoader.open(self.model))
        let shape = GenerationShape(
            pictures: pictures ?? batchDivisor, isGuided: true, rows: model.defaults.height / model.pixelsPerToken,
            columns: model.defaults.width / model.pixelsPerToken)
        var planner = Planner(mesh: mesh, rules: rules)
        let programs = try [ProgramRole.text, .step(.generated), .decode].map {
            try planner.compile(try model.program($0, shape: shape)).program
        }
        return PlanReport(mesh: mesh, programs: programs, workerNames: workers.map(\.name))
    }

    /// Devices along the mesh axes that the batch is split over: a batch of so many pictures keeps all of them busy.
    public var batchDivisor: Int {
        (rules.rules["batch"] ?? []).reduce(1) { product, name in
            product * (mesh.index(of: name).map { mesh.axes[$0].size } ?? 1)
        }
    }
}
