import Models
import Program
import Tensor

/// Decodes the pictures of all requests on one runner, one call after the other.
///
/// A picture has a slot from its first call to its last step. Between two calls the scheduler drops what was given up,
/// finds slots for pictures that wait, and chooses the next call: a step of as many pictures as fit in one (of any
/// requests: seed, step, scale, temperature, mask and prompt are a picture's own), or a text, an encoding or a decoding.
/// A picture's bytes do not depend on what else is in its calls.
actor DecodingScheduler {
    /// Time of waiting after which a request's priority goes up by ``agingPoints``, so that none waits for ever.
    static let agingInterval = Duration.seconds(10)
    /// What a request's priority goes up by.
    static let agingPoints = 10
    /// What may be done between two steps while pictures could step: a text or an encoding counts 1, a decoding 4.
    static let stallLimit = 8
    /// Attempts to bring the devices back with no step in between.
    static let recoveryLimit = 3

    let model: any ImageModel
    let runner: any ProgramRunner
    let programs: InstalledPrograms
    let batchLimit: Int
    let now: @Sendable () -> Duration
    let observe: @Sendable (SchedulerReport) -> Void

    private let requests: RequestIdentifiers
    private let slotCount: Int
    /// In the order of arrival.
    var orders: [ScheduledOrder] = []
    /// Pictures with a slot, and those that are to be decoded, in the order in which they were admitted.
    var pictures: [ScheduledPicture] = []
    var costs = BatchCosts()
    /// When each group had its last step: the number of the call.
    var lastTurns: [StepGroup: Int] = [:]
    var turnNumber = 0
    /// What was done since the last step.
    var stall = 0
    /// Attempts to bring the devices back since the last call that ended well.
    var recoveries = 0
    private var shares = FairShares()
    private var clients: [String: Int] = [:]
    private var lastNumber: UInt64 = 0
    private var isRunning = false
    /// The call that runs, and for whom.
    private var running: (task: Task<[String: HostTensor], any Error>, orders: Set<UInt64>)?
    /// Texts on the devices that nobody needs any more.
    private var unused: [UInt64] = []
    /// Program sizes that are being installed, or could not be.
    private var grown: Set<InstalledPrograms.Slot> = []

    init(
        model: any ImageModel, runner: any ProgramRunner, programs: InstalledPrograms, requests: RequestIdentifiers,
        batchLimit: Int, slotCount: Int, now: @escaping @Sendable () -> Duration,
        observe: @escaping @Sendable (SchedulerReport) -> Void
    ) {
        precondition(slotCount >= 1, "there is a slot")
        self.model = model
        self.runner = runner
        self.programs = programs
        self.requests = requests
        self.batchLimit = batchLimit
        self.slotCount = slotCount
        self.now = now
        self.observe = observe
    }

    // MARK: Requests come and go

    /// Takes a request; what happens to it comes in the stream.
    func submit(
        _ plan: GenerationPlan, noise: GenerationNoise, terms: ServiceTerms, states: [DecodingState]
    ) -> (number: UInt64, events: AsyncThrowingStream<GenerationEvent, any Error>) {
        var number = terms.number ?? lastNumber + 1
        while orders.contains(where: { $0.number == number }) { number += 1 }
        lastNumber = max(lastNumber, number)
        // A few events a step, so the stream needs no bound of its own.
        let (stream, events) = AsyncThrowingStream.makeStream(of: GenerationEvent.self)
        let order = ScheduledOrder(
            number: number, plan: plan, noise: noise, terms: terms, arrival: now(), states: states, events: events)
        let place = orders.firstIndex { $0.number > number } ?? orders.endIndex
        orders.insert(order, at: place)
        if clients[terms.client] == nil { shares.enter(terms.client) }
        clients[terms.client, default: 0] += 1
        let slots = plan.programs(noise: noise.step, batchLimit: batchLimit)
        if programs.has(slots) {
            order.isLoaded = true
            wake()
        } else {
            load(slots, of: order)
        }
        return (number, stream)
    }

    /// Gives a request up and returns when nothing is left of it.
    func withdraw(_ number: UInt64) async {
        guard let order = orders.first(where: { $0.number == number }) else { return }
        order.isCancelled = true
        order.loading?.cancel()
        if let running, running.orders.allSatisfy({ name in !orders.contains { $0.number == name && !$0.isOver } }) {
            running.task.cancel()
        }
        wake()
        await withCheckedContinuation { order.waiters.append($0) }
    }

    var status: SchedulerStatus {
        var states: [UInt64: [DecodingState]] = [:]
        for picture in pictures {
            if let state = picture.state { states[picture.order.number, default: []].append(state) }
        }
        return SchedulerStatus(waiting: waitingCount, active: activeCount, slots: slotCount, states: states)
    }

    private func load(_ slots: [InstalledPrograms.Slot], of order: ScheduledOrder) {
        let (number, programs) = (order.number, programs)
        order.loading = Task {
            do {
                try await programs.install(slots) { _ in }
                self.loaded(number, nil)
            } catch {
                self.loaded(number, error)
            }
        }
    }

    private func loaded(_ number: UInt64, _ error: (any Error)?) {
        guard let order = orders.first(where: { $0.number == number }) else { return }
        order.isLoaded = error == nil
        order.failure = error
        wake()
    }

    /// Installs a program of another size while calls go on; until it is there smaller ones do.
    func grow(_ slot: InstalledPrograms.Slot) {
        guard grown.insert(slot).inserted else { return }
        let programs = programs
        Task {
            guard (try? await programs.install([slot]) { _ in }) != nil else { return }
            // It may have to go, and be wanted again.
            self.grown.remove(slot)
        }
    }

    // MARK: The loop

    private func wake() {
        guard !isRunning else { return }
        isRunning = true
        Task { await self.run() }
    }

    private func run() async {
        while true {
            await settle()
            admit()
            guard let turn = nextTurn() else {
                // Nobody may have come while the devices were told what is not needed any more.
                if orders.contains(where: \.isOver) { continue }
                break
            }
            await perform(turn)
        }
        isRunning = false
    }

    /// Ends what is over, and tells the devices.
    private func settle() async {
        let ended = orders.filter(\.isOver)
        orders.removeAll(where: \.isOver)
        for order in ended {
            pictures.removeAll { $0.order === order }
            unused += order.texts.values.sorted()
            clients[order.terms.client, default: 1] -= 1
            if clients[order.terms.client] == 0 {
                clients[order.terms.client] = nil
                shares.leave(order.terms.client)
            }
        }
        for order in orders {
            for (prompt, text) in order.texts where !needsText(order, prompt) {
                order.texts[prompt] = nil
                unused.append(text)
            }
        }
        let released = unused
        unused = []
        for text in released { await runner.release(request: text) }
        for order in ended {
            order.events.finish(throwing: order.isCancelled ? CancellationError() : order.failure)
            for waiter in order.waiters { waiter.resume() }
        }
    }

    private func needsText(_ order: ScheduledOrder, _ prompt: Int) -> Bool {
        order.pictures.contains { $0.prompt == prompt && ($0.phase == .waiting || $0.phase == .active) }
    }

    private var waitingCount: Int { orders.reduce(0) { $0 + $1.waitingCount } }
    private var activeCount: Int { pictures.count { $0.phase == .active } }

    // MARK: Slots

    /// Finds slots for pictures that wait: the client that was given least comes first, then rank.
    private func admit() {
        var free = slotCount - activeCount
        let time = now()
        while free > 0, let order = next(at: time) {
            if !order.isStarted, let late = lateness(of: order, at: time) {
                order.failure = late
                continue
            }
            guard let picture = order.nextWaiting else { break }
            if !order.isStarted { order.events.yield(.admitted) }
            order.isStarted = true
            picture.phase = .active
            pictures.append(picture)
            shares.charge(order.terms.client, order.work(of: picture))
            free -= 1
        }
    }

    private func next(at time: Duration) -> ScheduledOrder? {
        var best: ScheduledOrder?
        for order in orders where order.isLoaded && !order.isOver && order.nextWaiting != nil {
            guard let known = best else {
                best = order
                continue
            }
            let (a, b) = (shares.account(of: order.terms.client), shares.account(of: known.terms.client))
            if a < b || (a == b && order.rank(at: time) < known.rank(at: time)) { best = order }
        }
        return best
    }

    /// Nil unless the request cannot be done in time by what steps have taken.
    private func lateness(of order: ScheduledOrder, at time: Duration) -> DeadlineError? {
        guard let deadline = order.terms.deadline else { return nil }
        let plan = order.plan
        let group = StepGroup(
            role: plan.role(step: plan.stepCount - 1, noise: order.noise.step), isGuided: plan.isGuided,
            rows: plan.rows, columns: plan.columns)
        let rounds = (order.pictures.count + batchLimit - 1) / batchLimit
        let steps = Double((plan.stepCount - plan.startStep) * rounds)
        let expected = time - order.arrival + .seconds((costs.seconds(of: group) ?? 0) * steps)
        return expected > deadline ? DeadlineError(deadline: deadline, expected: expected) : nil
    }

    // MARK: Calls

    /// Runs a program for some requests; given up when all of them are.
    func call(
        _ activity: SchedulerReport.Activity, _ role: ProgramRole, _ shape: GenerationShape,
        for pictures: [ScheduledPicture],
        request: UInt64, slots: [UInt64] = [], inputs: [String: HostTensor]
    ) async throws -> [String: HostTensor] {
        let start = now()
        let programs = programs
        let task = Task { try await programs.run(role, shape, request: request, slots: slots, inputs: inputs) }
        running = (task, Set(pictures.map(\.order.number)))
        let result = await task.result
        running = nil
        var isDone = false
        if case .success = result { isDone = true }
        observe(
            SchedulerReport(
                activity: activity, pictures: pictures.count, seconds: (now() - start) / .seconds(1), isDone: isDone,
                waiting: waitingCount, active: activeCount, slots: slotCount))
        return try result.get()
    }

    /// A number for what a text program leaves.
    func textNumber() -> UInt64 { requests.next() }

    /// A text that was not made after all.
    func drop(text: UInt64) { unused.append(text) }
}
