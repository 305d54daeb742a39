/// A request on its way through the scheduler; only the scheduler touches it.
final class ScheduledOrder {
    /// Its place in the order of arrival, and its name.
    let number: UInt64
    let plan: GenerationPlan
    let noise: GenerationNoise
    let terms: ServiceTerms
    let arrival: Duration
    let events: AsyncThrowingStream<GenerationEvent, any Error>.Continuation
    private(set) var pictures: [ScheduledPicture] = []
    /// True once its programs are installed.
    var isLoaded = false
    /// Installs them.
    var loading: Task<Void, Never>?
    /// True once a picture has been admitted.
    var isStarted = false
    var isCancelled = false
    /// Why it cannot go on.
    var failure: (any Error)?
    /// By prompt: the number on the devices of what its text program left.
    var texts: [Int: UInt64] = [:]
    /// Tokens of the picture that is edited.
    var source: [Int32]?
    var timer: OrderTimer
    /// Those that wait for its end.
    var waiters: [CheckedContinuation<Void, Never>] = []

    init(
        number: UInt64, plan: GenerationPlan, noise: GenerationNoise, terms: ServiceTerms, arrival: Duration,
        states: [DecodingState], events: AsyncThrowingStream<GenerationEvent, any Error>.Continuation
    ) {
        self.number = number
        self.plan = plan
        self.noise = noise
        self.terms = terms
        self.arrival = arrival
        self.events = events
        timer = OrderTimer(total: 0)
        pictures = (0..<plan.pictureCount).map { index in
            ScheduledPicture(
                self, index: index, prompt: index / plan.request.picturesPerPrompt,
                state: states.last { $0.picture == index })
        }
        timer.total = pictures.reduce(0) { $0 + plan.stepCount - ($1.state?.nextStep ?? plan.startStep) }
    }

    /// True where nothing more is to be done for it.
    var isOver: Bool {
        isCancelled || failure != nil || pictures.allSatisfy { $0.phase == .finished }
    }
    /// Pictures that no slot has been found for yet.
    var waitingCount: Int { pictures.count { $0.phase == .waiting } }
    /// The next of them.
    var nextWaiting: ScheduledPicture? { pictures.first { $0.phase == .waiting } }
    /// True where the source has yet to be turned into tokens.
    var needsSource: Bool { plan.request.editing != nil && source == nil && pictures.contains { $0.state == nil } }
    /// What a picture costs, for the clients' accounts: rows of the transformer.
    func work(of picture: ScheduledPicture) -> Double {
        Double(
            (plan.stepCount - (picture.state?.nextStep ?? plan.startStep)) * plan.tokenCount * (plan.isGuided ? 2 : 1))
    }
    /// Its place among the requests of its client: priority, which goes up with waiting, then deadline, then arrival.
    func rank(at now: Duration) -> (Int, Duration, UInt64) {
        let waited = Int((now - arrival) / DecodingScheduler.agingInterval) * DecodingScheduler.agingPoints
        return (-(terms.priority + waited), terms.deadline.map { arrival + $0 } ?? .seconds(Int64.max / 2), number)
    }
}

/// A picture of a request: what a slot holds.
final class ScheduledPicture {
    /// Where it is.
    enum Phase {
        /// It has no slot yet.
        case waiting
        /// It has a slot; its text and source come first, then its steps.
        case active
        /// All its steps are done; it is to be decoded.
        case stepped
        /// It has been given out.
        case finished
    }

    unowned let order: ScheduledOrder
    let index: Int
    /// Index of its prompt.
    let prompt: Int
    var phase = Phase.waiting
    /// Nil before its first step.
    var state: DecodingState?
    /// Tokens of previews that are to be decoded.
    var previews: [[Int32]] = []
    /// It was in a call that failed, and goes by itself to show whose fault that was.
    var isAlone = false

    init(_ order: ScheduledOrder, index: Int, prompt: Int, state: DecodingState?) {
        self.order = order
        self.index = index
        self.prompt = prompt
        self.state = state
    }

    /// What it can be in one call with; nil where it cannot step now.
    var group: StepGroup? {
        guard phase == .active, let state, state.nextStep < order.plan.stepCount, order.texts[prompt] != nil else {
            return nil
        }
        let plan = order.plan
        return StepGroup(
            role: plan.role(step: state.nextStep, noise: order.noise.step), isGuided: plan.isGuided, rows: plan.rows,
            columns: plan.columns)
    }
}

/// Estimates the time that is left of a request from its steps so far.
struct OrderTimer {
    /// Steps in all, of all pictures.
    var total: Int
    /// Steps done.
    private(set) var done = 0
    private var last: Duration?
    private var intervals: [(seconds: Double, steps: Int)] = []

    init(total: Int) { self.total = total }

    /// Notes a call with steps of so many pictures.
    mutating func add(steps: Int, from start: Duration, to end: Duration) {
        intervals.append(((end - (last ?? start)) / .seconds(1), steps))
        last = end
        done += steps
    }

    /// The first call pays for what is made on first use, so it counts only while it is the only one.
    var secondsLeft: Double {
        let sample = intervals.count > 1 ? intervals.dropFirst() : intervals[...]
        let steps = sample.reduce(0) { $0 + $1.steps }
        guard steps > 0 else { return 0 }
        return sample.reduce(0) { $0 + $1.seconds } / Double(steps) * Double(max(0, total - done))
    }
}
