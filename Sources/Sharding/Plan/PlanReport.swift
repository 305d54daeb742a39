public import Program
import Tensor

/// What a cluster will do, before anything loads: shardings and why, collectives with bytes, memory and work per worker.
public struct PlanReport: Sendable, Codable, Hashable {
    /// `guidance 2 x model 2`.
    public var mesh: String
    /// Every weight.
    public var parameters: [Parameter]
    /// Every program of a request.
    public var programs: [ProgramPlan]
    /// Every worker.
    public var workers: [WorkerPlan]
    /// Settings that give up byte-identical pictures; empty unless asked for.
    public var inexactSettings: [String]

    /// A weight.
    public struct Parameter: Sendable, Codable, Hashable {
        /// Name in the model.
        public var name: String
        /// Shape that the program sees.
        public var dims: [Int]
        /// `[model, -]`.
        public var sharding: String
        /// Which annotation decided it.
        public var reason: String
    }

    /// A program of a request and its communication.
    public struct ProgramPlan: Sendable, Codable, Hashable {
        /// "text", "step", "decode" …
        public var name: String
        /// Collectives with traffic, in order of execution.
        public var collectives: [Collective]
        /// Payload bytes that each worker sends in one call, by rank.
        public var sentBytes: [Int]
        /// Floating-point operations of each worker in one call, by rank.
        public var flops: [Int]
    }

    /// One collective of a program.
    public struct Collective: Sendable, Codable, Hashable {
        /// Name for people.
        public var kind: String
        /// Mesh axes.
        public var axes: [String]
        /// Where in the model.
        public var scope: String
        /// Payload bytes that all workers together send.
        public var bytes: Int
    }

    /// What a worker holds.
    public struct WorkerPlan: Sendable, Codable, Hashable {
        /// Rank.
        public var rank: Int
        /// Name of the worker.
        public var name: String
        /// Coordinates in the mesh: `guidance 0, model 1`.
        public var coordinates: String
        /// Bytes of weights.
        public var weightBytes: Int
        /// Bytes that the largest program's activations and staging areas need.
        public var arenaBytes: Int
        /// Bytes that one request keeps between its programs.
        public var residentBytes: Int
    }

    /// Builds the report from the compiled programs of one kind of request.
    public init(mesh: Mesh, programs: [CompiledProgram], workerNames: [String] = []) {
        self.mesh = mesh.axes.isEmpty ? "1 device" : mesh.axes.map { "\($0.name) \($0.size)" }.joined(separator: " x ")
        inexactSettings = []
        var seen: Set<String> = []
        parameters = programs.flatMap(\.parameters).filter { seen.insert("\($0.name) \($0.sharding)").inserted }.map {
            Parameter(name: $0.name, dims: $0.dims, sharding: $0.sharding, reason: $0.reason)
        }
        self.programs = programs.map { program in
            ProgramPlan(
                name: program.name, collectives: Self.collectives(program),
                sentBytes: program.locals.map { CostModel.sentByteCount(of: $0) },
                flops: program.locals.map { CostModel.flops(of: $0) })
        }
        workers = (0..<mesh.deviceCount).map { rank in
            let locals = programs.map { $0.locals[rank] }
            return WorkerPlan(
                rank: rank, name: workerNames.indices.contains(rank) ? workerNames[rank] : "rank \(rank)",
                coordinates: zip(mesh.axes, mesh.coordinates(of: rank)).map { "\($0.name) \($1)" }
                    .joined(separator: ", "),
                weightBytes: CostModel.weightByteCount(of: locals), arenaBytes: locals.map(\.arenaByteCount).max() ?? 0,
                residentBytes: CostModel.residentByteCount(of: locals))
        }
    }

    private static func collectives(_ program: CompiledProgram) -> [Collective] {
        guard let first = program.locals.first else { return [] }
        return first.exchanges.indices.compactMap { index in
            let bytes = program.locals.reduce(0) { sum, local in
                let exchange = local.exchanges[index]
                return sum + exchange.sentByteCount(dtype: local.buffers[exchange.source].dtype)
            }
            guard bytes > 0 else { return nil }
            let exchange = first.exchanges[index]
            return Collective(
                kind: exchange.kind.rawValue, axes: exchange.axes, scope: exchange.scope, bytes: bytes)
        }
    }
}
