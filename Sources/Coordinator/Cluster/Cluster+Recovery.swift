import Logging
import Program
import Protocol

extension Cluster {
    /// A program that is on all devices, for those that come back.
    struct InstalledProgram: Sendable {
        var key: String
        var locals: [LocalProgram]
        var sources: [String: ParameterSource]
    }

    /// Begins the way back after a worker was lost, or ends the cluster where it was lost too often.
    ///
    /// Calls and installations in flight fail as interrupted; the other workers keep their weights.
    func recover(from index: Int, _ loss: WorkerLoss, doing: String) {
        let name = members[index].spec.name
        let log = (members[index].exit?.explanation.map { [$0] } ?? []) + (members[index].exit?.lastLines ?? [])
        guard settings.restartLimit > 0 else {
            return fail(
                .workerLost(worker: name, rank: index, loss: loss.description, doing: doing, log: log))
        }
        if case .neverJoined(let deadline) = loss, !members[index].spec.isLaunched {
            let command = (try? launchOrder(index))?.command ?? ""
            return fail(.workerAbsent(worker: name, rank: index, within: deadline, command: command))
        }
        guard let delay = restarts.take(now) else {
            return fail(
                .workerLostTooOften(
                    worker: name, rank: index, loss: loss.description, restarts: settings.restartLimit,
                    within: settings.restartWindow, log: log))
        }
        let interruption = ClusterError.interrupted(worker: name, rank: index, loss: loss.description, doing: doing)
        note(.init(worker: name, rank: index, loss: loss.description, doing: doing, age: .zero))
        logger.warning("a worker was lost and is awaited again", metadata: ["reason": "\(interruption)"])
        for line in log { logger.notice("\(line)", metadata: ["worker": "\(name)"]) }
        var recovery =
            if case .recovering(let known) = phase {
                known
            } else {
                Recovery(
                    deadlines: .init(
                        joining: settings.joinDeadline + settings.connectDeadline,
                        connecting: settings.connectDeadline, installing: settings.installDeadline,
                        aborting: settings.abortDeadline),
                    programCount: programs.count, now: now)
            }
        recovery.lose(
            index, launch: members[index].spec.isLaunched ? now + delay : nil,
            because: "\(name) \(loss)", now: now)
        phase = .recovering(recovery)
        dismiss(index, loss)
        empty(index)
        if !members[index].spec.isLaunched {
            do throws(ClusterError) { try invite(index) } catch { return fail(error) }
        }
        interrupt(with: interruption)
        for other in members.indices where !recovery.isLost(other) {
            order(other, .abort(reason: "worker \(name) was lost"))
        }
    }

    /// Takes workers that do not do what they were told for lost, and ends their processes.
    func lose(_ ranks: [Int], _ loss: WorkerLoss) {
        let lost = ranks.map { (index: $0, doing: members[$0].session.activity) }
        for (index, doing) in lost {
            members[index].loss = (loss, doing, now)
            settleLoss(index)
        }
    }

    /// Lets a worker that nobody can kill know that its place is another's, should it hear anything again.
    private func dismiss(_ index: Int, _ loss: WorkerLoss) {
        guard members[index].process == nil, let peer = members[index].peer else { return }
        switch loss {
        case .hung, .late, .silent:
            let message = "worker \(members[index].spec.name) \(loss) and was given up: start it again"
            send(.reject(code: ProtocolError.Code.rejected.rawValue, message: message), to: peer)
        case .disconnected, .exited, .failed, .left, .neverJoined, .violation: break
        }
    }

    /// Forgets all about a worker but its place; what its process may still say is a stranger's word.
    private func empty(_ index: Int) {
        if let peer = members[index].peer { ranks[peer] = nil }
        let member = members[index]
        members[index] = Member(
            spec: member.spec, session: session(of: member.spec.name), generation: member.generation + 1,
            restarts: member.restarts + 1)
    }

    /// Does what is next on the way back; nothing where there is none.
    func advanceRecovery() {
        while case .recovering(var recovery) = phase {
            let steps = recovery.advance(
                members.map {
                    .init(
                        state: $0.session.state, isCurrent: $0.session.epoch == epoch,
                        isCalling: $0.session.isCalling, isInstalling: $0.session.isInstalling)
                }, now: now)
            phase = .recovering(recovery)
            if steps.isEmpty { return }
            for step in steps {
                perform(step)
                guard case .recovering = phase else { return }
            }
        }
    }

    private func perform(_ step: Recovery.Step) {
        switch step {
        case .launch(let index):
            // Its time to join counts from now.
            members[index].session = session(of: members[index].spec.name)
            do throws(ClusterError) { try launch(index) } catch { fail(error) }
        case .assign(let index): order(index, .assign(assignment(index)))
        case .connect: connect()
        case .install(let index, let number):
            let program = programs[number]
            order(
                index,
                .install(
                    Install(programKey: program.key, program: program.locals[index], sources: program.sources)))
        case .finish:
            phase = .ready
            noteReturn()
            logger.notice("the cluster is whole again", metadata: ["epoch": "\(epoch)"])
            flushReleases()
        case .giveUp(let late, let loss): lose(late, loss)
        }
    }

    /// A worker that came back has installed what it was told to.
    func noteInstalled(_ index: Int) {
        guard case .recovering(var recovery) = phase else { return }
        recovery.installed(index)
        phase = .recovering(recovery)
    }

    /// A worker that came back cannot install what it had.
    func noteInstallFailure(_ index: Int, _ key: String, _ failure: Failure) {
        guard case .recovering(let recovery) = phase, case .installing = recovery.stage, recovery.isLost(index) else {
            return
        }
        fail(
            .installFailed(
                worker: members[index].spec.name, program: key, code: failure.code, message: failure.message))
    }

    /// How long a call may wait for the cluster to take orders again.
    var patience: Duration {
        let once = settings.abortDeadline + settings.connectDeadline
        guard settings.restartLimit > 0 else { return once }
        let start =
            settings.abortDeadline + settings.joinDeadline + settings.connectDeadline + RestartBudget.longestDelay
        return once + start * settings.restartLimit + settings.installDeadline
    }
}
