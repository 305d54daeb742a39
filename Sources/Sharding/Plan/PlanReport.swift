public import Program
import Tensor

/// What a cluster will do, before anything loads: shardings and why, collectives with bytes, memory and work per worker.
public struct PlanReport: Sendable, Codable, Hashable {
    /// `guidance 2 x model 2`.
    public var mesh: String
    /// What is planned: model, element type, pictures and their size.
    public var subject: String
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
        /// Bytes of the whole weight.
        public var bytes: Int
        /// `[model, -]`: for each dimension, the mesh axes that it is split over.
        public var sharding: String
        /// True where every worker holds all of it.
        public var isReplicated: Bool
        /// Which annotation decided it.
        public var reason: String
    }

    /// A program of a request and its communication.
    public struct ProgramPlan: Sendable, Codable, Hashable {
        /// Name: "text", "step", "decode" and so on.
        public var name: String
        /// Collectives with traffic, in order of execution.
        public var collectives: [Collective]
        /// Payload bytes that each worker sends in one call, by rank.
        public var sentBytes: [Int]
        /// Messages that all workers together send in one call.
        public var messages: Int
        /// Payload bytes of one call on each link that carries any.
        public var links: [Link]
        /// Floating-point operations of each worker in one call, by rank.
        public var flops: [Int]
        /// How long a call takes; nil where nothing was predicted.
        public var timing: Timing?
        /// How it is done in blocks to hide exchanges; nil where it is not.
        public var blocks: Blocks?
    }

    /// Blocks of a program.
    public struct Blocks: Sendable, Codable, Hashable {
        /// How many.
        public var count: Int
        /// The dimension of exchanged values that is cut.
        public var dimension: Int
        /// Sizes of such a value.
        public var sizes: [Int]
        /// Predicted seconds of a call that is not done in blocks; nil where nothing was predicted.
        public var wholeSeconds: Double?
    }

    /// Predicted times of one call.
    public struct Timing: Sendable, Codable, Hashable {
        /// Seconds until the last worker has finished.
        public var seconds: Double
        /// Seconds that each worker waits for messages, by rank.
        public var waitingSeconds: [Double]
        /// Seconds that each would wait more if it did nothing else while messages are on their way, by rank.
        public var hiddenSeconds: [Double]
    }

    /// One direction between two workers.
    public struct Link: Sendable, Codable, Hashable {
        /// Rank that sends.
        public var from: Int
        /// Rank that receives.
        public var to: Int
        /// Payload bytes of one call.
        public var bytes: Int
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
        /// Rounds of messages, which may carry other collectives too: 2 for an all-reduce that scatters partial sums and gathers results.
        public var exchanges: Int
    }

    /// What a worker holds.
    public struct WorkerPlan: Sendable, Codable, Hashable {
        /// Rank.
        public var rank: Int
        /// Name of the worker.
        public var name: String
        /// Machine that it runs on; nil: not said.
        public var host: String?
        /// Coordinates in the mesh: `guidance 0, model 1`.
        public var coordinates: String
        /// Bytes of weights.
        public var weightBytes: Int
        /// Bytes that the activations and staging areas of the largest program need; the others share them.
        public var arenaBytes: Int
        /// Bytes that one request keeps between its programs.
        public var residentBytes: Int
        /// Bytes of all three.
        public var totalBytes: Int
        /// Most bytes that the cluster file allows; nil: no limit.
        public var limitBytes: Int?
    }

    /// Builds the report from the compiled programs of one kind of request.
    ///
    /// - Parameters:
    ///   - subject: what is planned.
    ///   - workerNames: by rank; "rank 0" and so on where they are missing.
    ///   - workerHosts: machines by rank; nil: not said.
    ///   - memoryLimits: bytes by rank; nil: no limit.
    ///   - promptCount: prompts whose texts are kept on the devices at once.
    ///   - inexactSettings: settings that give up byte-identical pictures.
    public init(
        mesh: Mesh, subject: String = "", programs: [CompiledProgram], workerNames: [String] = [],
        workerHosts: [String?] = [], memoryLimits: [Int?] = [], promptCount: Int = 1, inexactSettings: [String] = []
    ) {
        self.mesh = mesh.axes.isEmpty ? "1 device" : mesh.axes.map { "\($0.name) \($0.size)" }.joined(separator: " x ")
        self.subject = subject
        self.inexactSettings = inexactSettings
        parameters = Self.parameters(programs)
        self.programs = programs.map { program in
            ProgramPlan(
                name: program.name, collectives: Self.collectives(program),
                sentBytes: program.locals.indices.map { program.sentByteCount(device: $0) },
                messages: program.messageCount, links: Self.links(program),
                flops: program.locals.indices.map { program.flops(device: $0) },
                blocks: program.blocks.map {
                    Blocks(count: $0.count, dimension: $0.dim, sizes: $0.sizes, wholeSeconds: $0.wholeSeconds)
                })
        }
        workers = (0..<mesh.deviceCount).map { rank in
            let locals = programs.map { $0.locals[rank] }
            let weights = CostModel.weightByteCount(of: locals)
            let arena = locals.map(\.arenaByteCount).max() ?? 0
            let residents = CostModel.residentByteCount(of: locals) * promptCount
            return WorkerPlan(
                rank: rank, name: workerNames.indices.contains(rank) ? workerNames[rank] : "rank \(rank)",
                host: workerHosts.indices.contains(rank) ? workerHosts[rank] : nil,
                coordinates: zip(mesh.axes, mesh.coordinates(of: rank)).map { "\($0.name) \($1)" }
                    .joined(separator: ", "),
                weightBytes: weights, arenaBytes: arena, residentBytes: residents,
                totalBytes: weights + arena + residents,
                limitBytes: memoryLimits.indices.contains(rank) ? memoryLimits[rank] : nil)
        }
    }

    /// Adds what a call of each program takes on these machines.
    ///
    /// - Parameter programs: those that the report was made from.
    public mutating func predict(_ programs: [CompiledProgram], profile: MachineProfile) {
        for (index, program) in programs.enumerated() where self.programs.indices.contains(index) {
            let timeline = Timeline.predict(locals: program.locals, profile: profile)
            self.programs[index].timing = Timing(
                seconds: timeline.duration,
                waitingSeconds: program.locals.indices.map { timeline.seconds(.wait, device: $0) },
                hiddenSeconds: timeline.hiddenSeconds)
        }
    }

    private static func parameters(_ programs: [CompiledProgram]) -> [Parameter] {
        var forms: [String: Set<StoredWeight.Form>] = [:]
        var bytes: [String: Int] = [:]
        // All devices have parts of the same weights in the same forms.
        for weight in programs.flatMap({ $0.locals.prefix(1) }).flatMap(\.storedWeights) {
            let name = weight.slice.spec.name
            if forms[name, default: []].insert(weight.form).inserted {
                bytes[name, default: 0] += weight.wholeByteCount
            }
        }
        var seen: Set<String> = []
        return programs.flatMap(\.parameters).filter { seen.insert("\($0.name) \($0.sharding)").inserted }.map {
            Parameter(
                name: $0.name, dims: $0.dims, bytes: bytes[$0.name] ?? 0, sharding: $0.sharding,
                isReplicated: $0.sharding.allSatisfy { "[]-, ".contains($0) }, reason: $0.reason)
        }
    }

    private static func collectives(_ program: CompiledProgram) -> [Collective] {
        guard let first = program.locals.first else { return [] }
        var collectives: [Collective] = []
        // Sums whose results have not been gathered yet, by the buffer that they leave.
        var open: [Int: Int] = [:]
        for (index, exchange) in first.exchanges.enumerated() {
            let bytes = program.repetition.sentByteCounts[index]
            guard bytes > 0 else { continue }
            if exchange.kind == .allReduce, exchange.reduction == nil,
                let sum = open.removeValue(forKey: exchange.source)
            {
                collectives[sum].bytes += bytes
                collectives[sum].exchanges += 1
                continue
            }
            if exchange.kind == .allReduce, exchange.reduction != nil {
                open[exchange.destination] = collectives.count
            }
            collectives.append(
                Collective(
                    kind: exchange.kind.rawValue, axes: exchange.axes, scope: exchange.scope, bytes: bytes,
                    exchanges: 1))
        }
        return collectives
    }

    private static func links(_ program: CompiledProgram) -> [Link] {
        program.locals.indices.flatMap { rank in
            program.sentByteCounts(device: rank).sorted { $0.key < $1.key }.map {
                Link(from: rank, to: $0.key, bytes: $0.value)
            }
        }
    }
}
