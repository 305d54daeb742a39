/// How a cluster is at a moment: what `GET /v1/cluster` tells.
public struct ClusterSnapshot: Sendable, Hashable {
    /// An axis of the mesh.
    public struct Axis: Sendable, Hashable {
        /// Its name.
        public var name: String
        /// Devices along it.
        public var size: Int

        /// Makes an axis.
        public init(name: String, size: Int) {
            self.name = name
            self.size = size
        }
    }

    /// What the model makes of a request that leaves things open, and the sizes it can make.
    public struct Model: Sendable, Hashable {
        /// Width in pixels.
        public var width: Int
        /// Height in pixels.
        public var height: Int
        /// Both sides are multiples of it, in pixels.
        public var sizeMultiple: Int
        /// Most pixels of a picture.
        public var pixelLimit: Int
        /// Decoding steps.
        public var steps: Int
        /// Guidance scale.
        public var guidanceScale: Double
        /// Temperature of the first step.
        public var temperature: Double

        /// Makes a description.
        public init(
            width: Int, height: Int, sizeMultiple: Int, pixelLimit: Int, steps: Int, guidanceScale: Double,
            temperature: Double
        ) {
            self.width = width
            self.height = height
            self.sizeMultiple = sizeMultiple
            self.pixelLimit = pixelLimit
            self.steps = steps
            self.guidanceScale = guidanceScale
            self.temperature = temperature
        }
    }

    /// A call that a worker runs.
    public struct Running: Sendable, Hashable {
        /// Which program.
        public var program: String
        /// The request that it belongs to.
        public var request: UInt64
        /// Count of program calls in the request.
        public var step: UInt32

        /// Makes an entry.
        public init(program: String, request: UInt64, step: UInt32) {
            self.program = program
            self.request = request
            self.step = step
        }
    }

    /// A worker; sums count from the start of its process.
    public struct Worker: Sendable, Hashable {
        /// Its name.
        public var name: String
        /// A word for its state: "joining", "loading", "ready", "computing", "lost", "returning" or "leaving".
        public var state: String
        /// Its machine; empty before it has joined.
        public var host = ""
        /// Its process.
        public var processID = 0
        /// Calls that it has finished.
        public var calls: UInt64 = 0
        /// How often it was started anew.
        public var restarts = 0
        /// Bytes of its process that are in memory.
        public var residentByteCount = 0
        /// Bytes of weights and activations, which the limit is about.
        public var heldByteCount = 0
        /// Bytes that weights and activations may take; nil: no limit.
        public var memoryLimit: Int?
        /// Seconds in calls outside collectives.
        public var computeSeconds = 0.0
        /// Seconds in collectives.
        public var collectiveSeconds = 0.0
        /// Payload bytes sent to each peer, by rank.
        public var sentByteCounts: [Int] = []
        /// What it runs now; nil: nothing.
        public var running: Running?

        /// Makes an entry of which only name and state are known.
        public init(name: String, state: String) {
            self.name = name
            self.state = state
        }
    }

    /// The loss of a worker that was awaited again.
    public struct Incident: Sendable, Hashable {
        /// The worker's name.
        public var worker: String
        /// Part of a sentence after its name ("ended with signal 9").
        public var loss: String
        /// What it was doing.
        public var doing: String
        /// Seconds since it was lost.
        public var ageSeconds: Double
        /// Seconds in which no orders were taken because of it; nil: they still are not.
        public var absenceSeconds: Double?

        /// Makes an entry.
        public init(worker: String, loss: String, doing: String, ageSeconds: Double, absenceSeconds: Double?) {
            self.worker = worker
            self.loss = loss
            self.doing = doing
            self.ageSeconds = ageSeconds
            self.absenceSeconds = absenceSeconds
        }
    }

    /// Name of the cluster.
    public var name: String
    /// A word for its state: "starting", "loading", "ready", "recovering", "failed" or "stopping".
    public var state: String
    /// Why it is not ready; nil where it is.
    public var reason: String?
    /// Incarnation of the membership.
    public var epoch: UInt32
    /// The mesh, major axis first.
    public var mesh: [Axis]
    /// By rank.
    public var workers: [Worker]
    /// What the model can make.
    public var model: Model
    /// The last losses of workers, oldest first.
    public var incidents: [Incident] = []

    /// Makes a snapshot.
    public init(
        name: String, state: String, reason: String? = nil, epoch: UInt32 = 0, mesh: [Axis] = [],
        workers: [Worker] = [], model: Model
    ) {
        self.name = name
        self.state = state
        self.reason = reason
        self.epoch = epoch
        self.mesh = mesh
        self.workers = workers
        self.model = model
    }

    /// Place of a rank on the mesh, one index an axis; the last axis counts fastest.
    public func coordinates(of rank: Int) -> [Int] {
        var rest = rank
        var result = [Int](repeating: 0, count: mesh.count)
        for index in mesh.indices.reversed() {
            result[index] = rest % max(1, mesh[index].size)
            rest /= max(1, mesh[index].size)
        }
        return result
    }
}
