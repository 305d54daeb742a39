public import Transport

/// What a worker's process is started with.
public struct LaunchOrder: Sendable, Hashable {
    /// The worker's name.
    public var name: String
    /// The coordinator's control endpoint.
    public var connect: String
    /// Which cluster.
    public var clusterID: String
    /// What it shows to the coordinator and its peers; nil: the cluster has no key.
    ///
    /// It goes to a process through its standard input, as ``ClusterKey/line``, never through arguments or the environment.
    public var key: ClusterKey?

    /// Makes an order.
    public init(name: String, connect: String, clusterID: String, key: ClusterKey? = nil) {
        self.name = name
        self.connect = connect
        self.clusterID = clusterID
        self.key = key
    }
}

/// How a worker's process ended.
public struct WorkerExit: Sendable, Hashable {
    /// "exit status 1", "signal 9".
    public var status: String
    /// What it wrote last, oldest line first.
    public var lastLines: [String]

    /// Makes a report.
    public init(status: String, lastLines: [String]) {
        self.status = status
        self.lastLines = lastLines
    }
}

/// A worker's process, as its launcher sees it.
public protocol LaunchedWorker: Sendable {
    /// Asks the process, and those it started, to finish; nothing happens when it has ended.
    func terminate()
    /// Ends the process, and those it started, at once; nothing happens when it has ended.
    func kill()
}

/// Starts workers.
///
/// Local processes are one way; a worker that joins by itself needs none.
public protocol Launcher: Sendable {
    /// Starts a worker; `ended` is called once, when its process has ended and was reaped.
    ///
    /// Throws ``ClusterError/launchFailed(worker:reason:)``.
    func launch(
        _ order: LaunchOrder, ended: @escaping @Sendable (WorkerExit) -> Void
    ) throws(ClusterError) -> any LaunchedWorker
}
