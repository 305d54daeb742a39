public import Program
public import Tensor

/// How a worker introduces itself.
public struct Hello: Sendable, Hashable {
    /// Version of its build.
    public var buildVersion: String
    /// Its name, unique in the cluster.
    public var worker: String
    /// Hash of the model it holds; empty where it holds none.
    public var modelHash: String
    /// Instruction-set level of its kernels.
    public var isa: String
    /// Cores that it may use.
    public var cpuCount: Int
    /// Memory of its machine in bytes.
    public var memoryByteCount: Int
    /// Its process.
    public var processID: Int
    /// Its machine.
    public var host: String

    /// Makes an introduction.
    public init(
        buildVersion: String = ProtocolVersion.build, worker: String, modelHash: String = "", isa: String,
        cpuCount: Int, memoryByteCount: Int, processID: Int, host: String
    ) {
        self.buildVersion = buildVersion
        self.worker = worker
        self.modelHash = modelHash
        self.isa = isa
        self.cpuCount = cpuCount
        self.memoryByteCount = memoryByteCount
        self.processID = processID
        self.host = host
    }
}

/// A worker's place in the cluster.
public struct Assign: Sendable, Hashable {
    /// Device id.
    public var rank: Int
    /// Devices in the mesh.
    public var deviceCount: Int
    /// Activation type.
    public var dtype: DType
    /// Compute threads; 0: as many as the worker sees cores.
    public var threads: Int
    /// Bytes that weights and activations may take; nil: no limit.
    public var memoryLimit: Int?
    /// How often both ends say that they are alive.
    public var heartbeat: Duration
    /// A coordinator that is silent for so long is gone.
    public var silence: Duration
    /// Longest wait for a peer inside a call.
    public var callDeadline: Duration
    /// What shall carry data between workers.
    public var carrier: Carrier
    /// Which links between workers are encrypted, where the cluster has a key.
    public var linkEncryption: LinkEncryption

    /// Makes an assignment.
    public init(
        rank: Int, deviceCount: Int, dtype: DType, threads: Int, memoryLimit: Int? = nil, heartbeat: Duration,
        silence: Duration, callDeadline: Duration, carrier: Carrier = .automatic,
        linkEncryption: LinkEncryption = .betweenHosts
    ) {
        self.rank = rank
        self.deviceCount = deviceCount
        self.dtype = dtype
        self.threads = threads
        self.memoryLimit = memoryLimit
        self.heartbeat = heartbeat
        self.silence = silence
        self.callDeadline = callDeadline
        self.carrier = carrier
        self.linkEncryption = linkEncryption
    }
}

/// Where a worker's data plane listens.
public struct Bound: Sendable, Hashable {
    /// A ZeroMQ endpoint that the peers can reach.
    public var endpoint: String

    /// Makes a message.
    public init(endpoint: String) { self.endpoint = endpoint }
}

/// A sign of life.
public struct Heartbeat: Sendable, Hashable {
    /// Counts up by one.
    public var sequence: UInt64
    /// Calls finished so far; a worker that is alive but stuck does not count on.
    public var steps: UInt64
    /// What a worker has used and done; nil from a coordinator.
    public var report: WorkerReport?

    /// Makes a sign of life.
    public init(sequence: UInt64, steps: UInt64, report: WorkerReport? = nil) {
        self.sequence = sequence
        self.steps = steps
        self.report = report
    }
}
