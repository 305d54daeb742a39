import Protocol

/// How often workers may be started anew, and how soon.
struct RestartBudget: Sendable {
    /// Longest pause before a start.
    static let longestDelay = Duration.seconds(10)

    /// Starts within ``window``.
    let limit: Int
    /// Time that starts count for.
    let window: Duration
    /// Pause before the first start; every further one within the window doubles it.
    let delay: Duration
    private var starts: [Duration] = []

    init(limit: Int, window: Duration, delay: Duration) {
        self.limit = limit
        self.window = window
        self.delay = delay
    }

    /// Takes one start; the pause before it, or nil where there is none left.
    mutating func take(_ now: Duration) -> Duration? {
        starts.removeAll { now - $0 > window }
        guard starts.count < limit else { return nil }
        starts.append(now)
        return min(Self.longestDelay, delay * (1 << min(20, starts.count - 1)))
    }
}

/// The way back after workers were lost, as a pure state machine: looks at all workers' conversations, says what is next.
///
/// joining (the lost are started, join and listen; the others give up what they do) → connecting (all, in a new epoch) → installing (the lost get all
/// programs) → over. A further loss begins anew, for all that were lost.
struct Recovery: Sendable {
    /// A worker's conversation.
    struct View: Sendable {
        var state: CoordinatorSession.State
        /// True where it knows the cluster's newest epoch.
        var isCurrent: Bool
        /// True while it has calls to give up.
        var isCalling = false
        /// True while it has an installation to finish.
        var isInstalling = false
    }

    /// What is to be done.
    enum Step: Sendable, Equatable {
        case launch(Int)
        case assign(Int)
        case connect
        case install(Int, program: Int)
        case finish
        case giveUp(late: [Int], because: WorkerLoss)
    }

    /// Longest times of the stages.
    struct Deadlines: Sendable {
        var joining: Duration
        var connecting: Duration
        var installing: Duration
        /// Longest time for giving up calls.
        var aborting: Duration
    }

    enum Stage: Sendable, Equatable {
        case joining(since: Duration)
        case connecting(since: Duration)
        case installing(since: Duration)
    }

    /// A lost worker.
    private struct Lost: Sendable {
        /// When its process is started; nil: it was, or it joins by itself.
        var launch: Duration?
        var isAssigned = false
        /// Programs that it has, as a count from the first.
        var installed = 0
        var isInstalling = false
    }

    private(set) var stage: Stage
    /// Why, for people.
    private(set) var because = ""
    private var lost: [Int: Lost] = [:]
    private let deadlines: Deadlines
    private let programCount: Int

    /// A recovery from losses that are told next.
    ///
    /// - Parameter programCount: programs that a lost worker gets again.
    init(deadlines: Deadlines, programCount: Int, now: Duration) {
        self.deadlines = deadlines
        self.programCount = programCount
        stage = .joining(since: now)
    }

    /// A worker was lost, maybe again.
    ///
    /// - Parameter launch: when its process is to be started; nil: it joins by itself.
    mutating func lose(_ index: Int, launch: Duration?, because: String, now: Duration) {
        self.because = because
        lost[index] = Lost(launch: launch)
        // Links to it were being made; whoever was installing is told anew.
        for other in lost.keys where other != index {
            lost[other]?.installed = 0
            lost[other]?.isInstalling = false
        }
        stage = .joining(since: max(now, launch ?? now))
    }

    /// True for a worker that was lost and is not back yet.
    func isLost(_ index: Int) -> Bool { lost[index] != nil }

    /// True for a worker whose process is still to be started.
    func isAway(_ index: Int) -> Bool { lost[index]?.launch != nil }

    /// A worker has the program that it was told to install last.
    mutating func installed(_ index: Int) {
        guard case .installing = stage, lost[index]?.isInstalling == true else { return }
        lost[index]?.installed += 1
        lost[index]?.isInstalling = false
    }

    /// What is next, given all workers by rank.
    mutating func advance(_ views: [View], now: Duration) -> [Step] {
        switch stage {
        case .joining(let since): join(views, since, now)
        case .connecting(let since):
            views.allSatisfy { $0.state == .ready && $0.isCurrent }
                ? install(since: now, now) : late(views, since, now)
        case .installing(let since): install(since: since, now)
        }
    }

    private mutating func join(_ views: [View], _ since: Duration, _ now: Duration) -> [Step] {
        var steps: [Step] = []
        for index in lost.keys.sorted() {
            if let launch = lost[index]?.launch, launch <= now {
                lost[index]?.launch = nil
                steps.append(.launch(index))
            } else if views[index].state == .joined, lost[index]?.isAssigned == false {
                lost[index]?.isAssigned = true
                steps.append(.assign(index))
            }
        }
        // Whoever still computes would keep the others waiting for its links.
        let missing = views.indices.filter { ![.bound, .connecting, .ready].contains(views[$0].state) }
        let calling = views.indices.filter { views[$0].isCalling && !views[$0].isInstalling }
        let loading = views.indices.filter { views[$0].isInstalling }
        if missing.isEmpty && calling.isEmpty && loading.isEmpty {
            stage = .connecting(since: now)
            return steps + [.connect]
        }
        if now - since > deadlines.aborting, !calling.isEmpty {
            steps.append(.giveUp(late: calling, because: .hung(deadlines.aborting)))
        } else if now - since > deadlines.joining, !missing.isEmpty {
            steps.append(.giveUp(late: missing, because: .late(doing: "coming back", after: deadlines.joining)))
        } else if now - since > deadlines.installing {
            steps.append(.giveUp(late: loading, because: .late(doing: "loading", after: deadlines.installing)))
        }
        return steps
    }

    private func late(_ views: [View], _ since: Duration, _ now: Duration) -> [Step] {
        guard now - since > deadlines.connecting else { return [] }
        let missing = views.indices.filter { views[$0].state != .ready || !views[$0].isCurrent }
        return [
            .giveUp(
                late: missing, because: .late(doing: "connecting to its peers again", after: deadlines.connecting))
        ]
    }

    private mutating func install(since: Duration, _ now: Duration) -> [Step] {
        stage = .installing(since: since)
        if lost.values.allSatisfy({ $0.installed == programCount }) { return [.finish] }
        guard now - since <= deadlines.installing else {
            let missing = lost.filter { $0.value.installed < programCount }.keys.sorted()
            return [
                .giveUp(
                    late: missing, because: .late(doing: "loading its weights again", after: deadlines.installing))
            ]
        }
        var steps: [Step] = []
        for index in lost.keys.sorted() {
            guard let entry = lost[index], !entry.isInstalling, entry.installed < programCount else { continue }
            lost[index]?.isInstalling = true
            steps.append(.install(index, program: entry.installed))
        }
        return steps
    }
}
