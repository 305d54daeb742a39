/// Why no mesh could be chosen.
public enum MeshSearchError: Error, Sendable, Hashable, CustomStringConvertible {
    /// What a worker lacks.
    public struct Shortfall: Sendable, Hashable {
        /// Worker's name.
        public var worker: String
        /// Bytes that it would have to hold.
        public var needed: Int
        /// Bytes that it may hold.
        public var limit: Int

        /// Makes an entry.
        public init(worker: String, needed: Int, limit: Int) {
            self.worker = worker
            self.needed = needed
            self.limit = limit
        }

        /// "worker-1 needs 5.1 GiB of 4 GiB and lacks 1.1 GiB".
        public var description: String {
            "\(worker) needs \(PlanReport.bytes(needed)) of \(PlanReport.bytes(limit)) and lacks "
                + PlanReport.bytes(needed - limit)
        }
    }

    /// No mesh keeps every worker within its memory; the shortfalls are those of the mesh that comes closest.
    case nothingFits(mesh: String, shortfalls: [Shortfall])

    /// What, where, what to do.
    public var description: String {
        switch self {
        case .nothingFits(let mesh, let shortfalls):
            "the model fits the workers' memory on no mesh; on the closest, \(mesh), "
                + shortfalls.map(\.description).joined(separator: ", ")
                + ": raise workers.memory, add workers, or make fewer or smaller pictures at once"
        }
    }
}
