public import Transport

/// How a worker finds its cluster.
public struct WorkerSettings: Sendable {
    /// The coordinator's control endpoint ("tcp://host:port").
    public var connect: String
    /// Name, unique in the cluster.
    public var name: String
    /// Which cluster.
    public var clusterID: String
    /// Address or interface of this host that the data plane listens on.
    public var dataHost: String
    /// Address that peers connect to, where it differs from ``dataHost``.
    public var dataAdvertise: String?
    /// Hash of the model that this machine holds; empty: no opinion.
    public var modelHash: String
    /// How long to wait for the coordinator's first word.
    public var joinDeadline: Duration
    /// What it shows to the coordinator and its peers; nil: the cluster has no key.
    public var key: ClusterKey?

    /// Makes settings.
    public init(
        connect: String, name: String, clusterID: String, dataHost: String = "127.0.0.1", dataAdvertise: String? = nil,
        modelHash: String = "", joinDeadline: Duration = .seconds(30), key: ClusterKey? = nil
    ) {
        self.connect = connect
        self.name = name
        self.clusterID = clusterID
        self.dataHost = dataHost
        self.dataAdvertise = dataAdvertise
        self.modelHash = modelHash
        self.joinDeadline = joinDeadline
        self.key = key
    }
}
