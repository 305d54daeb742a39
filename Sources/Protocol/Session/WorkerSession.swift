/// A worker's side of its conversation with the coordinator: events in, actions out; no input or output, no clock.
///
/// greeting → assigned → connecting → ready (→ connecting → ready …) → finished
public struct WorkerSession: Sendable {
    /// What happens to a worker.
    ///
    /// Times count from any fixed origin.
    public enum Event: Sendable, Hashable {
        /// The link is there.
        case started
        /// A message came.
        case received(Envelope)
        /// Bytes came that are no message.
        case undecodable(ProtocolError)
        /// Time has passed; comes several times a heartbeat interval.
        case tick
        /// The link is gone for good.
        case disconnected
        /// The data plane listens.
        case bound(endpoint: String)
        /// All peers of an epoch can be reached.
        case connected(epoch: UInt32)
        /// An installation goes on.
        case progress(LoadProgress)
        /// A program can be run.
        case installed(Installed)
        /// What the worker has used and done by now; the next sign of life carries it.
        case measured(WorkerReport)
        /// A call is done.
        case finished(RunResult)
        /// What was recorded is to be told.
        case traced(TraceReport)
        /// A call, an installation or the worker as a whole failed.
        case failed(Failure)
    }

    /// What the worker is to do.
    public enum Action: Sendable, Hashable {
        /// Send a message.
        case send(Envelope)
        /// Set up threads and data plane, then report ``Event/bound(endpoint:)``.
        case configure(Assign)
        /// Connect to the peers, then report ``Event/connected(epoch:)``.
        case connect(epoch: UInt32, endpoints: [String])
        /// Install a program.
        case install(Install)
        /// Drop a program, and free the weights that no other one reads.
        case uninstall(programKey: String)
        /// Run a program.
        case run(Run)
        /// Free what a request left.
        case release(request: UInt64)
        /// Give what was recorded, then report ``Event/traced(_:)``.
        case trace(TraceOrder)
        /// Give up all calls that wait or run.
        case abort(reason: String)
        /// Stop and leave.
        case finish(WorkerEnd)
    }

    /// Where the conversation stands.
    public enum State: Sendable, Hashable {
        /// Nothing said yet.
        case idle
        /// HELLO said.
        case greeting
        /// The rank is known, the data plane is being set up or waits for its peers.
        case assigned
        /// Connecting to the peers of this epoch.
        case connecting(UInt32)
        /// Taking orders in this epoch.
        case ready(UInt32)
        /// Over.
        case finished(WorkerEnd)
    }

    /// Where the conversation stands.
    public private(set) var state = State.idle
    private let clusterID: String
    private let hello: Hello
    private var heartbeat: Duration
    private var liveness: LivenessClock
    /// True once the coordinator has answered the greeting: from then on it listens for signs of life.
    private var isHeard = false
    private var lastBeat = Duration.zero
    private var report = WorkerReport()
    private var sequence: UInt64 = 0
    private var steps: UInt64 = 0

    /// A conversation that has not begun.
    ///
    /// - Parameters:
    ///   - heartbeat: interval of signs of life until the assignment says another.
    ///   - silence: how long to wait for the coordinator's first word.
    public init(
        clusterID: String, hello: Hello, heartbeat: Duration = .milliseconds(250), silence: Duration = .seconds(30),
        now: Duration = .zero
    ) {
        self.clusterID = clusterID
        self.hello = hello
        self.heartbeat = heartbeat
        liveness = LivenessClock(limit: silence, now: now)
    }

    /// The epoch of outgoing messages.
    public var epoch: UInt32 {
        switch state {
        case .connecting(let epoch), .ready(let epoch): epoch
        case .idle, .greeting, .assigned, .finished: 0
        }
    }

    /// Takes an event; what follows from it, in order.
    public mutating func handle(_ event: Event, now: Duration) -> [Action] {
        if case .finished = state { return [] }
        switch event {
        case .started:
            guard case .idle = state else { return [] }
            state = .greeting
            liveness.hear(now)
            return [say(.hello(hello))]
        case .received(let envelope): return receive(envelope, now)
        case .undecodable(let error): return end(.violation(error), now)
        case .tick: return tick(now)
        case .disconnected: return end(.disconnected, now)
        case .bound(let endpoint):
            guard case .assigned = state else { return [] }
            return [say(.bound(Bound(endpoint: endpoint)))]
        case .connected(let epoch):
            guard case .connecting(epoch) = state else { return [] }
            state = .ready(epoch)
            return [say(.ready)]
        case .progress(let report): return tell(.loadProgress(report))
        case .installed(let report): return tell(.installed(report))
        case .measured(let report):
            self.report = report
            return []
        case .finished(let result):
            steps += 1
            return tell(.result(result))
        case .traced(let report): return tell(.traced(report))
        case .failed(let failure):
            if case .worker = failure.subject {
                return [say(.failure(failure))] + end(.failed(failure.message), now)
            }
            if case .call = failure.subject { steps += 1 }
            return tell(.failure(failure))
        }
    }

    private mutating func tick(_ now: Duration) -> [Action] {
        if case .idle = state { return [] }
        if let silence = liveness.look(now) {
            return end(isHeard ? .coordinatorSilent(silence) : .coordinatorAbsent(silence), now)
        }
        guard isBeatDue(now) else { return [] }
        sequence += 1
        lastBeat = now
        return [say(.heartbeat(Heartbeat(sequence: sequence, steps: steps, report: report)))]
    }

    /// True where the next tick sends a sign of life, whatever else was said: it carries what the worker does.
    public func isBeatDue(_ now: Duration) -> Bool {
        switch state {
        case .idle, .finished: false
        // Others may be long in coming.
        case .greeting: isHeard && now - lastBeat >= heartbeat
        case .assigned, .connecting, .ready: now - lastBeat >= heartbeat
        }
    }

    private mutating func receive(_ envelope: Envelope, _ now: Duration) -> [Action] {
        guard envelope.clusterID == clusterID else {
            return end(
                .violation(
                    ProtocolError(
                        .clusterID,
                        "the coordinator leads cluster \"\(envelope.clusterID)\", this worker belongs to"
                            + " \"\(clusterID)\": check --cluster-id and --connect")), now)
        }
        liveness.hear(now)
        isHeard = true
        switch (envelope.message, state) {
        case (.heartbeat, _): return []
        case (.shutdown(let reason), _): return end(.shutdown(reason), now)
        case (.reject(let code, let message), _):
            return end(.violation(ProtocolError(.init(rawValue: code), message)), now)
        case (.abort(let reason), .ready), (.abort(let reason), .connecting): return [.abort(reason: reason)]
        case (.assign(let assign), .greeting):
            state = .assigned
            heartbeat = assign.heartbeat
            liveness.limit = assign.silence
            return [.configure(assign)]
        case (.connect(let endpoints), .assigned), (.connect(let endpoints), .ready),
            (.connect(let endpoints), .connecting):
            guard envelope.epoch > epoch else { return disorder(envelope.message, now) }
            state = .connecting(envelope.epoch)
            return [.connect(epoch: envelope.epoch, endpoints: endpoints)]
        case (.install, .ready(let epoch)), (.run, .ready(let epoch)), (.release, .ready(let epoch)),
            (.install, .connecting(let epoch)), (.run, .connecting(let epoch)), (.release, .connecting(let epoch)),
            (.trace, .ready(let epoch)), (.trace, .connecting(let epoch)), (.uninstall, .ready(let epoch)),
            (.uninstall, .connecting(let epoch)):
            if envelope.epoch < epoch { return [] }
            guard envelope.epoch == epoch, case .ready = state else { return disorder(envelope.message, now) }
            return order(envelope.message)
        default: return disorder(envelope.message, now)
        }
    }

    private func order(_ message: Message) -> [Action] {
        switch message {
        case .install(let install): [.install(install)]
        case .uninstall(let key): [.uninstall(programKey: key)]
        case .run(let run): [.run(run)]
        case .release(let request): [.release(request: request)]
        case .trace(let order): [.trace(order)]
        default: []
        }
    }

    private mutating func disorder(_ message: Message, _ now: Duration) -> [Action] {
        end(
            .violation(
                ProtocolError(
                    .order, "the coordinator sent \(message.name) to worker \(hello.worker), which is \(state.word)")),
            now)
    }

    private func tell(_ message: Message) -> [Action] {
        switch state {
        case .ready, .connecting: [say(message)]
        case .idle, .greeting, .assigned, .finished: []
        }
    }

    private mutating func end(_ reason: WorkerEnd, _ now: Duration) -> [Action] {
        var actions: [Action] = []
        switch (reason, state) {
        case (_, .idle), (.disconnected, _), (.coordinatorAbsent, _), (.coordinatorSilent, _): break
        default: actions.append(say(.goodbye(reason: reason.description)))
        }
        state = .finished(reason)
        return actions + [.finish(reason)]
    }

    private func say(_ message: Message) -> Action {
        .send(Envelope(clusterID: clusterID, epoch: epoch, message: message))
    }
}

extension WorkerSession.State {
    /// For errors.
    var word: String {
        switch self {
        case .idle: "not started"
        case .greeting: "waiting for its rank"
        case .assigned: "setting up its data plane"
        case .connecting(let epoch): "connecting to its peers in epoch \(epoch)"
        case .ready(let epoch): "ready in epoch \(epoch)"
        case .finished: "finished"
        }
    }
}
