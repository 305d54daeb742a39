/// An order with what decides how it is looked after.
struct OrderTicket: Sendable {
    /// What to make.
    var order: PictureOrder
    /// Name of the API key; empty where the server has no keys.
    var owner: String
    /// What is made.
    var kind: Job.Kind
    /// Tells one body from another; empty where nobody asks.
    var digest = ""
    /// What its client calls it by: the same request is served once.
    var idempotencyKey: String?
    /// It is made whether or not anybody waits for it.
    var isJob = false
    /// Its pictures are kept when they are done.
    var keepsPictures = false
    /// Its client comes back by itself when it loses the connection.
    var mayRetry = false
    /// It is such a second attempt.
    var isRetry = false

    /// True where it is on disk before it is answered, and survives the process.
    var isDurable: Bool { isJob || idempotencyKey != nil }
}

/// An order at the desk.
struct OrderRun {
    /// How far it is.
    enum Progress: Equatable {
        /// It is on its way into the queue.
        case placing
        /// It could not be placed, and will be as soon as that is possible.
        case waiting
        case queued(ahead: Int)
        case loading(done: Int, total: Int)
        case stepped(done: Int, total: Int, secondsLeft: Double)

        /// True once the workers have begun.
        var isRunning: Bool {
            switch self {
            case .placing, .queued, .waiting: false
            case .loading, .stepped: true
            }
        }
    }

    typealias Events = AsyncThrowingStream<PaintingEvent, any Error>

    /// Counts orders in the order in which they came.
    let number: Int
    let ticket: OrderTicket
    /// The job that it is, or will be when it is done; nil: nothing of it is kept.
    let job: Job?
    /// Its job is in the store.
    let isDurable: Bool
    var progress = Progress.placing
    var followers: [Int: Events.Continuation] = [:]
    /// How often the last follower has left.
    var departures = 0
    /// How it ended while nobody followed.
    var result: Result<PaintedPictures, any Error>?
    /// Follows the service.
    var task: Task<Void, Never>?
    /// When its first step was over, and how many were done then.
    var firstStep: (time: Double, done: Int)?
}

/// A job and how far it is.
struct JobView: Sendable {
    var job: Job
    /// Orders before it, while it waits.
    var position: Int?
    var step: Int?
    var steps: Int?
    var secondsLeft: Double?
}

/// A job was ended by its client.
struct JobCancelled: Error {}
