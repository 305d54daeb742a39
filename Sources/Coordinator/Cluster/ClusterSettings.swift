public import Program
public import Protocol
public import Tensor
public import Transport

/// What a cluster needs to know about itself; independent of the file in which a user wrote it.
public struct ClusterSettings: Sendable {
    /// A worker that belongs to the cluster; its place in ``ClusterSettings/workers`` is its rank.
    public struct Worker: Sendable, Hashable {
        /// Name, unique in the cluster.
        public var name: String
        /// Compute threads; 0: the cores that it sees, divided evenly among the workers of its machine.
        public var threads: Int
        /// Bytes that weights and activations may take; nil: no limit.
        public var memoryLimit: Int?
        /// True where the launcher starts it; false where it joins by itself.
        ///
        /// A worker that joins with a name that no worker has takes the first free place of this kind.
        public var isLaunched: Bool

        /// Machine to start it on; nil: the launcher's choice.
        public var host: String?
        /// Address or interface of its machine that the other workers reach; nil: the worker's choice.
        public var dataHost: String?
        /// Host by which it reaches the coordinator; nil: the one that the coordinator listens on.
        public var coordinatorHost: String?

        /// Makes a worker.
        public init(
            name: String, threads: Int = 0, memoryLimit: Int? = nil, isLaunched: Bool = true, host: String? = nil,
            dataHost: String? = nil, coordinatorHost: String? = nil
        ) {
            self.name = name
            self.threads = threads
            self.memoryLimit = memoryLimit
            self.isLaunched = isLaunched
            self.host = host
            self.dataHost = dataHost
            self.coordinatorHost = coordinatorHost
        }
    }

    /// Name for people, and the cluster id that all members must give.
    public var name: String
    /// By rank.
    public var workers: [Worker]
    /// Where the coordinator listens ("tcp://127.0.0.1:0"; port 0: any).
    public var bind: String
    /// Activation type.
    public var dtype: DType
    /// Hash of the model; nil: workers may hold any.
    public var modelHash: String?
    /// Version that workers must have.
    public var buildVersion: String
    /// How long workers may take to join.
    public var joinDeadline: Duration
    /// How long joined workers may take to reach each other.
    public var connectDeadline: Duration
    /// Interval of signs of life.
    public var heartbeat: Duration
    /// Longest silence of a living worker.
    public var silence: Duration
    /// Longest silence of a living coordinator, as workers see it.
    public var coordinatorSilence: Duration
    /// Longest wait for a peer inside a call.
    public var peerDeadline: Duration
    /// What carries data between workers.
    public var carrier: Carrier
    /// What members and clients know each other by; nil: everybody who reaches the coordinator is let in.
    public var key: ClusterKey?
    /// Which links between workers are encrypted, where there is a key.
    public var linkEncryption: LinkEncryption
    /// Longest call, unless the plan predicts more (``CallPrediction``).
    public var callDeadline: Duration
    /// Longest installation of a program, or of several that are installed together.
    public var installDeadline: Duration
    /// How long workers may take to give up calls after a failure.
    public var abortDeadline: Duration
    /// How long workers may take to finish before they are killed.
    public var shutdownDeadline: Duration
    /// Lost workers that are started anew, or awaited again, within ``restartWindow``; 0: a lost worker ends the cluster.
    public var restartLimit: Int
    /// Time that a restart counts for.
    public var restartWindow: Duration
    /// Pause before the first restart; every further one within the window doubles it.
    public var restartDelay: Duration

    /// Makes settings.
    public init(
        name: String, workers: [Worker], bind: String = "tcp://127.0.0.1:0", dtype: DType = .bf16,
        modelHash: String? = nil, buildVersion: String = ProtocolVersion.build, joinDeadline: Duration = .seconds(30),
        connectDeadline: Duration = .seconds(25), heartbeat: Duration = .milliseconds(250),
        silence: Duration = .seconds(2), coordinatorSilence: Duration = .seconds(5),
        peerDeadline: Duration = .seconds(60), callDeadline: Duration = .seconds(300),
        installDeadline: Duration = .seconds(1800), abortDeadline: Duration = .seconds(10),
        shutdownDeadline: Duration = .seconds(3), restartLimit: Int = 0, restartWindow: Duration = .seconds(600),
        restartDelay: Duration = .milliseconds(500), carrier: Carrier = .automatic, key: ClusterKey? = nil,
        linkEncryption: LinkEncryption = .betweenHosts
    ) {
        self.name = name
        self.workers = workers
        self.bind = bind
        self.dtype = dtype
        self.modelHash = modelHash
        self.buildVersion = buildVersion
        self.joinDeadline = joinDeadline
        self.connectDeadline = connectDeadline
        self.heartbeat = heartbeat
        self.silence = silence
        self.coordinatorSilence = coordinatorSilence
        self.peerDeadline = peerDeadline
        self.callDeadline = callDeadline
        self.installDeadline = installDeadline
        self.abortDeadline = abortDeadline
        self.shutdownDeadline = shutdownDeadline
        self.restartLimit = restartLimit
        self.restartWindow = restartWindow
        self.restartDelay = restartDelay
        self.carrier = carrier
        self.key = key
        self.linkEncryption = linkEncryption
    }
}
