public import Protocol
public import Transport

/// What a client of a running cluster wants.
public enum ClientRequest: Sendable, Hashable {
    /// It no longer wants a job.
    case cancel(PeerID, job: UInt64)
    /// It wants pictures.
    case generate(PeerID, Generate)
    /// It is gone, and with it all its jobs.
    case gone(PeerID)
}

extension Cluster {
    /// Tells a client how far its job is.
    public func answer(_ client: PeerID, _ progress: JobProgress) { answer(client, .progress(progress)) }

    /// Gives a client its pictures.
    public func answer(_ client: PeerID, _ pictures: Pictures) { answer(client, .pictures(pictures)) }

    /// Tells a client why its job failed.
    public func answer(_ client: PeerID, _ error: ClientError) { answer(client, .clientError(error)) }

    private func answer(_ client: PeerID, _ message: Message) {
        if clients.contains(client) { send(message, to: client) }
    }

    /// Tells clients from time to time that the coordinator lives: a job may take long to say anything else.
    func beatForClients(_ now: Duration) {
        guard now - clientBeat.sent >= settings.heartbeat else { return }
        clientBeat = (clientBeat.sequence &+ 1, now)
        for client in clients { send(.heartbeat(Heartbeat(sequence: clientBeat.sequence, steps: 0)), to: client) }
    }

    /// How the cluster is.
    public var status: ClusterStatus {
        ClusterStatus(
            cluster: settings.name, state: phase.word,
            workers: members.enumerated().map { index, member in
                .init(
                    name: member.spec.name, rank: index, state: word(of: index),
                    host: member.session.hello?.host ?? "", processID: member.session.hello?.processID ?? 0,
                    steps: member.session.steps, memoryLimit: member.spec.memoryLimit, restarts: member.restarts,
                    report: member.session.report)
            }, queued: calls.count, reason: reason, epoch: epoch)
    }

    /// A word for a worker's state.
    private func word(of index: Int) -> String {
        let session = members[index].session
        if case .recovering(let recovery) = phase, recovery.isLost(index) {
            let isBack = members[index].process != nil || session.hello != nil
            return isBack && !recovery.isAway(index) ? "returning" : "lost"
        }
        switch session.state {
        case .closed: return "lost"
        case .leaving: return "leaving"
        case .expecting, .joined, .assigned, .bound, .connecting: return "joining"
        case .ready:
            if session.isInstalling { return "loading" }
            return session.isCalling ? "computing" : "ready"
        }
    }

    /// Why no orders are taken; empty where they are.
    private var reason: String {
        switch phase {
        case .failed(let error): "\(error)"
        case .aborting(_, let because): because
        case .recovering(let recovery): recovery.because + " and is awaited again"
        case .idle, .starting, .ready, .reconnecting, .stopping, .stopped: ""
        }
    }

    /// Takes a message of a peer that is no worker.
    func takeClientMessage(_ message: Message, from peer: PeerID) throws(ProtocolError) {
        guard clients.contains(peer) else {
            guard case .clientHello(let version) = message else {
                throw ProtocolError(.order, "a peer that has not introduced itself sent \(message.name)")
            }
            guard version == settings.buildVersion else {
                throw ProtocolError(
                    .buildVersion,
                    "the client runs tessera \(version), the cluster \(settings.buildVersion): use the same build")
            }
            clients.insert(peer)
            return send(
                .clientWelcome(ClientWelcome(cluster: settings.name, buildVersion: settings.buildVersion)), to: peer)
        }
        switch message {
        case .statusQuery: send(.status(status), to: peer)
        case .generate(let order):
            if case .dropped = clientContinuation.yield(.generate(peer, order)) {
                send(
                    .clientError(
                        ClientError(
                            job: order.job, code: "busy",
                            message: "cluster \(settings.name) has too many jobs waiting: try again later")), to: peer)
            }
        case .cancelGenerate(let job): clientContinuation.yield(.cancel(peer, job: job))
        case .heartbeat: break
        default: throw ProtocolError(.order, "a client sent \(message.name)")
        }
    }
}

extension Cluster.Phase {
    /// For status and errors.
    var word: String {
        switch self {
        case .idle: "not started"
        case .starting: "starting"
        case .ready: "ready"
        case .aborting, .reconnecting, .recovering: "recovering"
        case .failed: "failed"
        case .stopping: "stopping"
        case .stopped: "stopped"
        }
    }
}
