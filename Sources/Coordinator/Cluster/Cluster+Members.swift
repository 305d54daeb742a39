import Logging
import Protocol
import Transport

extension Cluster {
    /// Takes an event of the control plane.
    private func take(_ event: ControlEvent) {
        switch event {
        case .message(let peer, let bytes): receive(bytes, from: peer)
        case .disconnected(let peer), .undeliverable(let peer): lose(peer)
        case .failed(let error): fail(.endpoint(error.description))
        case .handshakeFailed(let reason): logger.warning("handshake failed", metadata: ["reason": "\(reason)"])
        case .connected: break
        }
        check()
    }

    /// Takes a signal of another thread.
    func take(_ signal: Signal) {
        switch signal {
        case .exited(let index, let generation, let exit):
            guard members[index].generation == generation else { break }
            members[index].exit = exit
            handle(index, .exited(exit.status))
            settleLoss(index)
        case .control(let event): return take(event)
        case .tick: return tick()
        case .cancelledCall(let id): calls.removeValue(forKey: id)?.continuation.resume(throwing: CancellationError())
        case .cancelledInstall(let id):
            installs.removeValue(forKey: id)?.continuation.resume(throwing: CancellationError())
        case .cancelledTrace(let id):
            traceWaits.removeValue(forKey: id)?.continuation.resume(throwing: CancellationError())
        case .cancelledWait(let id): waits.removeValue(forKey: id)?.continuation.resume(throwing: CancellationError())
        }
        check()
    }

    /// Time has passed.
    private func tick() {
        let now = now
        // Workers that never joined are named together, not one by one.
        for index in members.indices where !isAway(index) {
            if let since = members[index].disconnected, now - since > Self.exitGrace {
                members[index].disconnected = nil
                handle(index, .disconnected)
            } else {
                handle(index, .tick)
            }
        }
        for index in members.indices {
            if let since = members[index].loss?.since, now - since > Self.exitGrace { settleLoss(index) }
        }
        checkDeadlines(now)
        beatForClients(now)
        check()
    }

    /// Gives a worker an order.
    func order(_ index: Int, _ order: CoordinatorSession.Order) { handle(index, .order(order)) }

    private func receive(_ bytes: [UInt8], from peer: PeerID) {
        if let index = ranks[peer] {
            do throws(ProtocolError) {
                handle(index, .received(try Codec.decode(bytes)))
            } catch {
                handle(index, .undecodable(error))
            }
            return
        }
        let isClient = clients.contains(peer)
        do throws(ProtocolError) {
            let limit = isClient ? ProtocolLimits.clientBytes : ProtocolLimits.strangerBytes
            let envelope = try Codec.decode(bytes, limit: limit)
            if case .hello(let hello) = envelope.message, !isClient {
                try greet(hello, envelope, peer)
            } else {
                try takeClientMessage(envelope.message, from: peer)
            }
        } catch {
            turnAway(peer, error)
        }
    }

    /// Finds the place of a worker that introduces itself.
    private func greet(_ hello: Hello, _ envelope: Envelope, _ peer: PeerID) throws(ProtocolError) {
        guard envelope.clusterID == settings.name else {
            throw CoordinatorSession.wrongCluster(hello.worker, envelope.clusterID, settings.name)
        }
        if let index = members.firstIndex(where: { $0.spec.name == hello.worker }) {
            guard members[index].session.state == .expecting else {
                throw CoordinatorSession.wrongBuild(hello, settings.buildVersion)
                    ?? ProtocolError(
                        .duplicate,
                        "a worker called \(hello.worker) is already in the cluster: give each its own --name")
            }
            return admit(index, envelope, peer)
        }
        let free = members.firstIndex { !$0.spec.isLaunched && $0.session.state == .expecting }
        guard let index = free else {
            throw CoordinatorSession.wrongBuild(hello, settings.buildVersion)
                ?? ProtocolError(
                    .order,
                    "cluster \(settings.name) has no place for worker \(hello.worker): list it in the configuration"
                )
        }
        members[index].spec.name = hello.worker
        admit(index, envelope, peer)
    }

    private func admit(_ index: Int, _ envelope: Envelope, _ peer: PeerID) {
        members[index].peer = peer
        ranks[peer] = index
        handle(index, .received(envelope))
    }

    /// Answers a peer that is not welcome.
    private func turnAway(_ peer: PeerID, _ error: ProtocolError) {
        logger.warning("a peer was turned away", metadata: ["peer": "\(peer)", "reason": "\(error)"])
        if turnedAway.count < 8 { turnedAway.append("a peer was turned away: \(error)") }
        clients.remove(peer)
        send(.reject(code: error.code.rawValue, message: error.description), to: peer)
    }

    private func lose(_ peer: PeerID) {
        if let index = ranks[peer] {
            // Its goodbye and the end of its process say more, and may still be on their way.
            members[index].disconnected = members[index].disconnected ?? now
        } else if clients.remove(peer) != nil {
            clientContinuation.yield(.gone(peer))
        }
    }

    /// Sends a message that belongs to no worker's conversation.
    func send(_ message: Message, to peer: PeerID) {
        do throws(ProtocolError) {
            let bytes = try Codec.encode(Envelope(clusterID: settings.name, epoch: epoch, message: message))
            _ = server?.send(bytes, to: peer)
        } catch {
            logger.error("a message was not sent", metadata: ["message": "\(message.name)", "reason": "\(error)"])
        }
    }

    /// Passes an event to a worker's conversation and does what follows.
    func handle(_ index: Int, _ event: CoordinatorSession.Event) {
        let doing = members[index].session.activity
        for action in members[index].session.handle(event, now: now) {
            switch action {
            case .send(let envelope): send(envelope, to: index)
            case .joined(let hello):
                logger.info(
                    "worker joined",
                    metadata: ["worker": "\(hello.worker)", "host": "\(hello.host)", "isa": "\(hello.isa)"])
                welcome(index, hello)
            case .bound: break
            case .ready: finishReconnect()
            case .progress(let report): tell(index, report)
            case .installed(let report):
                noteInstalled(index)
                finishInstall(index, report.programKey, .success(report))
            case .result(let result): finishCall(index, result)
            case .traced(let report): finishTrace(index, report)
            case .failure(let failure): takeFailure(index, failure)
            case .fail(let loss):
                members[index].loss = (loss, doing, now)
                if !members[index].isRunning || isServing { settleLoss(index) }
            case .close: members[index].disconnected = nil
            }
        }
    }

    /// Tells people that a worker has joined which they were to start.
    private func welcome(_ index: Int, _ hello: Hello) {
        guard !members[index].spec.isLaunched, let order = try? launchOrder(index) else { return }
        launcher?.joined(order, as: hello.worker, from: hello.host)
    }

    private var isServing: Bool {
        switch phase {
        case .ready, .aborting, .reconnecting, .recovering: true
        case .idle, .starting, .failed, .stopping, .stopped: false
        }
    }

    private func send(_ envelope: Envelope, to index: Int) {
        guard let peer = members[index].peer, let server else { return }
        do throws(ProtocolError) {
            if !server.send(try Codec.encode(envelope), to: peer) { lose(peer) }
        } catch {
            refuse(index, envelope.message, error)
        }
    }

    /// A message that cannot be said is a failure of what it orders, not of the worker.
    private func refuse(_ index: Int, _ message: Message, _ error: ProtocolError) {
        logger.error("a message was not sent", metadata: ["message": "\(message.name)", "reason": "\(error)"])
        let failure: Failure
        switch message {
        case .run(let run): failure = Failure(subject: .call(run.call), code: "size", message: error.description)
        case .install(let install):
            failure = Failure(subject: .program(install.programKey), code: "size", message: error.description)
        default: return
        }
        let epoch = epoch
        handle(index, .received(Envelope(clusterID: settings.name, epoch: epoch, message: .failure(failure))))
    }

    /// What to do about a worker that does not join; nil for one of this machine.
    private func remedy(_ index: Int) -> String? {
        guard let order = try? launchOrder(index) else { return nil }
        if !members[index].spec.isLaunched { return "start \(order.name) with: \(order.command)" }
        return order.host.map { "\(order.name) on \($0) must reach \(order.connect)" }
    }

    /// Makes the loss of a worker the cluster's failure, with all that is known about it by now.
    func settleLoss(_ index: Int) {
        guard let loss = members[index].loss else { return }
        members[index].loss = nil
        // It counts as dead, so that what it may still do is not waited for.
        members[index].process?.kill()
        switch phase {
        case .starting: fail(.startFailed(cluster: settings.name, problems: startProblems(index, loss.loss)))
        case .ready, .aborting, .reconnecting, .recovering: recover(from: index, loss.loss, doing: loss.doing)
        case .idle, .failed, .stopping, .stopped: break
        }
    }

    private func startProblems(_ index: Int, _ loss: WorkerLoss) -> [String] {
        var problems: [String] = []
        if case .neverJoined(let deadline) = loss {
            let missing = members.filter { $0.session.hello == nil }.map(\.spec.name)
            problems.append("no word from worker \(missing.joined(separator: ", ")) within \(deadline)")
            problems += members.indices.filter { members[$0].session.hello == nil }.compactMap(remedy)
        } else {
            let exit = members[index].exit
            var problem = "worker \(members[index].spec.name) \(loss)"
            if let exit, loss != .exited(exit.status) { problem += " (\(exit.status))" }
            if let explanation = exit?.explanation { problem += ": \(explanation)" }
            problems.append(problem + ClusterError.quote(exit?.lastLines ?? []))
        }
        return problems + turnedAway
    }

    /// Gives the cluster up: everything in flight fails with this error, and the workers stop what they do.
    func fail(_ error: ClusterError) {
        switch phase {
        case .failed, .stopping, .stopped: return
        case .idle, .starting, .ready, .aborting, .reconnecting, .recovering: break
        }
        logger.error("cluster failed", metadata: ["reason": "\(error)"])
        phase = .failed(error)
        failEverything(error)
        for index in members.indices { order(index, .abort(reason: error.description)) }
    }

    /// True for a worker that was lost and whose new process has not been started yet.
    func isAway(_ index: Int) -> Bool {
        if case .recovering(let recovery) = phase { recovery.isAway(index) } else { false }
    }

    /// Ends everything in flight with an error, waits for the cluster among it.
    func failEverything(_ error: ClusterError) {
        interrupt(with: error)
        for (id, wait) in waits where !wait.isFinal {
            waits[id] = nil
            wait.continuation.resume(throwing: error)
        }
    }

    /// Ends what the workers have been told to do with an error.
    func interrupt(with error: ClusterError) {
        for (id, call) in calls {
            calls[id] = nil
            call.continuation.resume(throwing: error)
        }
        for (id, install) in installs {
            installs[id] = nil
            install.continuation.resume(throwing: error)
        }
        for (id, wait) in traceWaits {
            traceWaits[id] = nil
            wait.continuation.resume(throwing: error)
        }
    }
}
