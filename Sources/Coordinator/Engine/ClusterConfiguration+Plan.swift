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
    /// - Throws: what opening the model throws, ``ConfigurationError`` where rules or overrides do not fit the model, and
    ///   `ShardingError`.
    public func plan(pictures: Int? = nil) throws -> PlanReport {
        try planned(pictures: pictures).report
    }

    /// As ``plan(pictures:)``, of a model that is open already.
    ///
    /// - Throws: ``ConfigurationError`` where rules or overrides do not fit the model, and `ShardingError`.
    public func plan(of model: any LoadedImageModel, pictures: Int? = nil) throws -> PlanReport {
        try planned(of: model, pictures: pictures).report
    }

    /// As ``plan(pictures:)``, with the programs and what the compiler found, for explanations, dumps and pictures.
    public func planned(pictures: Int? = nil) throws -> PlannedRequest {
        try planned(of: try ModelLoader.load(model), pictures: pictures)
    }

    /// As ``planned(pictures:)``, of a model that is open already.
    ///
    /// - Throws: ``ConfigurationError`` where rules or overrides do not fit the model, and `ShardingError`.
    public func planned(of model: any LoadedImageModel, pictures: Int? = nil) throws -> PlannedRequest {
        let shape = GenerationShape(
            pictures: pictures ?? batchDivisor, isGuided: true, rows: model.defaults.height / model.pixelsPerToken,
            columns: model.defaults.width / model.pixelsPerToken)
        var roles = [ProgramRole.text, .step(.generated), .decode]
        if conditionalStepCount(of: model) > 0 { roles.insert(.conditionalStep(.generated), at: 1) }
        let programs = try roles.map { try model.program($0, shape: shape.shape(of: $0)) }
        try checkAnnotations(of: programs, parameters: model.loaded.parameters.keys)
        var planner = Planner(mesh: mesh, rules: rules, options: compilerOptions)
        let planned = try programs.map { program in
            let residents = planner.residents(of: program)
            return try PlannedProgram(
                program, compiled: try planner.compile(program).program, mesh: mesh, rules: rules, residents: residents)
        }
        let count = shape.pictures == 1 ? "1 picture" : "\(shape.pictures) pictures"
        let subject =
            "\(model.loaded.name) in \(self.model.dtype.rawValue): \(count) of "
            + "\(model.defaults.width) x \(model.defaults.height) with guidance"
        var report = PlanReport(
            mesh: mesh, subject: subject, programs: planned.map(\.compiled), workerNames: workers.map(\.name),
            workerHosts: workers.map(\.host), memoryLimits: workers.map(\.memoryByteCount), promptCount: shape.pictures,
            inexactSettings: inexactSettings)
        if mesh.deviceCount <= PlannedRequest.timedDeviceMax {
            report.predict(planned.map(\.compiled), profile: machineProfile)
        }
        return PlannedRequest(programs: planned, report: report)
    }

    /// Steps of a request with the configured settings that have a conditional half only.
    func conditionalStepCount(of model: any ImageModel) -> Int {
        let (own, scale) = (model.defaults, generation.guidanceScale ?? model.defaults.guidanceScale)
        guard scale > 1 else { return 0 }
        return (generation.guidanceSchedule ?? own.guidanceSchedule)
            .scales(scale, stepCount: generation.steps ?? own.steps).count { $0 <= 1 }
    }

    /// Devices along the mesh axes that the batch is split over: a batch of so many pictures keeps all of them busy.
    public var batchDivisor: Int {
        (rules.rules["batch"] ?? []).reduce(1) { product, name in
            product * (mesh.index(of: name).map { mesh.axes[$0].size } ?? 1)
        }
    }
}
