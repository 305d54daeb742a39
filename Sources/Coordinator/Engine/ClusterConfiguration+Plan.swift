import Models
import Program
public import Sharding
import Tensor

extension ClusterConfiguration {
    /// Compiles the model for the mesh and reports what a request of the default size will do.
    ///
    /// Nothing is loaded.
    ///
    /// - Parameter pictures: pictures in the batch; nil: one for each device along the axis that batches are split over.
    /// - Throws: what opening the model throws, and `ShardingError`.
    public func plan(pictures: Int? = nil) throws -> PlanReport {
        try plan(of: try AmusedImageModel(try ModelLoader.open(model)), pictures: pictures)
    }

    /// As ``plan(pictures:)``, of a model that is open already.
    ///
    /// - Throws: `ShardingError`.
    public func plan(of model: AmusedImageModel, pictures: Int? = nil) throws -> PlanReport {
        let shape = GenerationShape(
            pictures: pictures ?? batchDivisor, isGuided: true, rows: model.defaults.height / model.pixelsPerToken,
            columns: model.defaults.width / model.pixelsPerToken)
        var planner = Planner(mesh: mesh, rules: rules, options: compilerOptions)
        let programs = try [ProgramRole.text, .step(.generated), .decode].map {
            try planner.compile(try model.program($0, shape: shape)).program
        }
        let count = shape.pictures == 1 ? "1 picture" : "\(shape.pictures) pictures"
        let subject =
            "\(model.model.name) in \(self.model.dtype.rawValue): \(count) of "
            + "\(model.defaults.width) x \(model.defaults.height) with guidance"
        return PlanReport(
            mesh: mesh, subject: subject, programs: programs, workerNames: workers.map(\.name),
            memoryLimits: workers.map(\.memoryByteCount))
    }

    /// Devices along the mesh axes that the batch is split over: a batch of so many pictures keeps all of them busy.
    public var batchDivisor: Int {
        (rules.rules["batch"] ?? []).reduce(1) { product, name in
            product * (mesh.index(of: name).map { mesh.axes[$0].size } ?? 1)
        }
    }
}
