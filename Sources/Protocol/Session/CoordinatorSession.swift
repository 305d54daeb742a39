/// The coordinator's side of its conversation with one worker: events in, actions out; no input or output, no clock.
///
/// expecting → joined → assigned → bound → connecting → ready (→ connecting → ready …) → leaving → closed
public struct CoordinatorSession: Sendable {
    /// What happens to a worker as the coordinator sees it.
    ///
    /// Times count from any fixed origin.
    public enum Event: Sendable, Hashable {
        /// A message came.
        case received(Envelope)
        /// Bytes came that are no message.
        case undecodable(ProtocolError)
        /// Time has passed; comes several times a heartbeat interval.
        case tick
        /// The link is gone, or a message could not be delivered.
        case disconnected
        /// The process ended ("exit status 1", "signal 9").
        case exited(String)
        /// The coordinator wants something.
        case order(Order)
    }

    /// What the coordinator wants of a worker.
    public enum Order: Sendable, Hashable {
        /// Take this rank.
        case assign(Assign)
        /// Connect to these peers in a new epoch.
        case connect(epoch: UInt32, endpoints: [String])
        /// Install a program.
        case install(Install)
        /// Drop a program, and free the weights that no other one reads.
        case uninstall(programKey: String)
        /// Run a program.
        case run(Run)
        /// Free what a request left.
        case release(request: UInt64)
        /// Give what was recorded, and record so from now on.
        case trace(TraceOrder)
        /// Give up all calls.
        case abort(reason: String)
        /// Finish.
        case shutdown(reason: String)
    }

    /// What follows from an event.
    public enum Action: Sendable, Hashable {
        /// Send a message to the worker.
        case send(Envelope)
        /// The worker has introduced itself.
        case joined(Hello)
        /// The worker's data plane listens.
        case bound(endpoint: String)
        /// The worker takes orders in this epoch.
        case ready(epoch: UInt32)
        /// An installation goes on.
        case progress(LoadProgress)
        /// A program can be run.
        case installed(Installed)
        /// A call is done.
        case result(RunResult)
        /// What the worker recorded.
        case traced(TraceReport)
        /// A call or an installation failed; the worker goes on.
        case failure(Failure)
        /// The worker is lost; given once, never for an ordered end.
        case fail(WorkerLoss)
        /// Nothing will come from the worker any more; given once.
        case close
    }

    /// Where the conversation stands.
    public enum State: String, Sendable, Hashable, CaseIterable {
        /// No HELLO yet.
        case expecting
        /// HELLO said.
        case joined
        /// Rank given.
        case assigned
        /// Its endpoint is known.
        case bound
        /// Connecting to its peers.
        case connecting
        /// Takes orders.
        case ready
        /// Told to finish.
        case leaving
        /// Over.
        case closed
    }

    /// What both ends must agree on.
    public struct Terms: Sendable, Hashable {
        /// Cluster.
        public var clusterID: String
        /// Build.
        public var buildVersion: String
        /// Model; nil: any.
        public var modelHash: String?
        /// Interval of signs of life.
        public var heartbeat: Duration
        /// Longest silence of a living worker.
        public var silence: Duration
        /// Longest wait for HELLO.
        public var joinDeadline: Duration

        /// Makes terms.
        public init(
            clusterID: String, buildVersion: String = ProtocolVersion.build, modelHash: String? = nil,
            heartbeat: Duration = .milliseconds(250), silence: Duration = .seconds(2),
            joinDeadline: Duration = .seconds(30)
        ) {
            self.clusterID = clusterID
            self.buildVersion = buildVersion
            self.modelHash = modelHash
            self.heartbeat = heartbeat
            self.silence = silence
            self.joinDeadline = joinDeadline
        }
    }

    /// Where the conversation stands.
    public private(set) var state = State.expecting
    /// The worker's introduction.
    public private(set) var hello: Hello?
    /// Where its data plane listens.
    public private(set) var endpoint: String?
    /// Calls that the worker has finished.
    public private(set) var steps: UInt64 = 0
    /// What the worker said last of what it uses and does.
    public private(set) var report: WorkerReport?
    /// Incarnation of the membership that the worker knows.
    public private(set) var epoch: UInt32 = 0
    private let worker: String
    private let terms: Terms
    private let begin: Duration
    private var liveness: LivenessClock
    private var lastSent: Duration
    private var sequence: UInt64 = 0
    private var calls: [UInt64: Run.Label] = [:]
    private var installing: [String] = []

    /// A conversation that waits for the HELLO of the worker with this name.
    public init(worker: String, terms: Terms, now: Duration) {
        self.worker = worker
        self.terms = terms
        begin = now
        lastSent = now
        liveness = LivenessClock(limit: terms.silence, now: now)
    }

    /// True while the worker has a call to answer.
    public var isCalling: Bool { !calls.isEmpty }
    /// True while the worker has an installation to answer.
    public var isInstalling: Bool { !installing.isEmpty }

    /// What the worker is doing, for errors ("running step (request 7, step 3)").
    public var activity: String {
        if let call = calls.min(by: { $0.key < $1.key })?.value {
            return "running \(call.programKey) (request \(call.request), step \(call.step))"
        }
        if let key = installing.first { return "installing \(key)" }
        return switch state {
        case .expecting: "starting"
        case .joined, .assigned, .bound, .connecting: "joining the cluster"
        case .ready: "idle"
        case .leaving, .closed: "finishing"
        }
    }

    /// Takes an event; what follows from it, in order.
    public mutating func handle(_ event: Event, now: Duration) -> [Action] {
        if state == .closed { return [] }
        switch event {
        case .received(let envelope): return receive(envelope, now)
        case .undecodable(let error): return state == .leaving ? [] : reject(error, now)
        case .tick: return tick(now)
        case .disconnected: return lose(.disconnected)
        case .exited(let how): return lose(.exited(how))
        case .order(let order): return obey(order, now)
        }
    }

    private mutating func tick(_ now: Duration) -> [Action] {
        let silence = liveness.look(now)
        if state == .expecting {
            return now - begin > terms.joinDeadline ? lose(.neverJoined(terms.joinDeadline)) : []
        }
        if let silence { return lose(.silent(silence)) }
        guard now - lastSent >= terms.heartbeat else { return [] }
        sequence += 1
        return [say(.heartbeat(Heartbeat(sequence: sequence, steps: 0)), now)]
    }

    private mutating func receive(_ envelope: Envelope, _ now: Duration) -> [Action] {
        if case .hello(let hello) = envelope.message, state == .expecting {
            if let error = objection(to: hello, envelope) { return reject(error, now) }
            self.hello = hello
            state = .joined
            liveness = LivenessClock(limit: terms.silence, now: now)
            // An answer at once, so that the worker knows that it is heard while others are still missing.
            sequence += 1
            return [.joined(hello), say(.heartbeat(Heartbeat(sequence: sequence, steps: 0)), now)]
        }
        guard envelope.clusterID == terms.clusterID else {
            return reject(Self.wrongCluster(worker, envelope.clusterID, terms.clusterID), now)
        }
        liveness.hear(now)
        if case .goodbye(let reason) = envelope.message, state != .expecting { return lose(.left(reason)) }
        if state == .leaving { return [] }
        switch (envelope.message, state) {
        case (.heartbeat(let beat), _) where state != .expecting:
            steps = max(steps, beat.steps)
            report = beat.report ?? report
            return []
        case (.failure(let failure), _) where failure.subject == .worker && state != .expecting:
            return lose(.failed(failure))
        case (.bound(let bound), .assigned):
            state = .bound
            endpoint = bound.endpoint
            return [.bound(endpoint: bound.endpoint)]
        case (.ready, .connecting) where envelope.epoch == epoch:
            state = .ready
            return [.ready(epoch: epoch)]
        case (.ready, .connecting): return []
        case (_, .ready), (_, .connecting): return report(envelope.message, now)
        default: return disorder(envelope.message, now)
        }
    }

    private mutating func report(_ message: Message, _ now: Duration) -> [Action] {
        switch message {
        case .loadProgress(let report): return [.progress(report)]
        case .installed(let report):
            installing.removeAll { $0 == report.programKey }
            return [.installed(report)]
        case .result(let result):
            return calls.removeValue(forKey: result.call) == nil ? [] : [.result(result)]
        case .traced(let report): return [.traced(report)]
        case .failure(let failure):
            switch failure.subject {
            case .call(let call): return calls.removeValue(forKey: call) == nil ? [] : [.failure(failure)]
            case .program(let key):
                installing.removeAll { $0 == key }
                return [.failure(failure)]
            case .worker: return lose(.failed(failure))
            }
        default: return disorder(message, now)
        }
    }

    private mutating func obey(_ order: Order, _ now: Duration) -> [Action] {
        switch (order, state) {
        case (.shutdown, .expecting):
            state = .closed
            return [.close]
        case (_, .leaving): return []
        case (.shutdown(let reason), _):
            state = .leaving
            liveness.hear(now)
            return [say(.shutdown(reason: reason), now)]
        case (.assign(let assign), .joined):
            state = .assigned
            return [say(.assign(assign), now)]
        case (.connect(let epoch, let endpoints), .bound), (.connect(let epoch, let endpoints), .ready),
            (.connect(let epoch, let endpoints), .connecting):
            precondition(epoch > self.epoch, "epochs count up")
            state = .connecting
            self.epoch = epoch
            return [say(.connect(endpoints: endpoints), now)]
        case (.install(let install), .ready):
            installing.append(install.programKey)
            return [say(.install(install), now)]
        case (.uninstall(let key), .ready): return [say(.uninstall(programKey: key), now)]
        case (.run(let run), .ready):
            calls[run.call] = run.label
            return [say(.run(run), now)]
        case (.release(let request), .ready): return [say(.release(request: request), now)]
        case (.trace(let order), .ready): return [say(.trace(order), now)]
        case (.abort(let reason), .ready), (.abort(let reason), .connecting):
            return [say(.abort(reason: reason), now)]
        // Orders that come too early or too late have nobody to obey them; who gave them hears of the loss.
        default: return []
        }
    }

    private func objection(to hello: Hello, _ envelope: Envelope) -> ProtocolError? {
        if envelope.clusterID != terms.clusterID {
            return Self.wrongCluster(hello.worker, envelope.clusterID, terms.clusterID)
        }
        if let error = Self.wrongBuild(hello, terms.buildVersion) { return error }
        if let model = terms.modelHash, !hello.modelHash.isEmpty, hello.modelHash != model {
            return ProtocolError(
                .modelHash,
                "worker \(hello.worker) holds model \(hello.modelHash.prefix(12)), the cluster serves"
                    + " \(model.prefix(12)): copy the same checkpoint to all machines")
        }
        return nil
    }

    /// The error of a message that belongs to another cluster.
    package static func wrongCluster(_ worker: String, _ theirs: String, _ ours: String) -> ProtocolError {
        ProtocolError(
            .clusterID,
            "worker \(worker) belongs to cluster \"\(theirs)\", this is \"\(ours)\": check --cluster-id and --connect")
    }

    /// The error of a worker of another build than the coordinator's; nil where they are the same.
    package static func wrongBuild(_ hello: Hello, _ ours: String) -> ProtocolError? {
        if hello.buildVersion == ours { return nil }
        return ProtocolError(
            .buildVersion,
            "worker \(hello.worker) on host \(hello.host) runs tessera \(hello.buildVersion), the coordinator \(ours):"
                + " install the same build on all machines")
    }

    private mutating func reject(_ error: ProtocolError, _ now: Duration) -> [Action] {
        [say(.reject(code: error.code.rawValue, message: error.description), now)] + lose(.violation(error))
    }

    private mutating func disorder(_ message: Message, _ now: Duration) -> [Action] {
        reject(
            ProtocolError(.order, "worker \(worker) sent \(message.name) while it is \(state.rawValue)"), now)
    }

    private mutating func lose(_ loss: WorkerLoss) -> [Action] {
        let wasOrdered = state == .leaving
        state = .closed
        return wasOrdered ? [.close] : [.fail(loss), .close]
    }

    private mutating func say(_ message: Message, _ now: Duration) -> Action {
        lastSent = now
        return .send(Envelope(clusterID: terms.clusterID, epoch: epoch, message: message))
    }
}

extension Run {
    /// What errors say about a call.
    struct Label: Sendable, Hashable {
        var programKey: String
        var request: UInt64
        var step: UInt32
    }

    /// What errors say about this call.
    var label: Label { Label(programKey: programKey, request: request, step: step) }
}
