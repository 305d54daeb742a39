import Coordinator
import Foundation
import Program
import Sharding

/// The wiring: turns a configuration into a running cluster, a plan or a picture.
enum ClusterSession {
    /// What this build cannot do yet.
    struct Unavailable: Error, CustomStringConvertible {
        let description: String
    }

    /// Starts a cluster and stays until it is told to stop.
    static func up(_ configuration: ClusterConfiguration) async throws {
        throw Unavailable(description: "this build cannot start clusters")
    }

    /// Runs a worker until its coordinator dismisses it.
    static func runWorker(connect: String, name: String, clusterID: String, threads: Int?) async throws {
        throw Unavailable(description: "this build cannot run workers")
    }

    /// Compiles the programs of a request for the mesh.
    static func plan(_ configuration: ClusterConfiguration, request: GenerationRequest) throws -> PlanReport {
        let model = try configuration.model.open()
        let generation = try GenerationPlan(request, for: model)
        let shape = GenerationShape(
            pictures: generation.pictureCount, isGuided: generation.isGuided, rows: generation.rows,
            columns: generation.columns)
        var planner = Planner(mesh: configuration.mesh, rules: configuration.rules)
        let programs = try [ProgramRole.text, .step(.generated), .decode].map { role in
            try planner.compile(try model.program(role, shape: shape)).program
        }
        return PlanReport(
            mesh: configuration.mesh, programs: programs, workerNames: configuration.workers.map(\.name))
    }

    /// Makes pictures and writes them.
    static func generate(_ configuration: ClusterConfiguration, command: GenerateCommand) async throws {
        throw Unavailable(description: "this build cannot make pictures")
    }
}

extension PlanReport {
    /// The report as JSON with sorted keys.
    var json: String {
        get throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            return String(decoding: try encoder.encode(self), as: UTF8.self)
        }
    }
}
