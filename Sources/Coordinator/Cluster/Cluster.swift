public import Logging
import Protocol
import Transport

/// A running cluster: its workers' processes, the conversations with them, and the calls in flight.
///
/// ``start()`` brings it up and ``shutdown(reason:drain:)`` must end it; ``withCluster(_:launcher:logger:body:)`` does
/// both. In between programs are installed and run on all devices at once. When a worker is lost all calls fail, by its
/// name, and the cluster takes no more, unless ``ClusterSettings/restartLimit`` allows to start it anew: then the calls
/// are merely interrupted. When a call fails, all devices give up what they run, make new links in a new epoch, and the
/// cluster goes on.
///
/// It runs on a thread of its own, so that its signs of life are sent and heard in time whatever else the process
/// computes.
public actor Cluster {
    /// How often sessions look at the clock.
    static let tickInterval = Duration.milliseconds(50)
    /// How long a worker's goodbye and the end of its process may come after the end of its connection.
    static let exitGrace = Duration.milliseconds(300)
    /// Orders of clients that wait for their reader.
    static let clientQueueLimit = 256

    /// Where the cluster stands.
    enum Phase: Sendable {
        case idle
        case starting
        case ready
        /// After a failed call, since this time: waits for all answers.
        case aborting(since: Duration, because: String)
        /// After a failed call: makes new links.
        case reconnecting(since: Duration)
        /// After the loss of workers: waits until they are back.
        case recovering(Recovery)
        case failed(ClusterError)
        case stopping
        case stopped
    }

    /// A worker and what is known about it; its index is its rank.
    struct Member: Sendable {
        var spec: ClusterSettings.Worker
        var session: CoordinatorSession
        var peer: PeerID?
        var process: (any LaunchedWorker)?
        var exit: WorkerExit?
        /// Counts its processes, so that the end of an old one is not taken for the end of the new one.
        var generation = 0
        /// How often it was started anew.
        var restarts = 0
        /// When its connection ended, where the reason is still awaited.
        var disconnected: Duration?
        /// Why it was lost, where the end of its process is still awaited.
        var loss: (loss: WorkerLoss, doing: String, since: Duration)?

        /// True while its process runs.
        var isRunning: Bool { process != nil && exit == nil }
    }

    /// What reaches the cluster from other threads and from cancelled tasks.
    enum Signal: Sendable {
        case exited(index: Int, generation: Int, WorkerExit)
        case control(ControlEvent)
        /// Time has passed.
        case tick
        case cancelledCall(UInt64)
        case cancelledInstall(UInt64)
        case cancelledTrace(UInt64)
        case cancelledWait(UInt64)
    }

    /// The settings it was made with.
    public nonisolated let settings: ClusterSettings
    /// Orders of clients, for one reader.
    public nonisolated let clientRequests: AsyncStream<ClientRequest>
    nonisolated let signals: AsyncStream<Signal>.Continuation
    private let signalStream: AsyncStream<Signal>
    let clientContinuation: AsyncStream<ClientRequest>.Continuation
    let logger: Logger
    let launcher: (any Launcher)?
    private let clock = ContinuousClock()
    private let origin = ContinuousClock().now
    private nonisolated let thread: ThreadExecutor
    private nonisolated let executor: ThreadExecutor.ActorExecutor
    private var pumps: [Task<Void, Never>] = []

    var phase = Phase.idle
    var server: ControlServer?
    var members: [Member] = []
    var ranks: [PeerID: Int] = [:]
    var clients: Set<PeerID> = []
    /// The last sign of life that clients were given.
    var clientBeat: (sequence: UInt64, sent: Duration) = (0, .zero)
    var turnedAway: [String] = []
    var epoch: UInt32 = 0
    var waits: [UInt64: Wait] = [:]
    var calls: [UInt64: Call] = [:]
    var installs: [UInt64: Installation] = [:]
    var traceWaits: [UInt64: TraceWait] = [:]
    /// Nil: nothing is recorded.
    var tracing: Tracing?
    var installed: Set<String> = []
    /// In the order in which they were installed.
    var programs: [InstalledProgram] = []
    var restarts: RestartBudget
    /// The last losses, with the time of each.
    var losses: [(since: Duration, incident: ClusterIncident)] = []
    /// Longest time that the plan predicts for a call of each installed program.
    var predictions: [String: Duration] = [:]
    var steps: [UInt64: UInt32] = [:]
    /// Requests that have ended while the workers took no orders.
    var releases: Set<UInt64> = []
    /// Programs that have been taken off while the workers took no orders.
    var dropped: Set<String> = []
    private var lastNumber: UInt64 = 0

    /// A cluster that is not running.
    ///
    /// Without a launcher all workers must join by themselves.
    public init(settings: ClusterSettings, launcher: (any Launcher)?, logger: Logger) {
        self.settings = settings
        restarts = RestartBudget(
            limit: settings.restartLimit, window: settings.restartWindow, delay: settings.restartDelay)
        self.launcher = launcher
        var logger = logger
        logger[metadataKey: "cluster"] = "\(settings.name)"
        self.logger = logger
        thread = ThreadExecutor(name: "cluster")
        executor = ThreadExecutor.ActorExecutor(thread)
        (signalStream, signals) = AsyncStream.makeStream(of: Signal.self)
        (clientRequests, clientContinuation) = AsyncStream.makeStream(
            of: ClientRequest.self, bufferingPolicy: .bufferingOldest(Self.clientQueueLimit))
    }

    /// The cluster's thread.
    public nonisolated var unownedExecutor: UnownedSerialExecutor { executor.asUnownedSerialExecutor() }

    /// Time since the cluster was made.
    var now: Duration { origin.duration(to: clock.now) }

    /// A number that was not used before.
    func number() -> UInt64 {
        lastNumber += 1
        return lastNumber
    }

    /// Where the coordinator listens; nil while it does not.
    public var endpoint: String? { server?.endpoint }

    /// Listens, launches workers, and returns when all of them take orders.
    ///
    /// On failure nothing is left running.
    ///
    /// Throws ``ClusterError``; `CancellationError` when the task is cancelled.
    public func start() async throws {
        guard case .idle = phase else {
            throw ClusterError.notReady(cluster: settings.name, state: "started already")
        }
        phase = .starting
        do {
            try listen()
            try launch()
            // The conversations watch the deadline, and know who is missing; this wait only has to last longer.
            try await wait(for: .all(.joined), deadline: settings.joinDeadline + .seconds(60), doing: "joining")
            for index in members.indices { order(index, .assign(assignment(index))) }
            try await wait(for: .all(.bound), deadline: settings.connectDeadline, doing: "setting up its data plane")
            connect()
            try await wait(for: .all(.ready), deadline: settings.connectDeadline, doing: "connecting to its peers")
        } catch {
            await shutdown(reason: "the start failed")
            throw error
        }
        guard case .starting = phase else { throw ClusterError.stopped(cluster: settings.name) }
        phase = .ready
        logger.info("cluster is ready", metadata: ["workers": "\(members.count)", "epoch": "\(epoch)"])
    }

    /// Ends everything: waits for calls in flight at most for `drain`, tells workers to finish, and kills those that do
    /// not.
    ///
    /// Returns when nothing is left; may be called at any time and more than once.
    public func shutdown(reason: String, drain: Duration = .zero) async {
        switch phase {
        case .stopping, .stopped:
            _ = await waitToTheEnd(for: .stopped, deadline: .seconds(60))
            return
        case .ready where drain > .zero && !calls.isEmpty:
            _ = await waitToTheEnd(for: .callsDone, deadline: drain)
        default: break
        }
        if case .stopped = phase { return }
        phase = .stopping
        failEverything(.stopped(cluster: settings.name))
        for index in members.indices { order(index, .shutdown(reason: reason)) }
        if !(await waitToTheEnd(for: .gone, deadline: settings.shutdownDeadline)) {
            for member in members where member.isRunning { member.process?.terminate() }
            _ = await waitToTheEnd(for: .gone, deadline: .seconds(1))
        }
        for member in members where member.isRunning { member.process?.kill() }
        if !(await waitToTheEnd(for: .exited, deadline: .seconds(5))) {
            logger.error("a worker's process could not be ended")
        }
        clientContinuation.finish()
        await server?.close()
        signals.finish()
        thread.tick(Self.tickInterval, nil)
        for pump in pumps { pump.cancel() }
        phase = .stopped
        check()
    }

    private func listen() throws(ClusterError) {
        let server: ControlServer
        do {
            server = try ControlServer(bind: settings.bind, key: settings.key, logger: logger)
        } catch {
            throw .endpoint(error.description)
        }
        self.server = server
        if let key = settings.key { logger.info("members are known by \(key)") }
        // The cluster's own service: it runs from start to shutdown, whatever becomes of the task that started it.
        let (events, stream, signals) = (server.events, signalStream, signals)
        // All news in one order: what came before a look at the clock is taken before it, for news that waits is no silence.
        pumps = [
            Task(executorPreference: thread) { for await event in events { signals.yield(.control(event)) } },
            Task(executorPreference: thread) { for await signal in stream { await self.take(signal) } },
        ]
        thread.tick(Self.tickInterval) { signals.yield(.tick) }
    }

    private func launch() throws(ClusterError) {
        members = settings.workers.map { Member(spec: $0, session: session(of: $0.name)) }
        for index in members.indices {
            if members[index].spec.isLaunched { try launch(index) } else { try invite(index) }
        }
    }

    /// A conversation that waits for the HELLO of a worker.
    func session(of worker: String) -> CoordinatorSession {
        let terms = CoordinatorSession.Terms(
            clusterID: settings.name, buildVersion: settings.buildVersion, modelHash: settings.modelHash,
            heartbeat: settings.heartbeat, silence: settings.silence, joinDeadline: settings.joinDeadline)
        return CoordinatorSession(worker: worker, terms: terms, now: now)
    }

    /// Starts a worker's process.
    func launch(_ index: Int) throws(ClusterError) {
        let (name, generation) = (members[index].spec.name, members[index].generation)
        guard let launcher else {
            throw .launchFailed(worker: name, reason: "the cluster has no launcher")
        }
        let order = try launchOrder(index)
        let signals = signals
        members[index].process = try launcher.launch(order) {
            signals.yield(.exited(index: index, generation: generation, $0))
        }
    }

    /// Tells people that a worker is awaited which joins by itself.
    func invite(_ index: Int) throws(ClusterError) { launcher?.invite(try launchOrder(index)) }

    /// What a worker is started with.
    func launchOrder(_ index: Int) throws(ClusterError) -> LaunchOrder {
        let spec = settings.workers[index]
        guard var endpoint = server?.endpoint else {
            throw .launchFailed(worker: spec.name, reason: "the coordinator does not listen")
        }
        do throws(TransportError) {
            let host = spec.coordinatorHost ?? (LocalAddress.isWildcard(endpoint) ? "127.0.0.1" : nil)
            if let host { endpoint = try LocalAddress.replacingHost(of: endpoint, with: host) }
        } catch {
            throw .launchFailed(worker: spec.name, reason: error.description)
        }
        return LaunchOrder(
            name: spec.name, connect: endpoint, clusterID: settings.name, host: spec.host, dataHost: spec.dataHost,
            key: settings.key)
    }

    /// Compute threads of each worker by rank; 0 for one that has not joined yet and whose settings leave it open.
    public var threads: [Int] { members.indices.map(threads) }

    private func threads(_ index: Int) -> Int {
        let spec = members[index].spec
        guard spec.threads == 0, let hello = members[index].session.hello else { return spec.threads }
        let neighbours = members.count { $0.session.hello?.host == hello.host }
        return max(1, hello.cpuCount / max(1, neighbours))
    }

    func assignment(_ index: Int) -> Assign {
        Assign(
            rank: index, deviceCount: members.count, dtype: settings.dtype, threads: threads(index),
            memoryLimit: members[index].spec.memoryLimit, heartbeat: settings.heartbeat,
            silence: settings.coordinatorSilence, callDeadline: settings.peerDeadline,
            carrier: settings.carrier, linkEncryption: settings.linkEncryption)
    }

    /// Orders all workers to connect to each other in a new epoch.
    func connect() {
        epoch += 1
        let endpoints = members.map { $0.session.endpoint ?? "" }
        for index in members.indices { order(index, .connect(epoch: epoch, endpoints: endpoints)) }
    }
}

/// Starts a cluster, gives it to `body`, and shuts it down however that ends.
public func withCluster<Result: Sendable>(
    _ settings: ClusterSettings, launcher: (any Launcher)?, logger: Logger,
    body: @Sendable (Cluster) async throws -> Result
) async throws -> Result {
    let cluster = Cluster(settings: settings, launcher: launcher, logger: logger)
    try await cluster.start()
    do {
        let result = try await body(cluster)
        await cluster.shutdown(reason: "the work is done")
        return result
    } catch {
        await cluster.shutdown(reason: "the work failed")
        throw error
    }
}
