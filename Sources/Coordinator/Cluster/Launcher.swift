public import Transport

/// What a worker is started with.
public struct LaunchOrder: Sendable, Hashable {
    /// The worker's name.
    public var name: String
    /// The coordinator's control endpoint.
    public var connect: String
    /// Which cluster.
    public var clusterID: String
    /// Machine to start it on; nil: the launcher's choice.
    public var host: String?
    /// Address or interface of that machine for the other workers; nil: the worker's choice.
    public var dataHost: String?
    /// What it shows to the coordinator and its peers; nil: the cluster has no key.
    ///
    /// It goes to a process through its standard input, as ``ClusterKey/line``, never through arguments or the environment.
    public var key: ClusterKey?

    /// Makes an order.
    public init(
        name: String, connect: String, clusterID: String, host: String? = nil, dataHost: String? = nil,
        key: ClusterKey? = nil
    ) {
        self.name = name
        self.connect = connect
        self.clusterID = clusterID
        self.host = host
        self.dataHost = dataHost
        self.key = key
    }

    /// What the worker reads from its standard input, and stands on no command line: the key.
    var secret: [UInt8] { Array((key?.line ?? "").utf8) }

    /// The words after `tessera` with which a launcher starts the worker, whose standard input holds the key.
    public var arguments: [String] { words(keyFile: key == nil ? "none" : "-") }

    private func words(keyFile: String) -> [String] {
        ["worker", "--connect", connect, "--name", name, "--cluster-id", clusterID]
            + (dataHost.map { ["--data-host", $0] } ?? []) + ["--key-file", keyFile]
    }

    /// What somebody types on another machine to start the worker, and to start it again whenever it has lost the cluster.
    ///
    /// A key is there in a copy of the cluster's key file.
    public var command: String {
        ShellQuote.join(["tessera"] + words(keyFile: key == nil ? "none" : "cluster.key") + ["--rejoin"])
    }
}

/// How a worker's process ended.
public struct WorkerExit: Sendable, Hashable {
    /// "exit status 1", "signal 9".
    public var status: String
    /// What it wrote last, oldest line first.
    public var lastLines: [String]
    /// What the launcher makes of it, with what to do; nil: nothing.
    public var explanation: String?

    /// Makes a report.
    public init(status: String, lastLines: [String], explanation: String? = nil) {
        self.status = status
        self.lastLines = lastLines
        self.explanation = explanation
    }
}

/// A worker's process, as its launcher sees it.
public protocol LaunchedWorker: Sendable {
    /// Asks the process, and those it started, to finish; nothing happens when it has ended.
    func terminate()
    /// Ends the process, and those it started, at once; nothing happens when it has ended.
    func kill()
}

/// Starts workers, or has them started.
public protocol Launcher: Sendable {
    /// Starts a worker; `ended` is called once, when its process has ended and was reaped.
    ///
    /// Throws ``ClusterError/launchFailed(worker:reason:)``.
    func launch(
        _ order: LaunchOrder, ended: @escaping @Sendable (WorkerExit) -> Void
    ) throws(ClusterError) -> any LaunchedWorker

    /// The cluster waits for a worker that joins by itself (``ClusterSettings/Worker/isLaunched``).
    func invite(_ order: LaunchOrder)

    /// A worker that was invited has joined, under this name, from this machine.
    func joined(_ invited: LaunchOrder, as name: String, from host: String)
}

extension Launcher {
    /// Nobody is told.
    public func invite(_ order: LaunchOrder) {}
    /// Nobody is told.
    public func joined(_ invited: LaunchOrder, as name: String, from host: String) {}
}
