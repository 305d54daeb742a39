/// One worker process, which holds one device of the mesh.
public struct WorkerSettings: Sendable, Hashable {
    /// Unique in the cluster.
    public var name: String
    /// Compute threads; nil: the machine's cores divided evenly among its workers.
    public var threads: Int?
    /// Most bytes that weights and activations may take; nil: no limit.
    public var memoryByteCount: Int?
    /// Speed relative to the other workers; shards are proportional to it.
    public var speed: Double

    /// Makes settings.
    public init(name: String, threads: Int? = nil, memoryByteCount: Int? = nil, speed: Double = 1) {
        self.name = name
        self.threads = threads
        self.memoryByteCount = memoryByteCount
        self.speed = speed
    }
}

/// How workers come to life.
public enum LauncherKind: String, Sendable, Hashable, CaseIterable {
    /// Processes on the coordinator's machine.
    case local
}
