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
    /// Machine that it runs on, as `workers.hosts` names it; nil: the file does not say.
    public var host: String?
    /// Address or interface of its machine that the other workers reach; nil: ``DataPlaneSettings/host``.
    public var dataHost: String?

    /// Makes settings.
    public init(
        name: String, threads: Int? = nil, memoryByteCount: Int? = nil, speed: Double = 1, host: String? = nil,
        dataHost: String? = nil
    ) {
        self.name = name
        self.threads = threads
        self.memoryByteCount = memoryByteCount
        self.speed = speed
        self.host = host
        self.dataHost = dataHost
    }
}
