/// The coordinator's answer to a client's introduction.
public struct ClientWelcome: Sendable, Hashable {
    /// Name of the cluster.
    public var cluster: String
    /// Version of the coordinator's build.
    public var buildVersion: String

    /// Makes an answer.
    public init(cluster: String, buildVersion: String = ProtocolVersion.build) {
        self.cluster = cluster
        self.buildVersion = buildVersion
    }
}

/// An order for pictures.
///
/// What is nil or 0 is left to the model's defaults.
public struct Generate: Sendable, Hashable {
    /// Chosen by the client; answers carry it.
    public var job: UInt64
    /// What to paint.
    public var prompt: String
    /// What to avoid.
    public var negativePrompt: String
    /// Seed of the random numbers.
    public var seed: UInt64
    /// Decoding steps; 0: the default.
    public var steps: Int
    /// Strength of classifier-free guidance.
    public var guidanceScale: Double?
    /// Sampling temperature at the first step.
    public var temperatureStart: Double?
    /// Sampling temperature at the last step.
    public var temperatureEnd: Double?
    /// Number of pictures.
    public var count: Int
    /// Pixels; 0: the default.
    public var width: Int
    /// Pixels; 0: the default.
    public var height: Int
    /// A PNG or JPEG file to start from.
    public var image: [UInt8]
    /// A PNG or JPEG file: white is painted, black is kept.
    public var mask: [UInt8]
    /// How much of the image is replaced, in (0, 1].
    public var strength: Double?

    /// Makes an order.
    public init(
        job: UInt64, prompt: String, negativePrompt: String = "", seed: UInt64, steps: Int = 0,
        guidanceScale: Double? = nil, temperatureStart: Double? = nil, temperatureEnd: Double? = nil, count: Int = 1,
        width: Int = 0, height: Int = 0, image: [UInt8] = [], mask: [UInt8] = [], strength: Double? = nil
    ) {
        self.job = job
        self.prompt = prompt
        self.negativePrompt = negativePrompt
        self.seed = seed
        self.steps = steps
        self.guidanceScale = guidanceScale
        self.temperatureStart = temperatureStart
        self.temperatureEnd = temperatureEnd
        self.count = count
        self.width = width
        self.height = height
        self.image = image
        self.mask = mask
        self.strength = strength
    }
}

/// How far a job is.
public struct JobProgress: Sendable, Hashable {
    /// The job waits for others.
    public static let queuedPhase = "queued"
    /// The workers load what the job needs; counted in bytes over all of them.
    public static let loadPhase = "load"
    /// Decoding steps.
    public static let stepPhase = "step"

    /// Which job.
    public var job: UInt64
    /// What is being done: ``queuedPhase``, ``loadPhase`` or ``stepPhase``.
    public var phase: String
    /// Steps done; bytes loaded.
    public var done: Int
    /// Steps in all; bytes to load.
    public var total: Int
    /// Predicted time left, where known.
    public var timeLeft: Duration?

    /// Makes a report.
    public init(job: UInt64, phase: String, done: Int, total: Int, timeLeft: Duration? = nil) {
        self.job = job
        self.phase = phase
        self.done = done
        self.total = total
        self.timeLeft = timeLeft
    }
}

/// What a job made.
public struct Pictures: Sendable, Hashable {
    /// Which job.
    public var job: UInt64
    /// PNG files, in order.
    public var files: [[UInt8]]
    /// What the user should know ("the prompt was cut").
    public var warnings: [String]

    /// Makes an answer.
    public init(job: UInt64, files: [[UInt8]], warnings: [String] = []) {
        self.job = job
        self.files = files
        self.warnings = warnings
    }
}

/// Why a job failed.
public struct ClientError: Error, Sendable, Hashable, CustomStringConvertible {
    /// Which job; 0: none in particular.
    public var job: UInt64
    /// Stable name of the error.
    public var code: String
    /// One sentence.
    public var message: String

    /// Makes an error.
    public init(job: UInt64, code: String, message: String) {
        self.job = job
        self.code = code
        self.message = message
    }

    /// The sentence.
    public var description: String { message }
}

/// How a cluster is.
public struct ClusterStatus: Sendable, Hashable {
    /// A worker as the coordinator sees it.
    public struct Worker: Sendable, Hashable {
        /// Its name.
        public var name: String
        /// Device id; nil before it has one.
        public var rank: Int?
        /// A word for its state: "joining", "loading", "ready", "computing", "lost", "returning" or "leaving".
        public var state: String
        /// Its machine.
        public var host: String
        /// Its process.
        public var processID: Int
        /// Calls finished so far.
        public var steps: UInt64
        /// Bytes that its weights and activations may take; nil: no limit.
        public var memoryLimit: Int?
        /// How often it was started anew.
        public var restarts: Int
        /// What it said last; nil before its first sign of life.
        public var report: WorkerReport?

        /// Makes an entry.
        public init(
            name: String, rank: Int?, state: String, host: String, processID: Int, steps: UInt64,
            memoryLimit: Int? = nil, restarts: Int = 0, report: WorkerReport? = nil
        ) {
            self.name = name
            self.rank = rank
            self.state = state
            self.host = host
            self.processID = processID
            self.steps = steps
            self.memoryLimit = memoryLimit
            self.restarts = restarts
            self.report = report
        }
    }

    /// Name of the cluster.
    public var cluster: String
    /// A word for its state ("starting", "ready", "recovering", "failed", "stopping").
    public var state: String
    /// By rank.
    public var workers: [Worker]
    /// Jobs that wait.
    public var queued: Int
    /// Why it is not ready; empty where there is nothing to say.
    public var reason: String
    /// Incarnation of the membership.
    public var epoch: UInt32

    /// Makes an answer.
    public init(
        cluster: String, state: String, workers: [Worker], queued: Int = 0, reason: String = "", epoch: UInt32 = 0
    ) {
        self.cluster = cluster
        self.state = state
        self.workers = workers
        self.queued = queued
        self.reason = reason
        self.epoch = epoch
    }
}
