public import Transport

/// How a worker finds its cluster.
public struct WorkerSettings: Sendable {
    /// The coordinator's control endpoint ("tcp://host:port").
    public var connect: String
    /// Name, unique in the cluster.
    public var name: String
    /// Which cluster.
    public var clusterID: String
    /// Address or interface of this host that the data plane listens on; nil: this host's address on the way to the
    /// coordinator.
    public var dataHost: String?
    /// Address that peers connect to, where it differs from ``dataHost``; nil and a ``dataHost`` that means all
    /// interfaces: this host's address on the way to the coordinator.
    public var dataAdvertise: String?
    /// Hash of the model that this machine holds; empty: no opinion.
    public var modelHash: String
    /// How long to wait for the coordinator's first word.
    public var joinDeadline: Duration
    /// What it shows to the coordinator and its peers; nil: the cluster has no key.
    public var key: ClusterKey?

    /// Makes settings.
    public init(
        connect: String, name: String, clusterID: String, dataHost: String? = nil, dataAdvertise: String? = nil,
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

extension WorkerSettings {
    /// What the data plane binds.
    ///
    /// Throws `TransportError` where no way leads to the coordinator.
    var boundHost: String {
        get throws(TransportError) {
            if let dataHost { return dataHost }
            return try LocalAddress.facing(connect)
        }
    }

    /// What peers connect to; nil: what is bound.
    ///
    /// Throws `TransportError` where no way leads to the coordinator.
    var advertisedHost: String? {
        get throws(TransportError) {
            guard dataAdvertise == nil, let dataHost, LocalAddress.isWildcard(dataHost) else { return dataAdvertise }
            return try LocalAddress.facing(connect)
        }
    }
}
