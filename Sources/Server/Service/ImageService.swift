public import Coordinator

/// What makes pictures for the HTTP server, and for every other kind of client.
public protocol ImageService: Sendable {
    /// The model that is served.
    var model: ServedModel { get }
    /// How the service is.
    func status() async -> ServiceStatus
    /// How its cluster is.
    func cluster() async -> ClusterSnapshot
    /// Takes an order into the queue and returns what happens to it from then on.
    ///
    /// The stream begins with ``PaintingEvent/queued(ahead:)`` and ends with ``PaintingEvent/finished(_:)`` or an
    /// error. Whoever drops it before gives the order up: it leaves the queue, or ends at the next step.
    ///
    /// Throws `GenerationRequestError`, ``OrderError``.
    func place(_ order: PictureOrder) async throws -> AsyncThrowingStream<PaintingEvent, any Error>
}

/// The model that a service serves.
public struct ServedModel: Sendable, Hashable {
    /// Name that clients call it by.
    public var id: String
    /// When it came up, in seconds since 1970.
    public var created: Int

    /// Makes a description.
    public init(id: String, created: Int) {
        self.id = id
        self.created = created
    }
}

/// An order for pictures.
public struct PictureOrder: Sendable, Hashable {
    /// What to make.
    public var request: GenerationRequest
    /// How often each picture is shown before it is done, as far as there are steps for it.
    public var previewCount: Int
    /// Name of the key that it came with, whose orders share the cluster evenly with others'; empty without one.
    public var client: String
    /// From -100 to 100; among the same client's orders the higher goes first.
    public var priority: Int
    /// How long from now somebody waits for it, for what cannot be done by then is refused; nil: for ever.
    public var deadline: Duration?
    /// What its pictures and previews are written as.
    public var format: PictureFormat

    /// Makes an order.
    public init(
        _ request: GenerationRequest, previewCount: Int = 0, client: String = "", priority: Int = 0,
        deadline: Duration? = nil, format: PictureFormat = .png
    ) {
        self.request = request
        self.previewCount = previewCount
        self.client = client
        self.priority = priority
        self.deadline = deadline
        self.format = format
    }

    /// As the queue and the scheduler take them.
    public var terms: ServiceTerms { ServiceTerms(client: client, priority: priority, deadline: deadline) }

    /// Steps between previews, so that `previewCount` of them come evenly and, where steps are few, soon.
    public static func previewInterval(count: Int, steps: Int) -> Int? {
        guard count > 0, steps > 1 else { return nil }
        let wide = (steps + count) / (count + 1)
        return (steps - 1) / wide >= count ? wide : max(1, steps / (count + 1))
    }
}

/// What happens to an order, in this order.
public enum PaintingEvent: Sendable, Hashable {
    /// It waits for so many others, or for none; told again when that has changed.
    case queued(ahead: Int)
    /// The workers load what it needs: bytes done and in all.
    case loading(done: Int, total: Int)
    /// A step ended.
    case stepped(done: Int, total: Int, secondsLeft: Double)
    /// What a picture would be if decoding ended here, as a file of the order's format.
    case preview(picture: Int, file: [UInt8])
    /// All is done.
    case finished(PaintedPictures)
}

/// The pictures of an order.
public struct PaintedPictures: Sendable, Hashable {
    /// Files of the order's format, in order.
    public var files: [[UInt8]]
    /// Width in pixels.
    public var width: Int
    /// Height in pixels.
    public var height: Int
    /// Seed that they were made with.
    public var seed: UInt64
    /// Tokens of the prompts, with their end marks.
    public var textTokens: Int
    /// Tokens of the picture that was sent; 0 without one.
    public var imageTokens: Int
    /// Tokens that were painted.
    public var paintedTokens: Int
    /// What the user should know ("the prompt was cut").
    public var warnings: [String]

    /// Makes a result.
    public init(
        files: [[UInt8]], width: Int, height: Int, seed: UInt64, textTokens: Int = 0, imageTokens: Int = 0,
        paintedTokens: Int = 0, warnings: [String] = []
    ) {
        self.files = files
        self.width = width
        self.height = height
        self.seed = seed
        self.textTokens = textTokens
        self.imageTokens = imageTokens
        self.paintedTokens = paintedTokens
        self.warnings = warnings
    }
}

/// How a service is.
public struct ServiceStatus: Sendable, Hashable {
    /// Whether a step can run now.
    public enum State: Sendable, Hashable {
        /// It cannot any more; why.
        case failed(String)
        /// Not yet; what is being done.
        case loading(String)
        /// It can.
        case ready
        /// No new orders are taken; why.
        case stopping(String)
    }

    /// A worker of the cluster.
    public struct Worker: Sendable, Hashable {
        /// Its name.
        public var name: String
        /// True while it takes orders.
        public var isReady: Bool
        /// Calls that it has finished.
        public var steps: UInt64

        /// Makes an entry.
        public init(name: String, isReady: Bool, steps: UInt64) {
            self.name = name
            self.isReady = isReady
            self.steps = steps
        }
    }

    /// Whether a step can run now.
    public var state: State
    /// How the queue is.
    public var queue: OrderQueue.Status
    /// By rank.
    public var workers: [Worker]
    /// How pictures stand; nil: it is not known.
    public var scheduler: SchedulerStatus?

    /// Makes a status.
    public init(
        state: State, queue: OrderQueue.Status, workers: [Worker] = [], scheduler: SchedulerStatus? = nil
    ) {
        self.state = state
        self.queue = queue
        self.workers = workers
        self.scheduler = scheduler
    }
}

/// Why an order is not served; cases in alphabetical order.
public enum OrderError: Error, Sendable, Hashable, CustomStringConvertible {
    /// It cannot be done by the time at which nobody waits for it any more; both counted from its arrival.
    case late(deadline: Duration, expected: Duration)
    /// Nothing can be made yet, or any more; what is the matter.
    case notReady(String)
    /// The queue is full; a place may be free after so long.
    case queueFull(limit: Int, retryAfter: Duration)
    /// The service ends; why.
    case stopping(String)

    /// A stable word for logs, metrics and JSON.
    public var code: String {
        switch self {
        case .late: "deadline"
        case .notReady: "not_ready"
        case .queueFull: "queue_full"
        case .stopping: "stopping"
        }
    }

    /// One sentence: what, where, what to do.
    public var description: String {
        switch self {
        case .late(let deadline, let expected): DeadlineError(deadline: deadline, expected: expected).description
        case .notReady(let what): "no picture can be made now: \(what); try again later"
        case .queueFull(let limit, let after):
            "the queue is full (\(limit) orders wait): try again in \(after.components.seconds) seconds"
        case .stopping(let why): "no new orders are taken: \(why)"
        }
    }
}
