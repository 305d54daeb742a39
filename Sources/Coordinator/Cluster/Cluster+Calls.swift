import Logging
public import Program
public import Protocol
public import Tensor

/// What a call gave, and what it cost on each device.
public struct CallReport: Sendable {
    /// Whole outputs by name.
    public var outputs: [String: HostTensor]
    /// Time on each device, by rank.
    public var durations: [Duration]
    /// Payload bytes that each device sent to its peers, by rank.
    public var sentByteCounts: [Int]
}

extension Cluster {
    /// A call in flight.
    struct Call {
        var program: String
        var request: UInt64
        var step: UInt32
        var remaining: Set<Int>
        var parts: [OutputPart] = []
        var durations: [Duration]
        var sentByteCounts: [Int]
        var failure: (rank: Int, failure: Failure)?
        /// Who had not answered when its time was over; nil: it is not over.
        var late: [Int]?
        var deadline: Duration
        var end: Duration
        var continuation: CheckedContinuation<CallReport, any Error>
    }

    /// An installation in flight.
    struct Installation {
        var key: String
        var remaining: Set<Int>
        var reports: [Int: Installed] = [:]
        var failure: ClusterError?
        var end: Duration
        var progress: @Sendable (_ worker: String, LoadProgress) -> Void
        var continuation: CheckedContinuation<[Installed], any Error>
    }

    /// Installs a program on all devices: one local program a rank.
    ///
    /// `sources` may name more weights than it needs; give those of the whole model every time, so that programs share
    /// their weights.
    ///
    /// - Parameters:
    ///   - deadline: when it must be done; nil: ``ClusterSettings/installDeadline`` from now.
    ///   - progress: told what a worker has loaded.
    /// - Returns: what the program takes on each device, by rank.
    /// - Throws: ``ClusterError``, `CancellationError`.
    @discardableResult
    public func install(
        _ key: String, locals: [LocalProgram], sources: [String: ParameterSource],
        deadline: ContinuousClock.Instant? = nil,
        progress: @escaping @Sendable (_ worker: String, LoadProgress) -> Void = { _, _ in }
    ) async throws -> [Installed] {
        try await waitUntilReady()
        precondition(locals.count == members.count, "there is one local program a device")
        let id = number()
        let signals = signals
        let end = now + (deadline.map { ContinuousClock.now.duration(to: $0) } ?? settings.installDeadline)
        let reports = try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                installs[id] = Installation(
                    key: key, remaining: Set(members.indices), end: end, progress: progress, continuation: continuation)
                for index in members.indices {
                    order(index, .install(Install(programKey: key, program: locals[index], sources: sources)))
                }
            }
        } onCancel: {
            signals.yield(.cancelledInstall(id))
        }
        installed.insert(key)
        programs.removeAll { $0.key == key }
        programs.append(InstalledProgram(key: key, locals: locals, sources: sources))
        tracing?.trace.programs[key] = locals
        predictions[key] = CallPrediction.longest(locals)
        return reports
    }

    /// Takes a program off all devices, and with it the weights that no other program reads there.
    ///
    /// Nothing happens for an unknown one. Calls of it that have begun end as they would have.
    public func uninstall(_ key: String) {
        guard installed.remove(key) != nil else { return }
        dropped.insert(key)
        flushReleases()
    }

    /// Runs a program on all devices and puts its outputs together.
    ///
    /// - Parameter slots: the request whose residents each slot of the batch reads.
    ///
    /// Throws ``ClusterError``, `CancellationError`; what the call left for the request is then lost.
    public func run(
        _ key: String, request: UInt64, slots: [UInt64] = [], inputs: [String: HostTensor]
    ) async throws -> [String: HostTensor] {
        try await call(key, request: request, slots: slots, inputs: inputs).outputs
    }

    /// As ``run(_:request:slots:inputs:)``, with what the call cost.
    public func call(
        _ key: String, request: UInt64, slots: [UInt64] = [], inputs: [String: HostTensor]
    ) async throws -> CallReport {
        try await waitUntilReady()
        guard installed.contains(key) else { throw ClusterError.unknownProgram(key: key) }
        let step = steps[request, default: 0]
        steps[request] = step &+ 1
        let id = number()
        let signals = signals
        let deadline = max(settings.callDeadline, predictions[key] ?? .zero)
        let begin = tracing == nil ? 0 : MonotonicClock.now
        let report = try await withTaskCancellationHandler {
            try await withCheckedThrowingContinuation { continuation in
                calls[id] = Call(
                    program: key, request: request, step: step, remaining: Set(members.indices),
                    durations: members.map { _ in .zero }, sentByteCounts: members.map { _ in 0 },
                    deadline: deadline, end: now + deadline, continuation: continuation)
                let run = Run(
                    call: id, request: request, slots: slots, step: step, programKey: key, inputs: inputs)
                for index in members.indices { order(index, .run(run)) }
            }
        } onCancel: {
            signals.yield(.cancelledCall(id))
        }
        if begin > 0 {
            try await trace(
                .init(number: id, program: key, request: request, step: step, begin: begin, end: MonotonicClock.now))
        }
        return report
    }

    /// Frees what a request left on the devices.
    public func release(request: UInt64) {
        steps[request] = nil
        releases.insert(request)
        flushReleases()
    }

    /// Tells the workers which requests have ended and which programs have gone, as soon as they take orders.
    func flushReleases() {
        guard case .ready = phase else { return }
        for request in releases.sorted() {
            for index in members.indices { order(index, .release(request: request)) }
        }
        releases = []
        for key in dropped.sorted() {
            programs.removeAll { $0.key == key }
            predictions[key] = nil
            for index in members.indices { order(index, .uninstall(programKey: key)) }
        }
        dropped = []
    }

    /// Waits until orders can be given.
    func waitUntilReady() async throws {
        if case .ready = phase { return }
        if case .starting = phase { throw ClusterError.notReady(cluster: settings.name, state: "starting") }
        try await wait(
            for: .ready, deadline: patience, doing: "giving up a failed call")
    }

    // MARK: What workers answer

    func tell(_ index: Int, _ report: LoadProgress) {
        for install in installs.values where install.key == report.programKey && install.remaining.contains(index) {
            install.progress(members[index].spec.name, report)
        }
    }

    func finishInstall(_ index: Int, _ key: String, _ result: Result<Installed, ClusterError>) {
        // The oldest of the key's installations is the one that is answered.
        guard let id = installs.filter({ $0.value.key == key && $0.value.remaining.contains(index) }).keys.min(),
            var install = installs[id]
        else { return }
        install.remaining.remove(index)
        switch result {
        case .success(let report): install.reports[index] = report
        case .failure(let error): install.failure = install.failure ?? error
        }
        installs[id] = install
        guard install.remaining.isEmpty else { return }
        installs[id] = nil
        if let error = install.failure {
            install.continuation.resume(throwing: error)
        } else {
            install.continuation.resume(returning: members.indices.compactMap { install.reports[$0] })
        }
    }

    func finishCall(_ index: Int, _ result: RunResult) {
        guard var call = calls[result.call] else { return }
        call.remaining.remove(index)
        call.parts += result.outputs
        call.durations[index] = result.duration
        call.sentByteCounts[index] = result.sentByteCount
        calls[result.call] = call
        if call.remaining.isEmpty && call.failure == nil {
            calls[result.call] = nil
            do throws(ClusterError) {
                let outputs = try OutputAssembly.assemble(call.parts, program: call.program)
                call.continuation.resume(
                    returning: CallReport(
                        outputs: outputs, durations: call.durations, sentByteCounts: call.sentByteCounts))
            } catch {
                call.continuation.resume(throwing: error)
            }
        }
        finishAbort()
    }

    func takeFailure(_ index: Int, _ failure: Failure) {
        switch failure.subject {
        case .program(let key):
            let failure = placed(failure, of: index)
            noteInstallFailure(index, key, failure)
            finishInstall(
                index, key,
                .failure(
                    .installFailed(
                        worker: members[index].spec.name, program: key, code: failure.code, message: failure.message)))
            finishAbort()
        case .call(let id):
            guard var call = calls[id] else {
                // Its caller has given it up, but the other devices may wait for this one.
                abort(because: "a call failed on worker \(members[index].spec.name)")
                return finishAbort()
            }
            call.remaining.remove(index)
            // The first failure that is not a consequence of another one is the one to tell.
            if call.failure == nil || call.failure?.failure.code == Failure.abortedCode {
                call.failure = (index, failure)
            }
            calls[id] = call
            abort(because: "\(call.program) failed on worker \(members[index].spec.name)")
            finishAbort()
        case .worker: break
        }
    }

    /// A failure to read weights with the machine on which they were looked for.
    private func placed(_ failure: Failure, of index: Int) -> Failure {
        guard failure.code == "weights", let host = members[index].session.hello?.host else { return failure }
        var failure = failure
        failure.message +=
            " (on host \(host): a worker reads the checkpoint on its own machine, under the same path as the coordinator)"
        return failure
    }

    // MARK: After a failure

    /// Makes all workers give up what they run, because some wait for what will never come.
    private func abort(because reason: String) {
        guard case .ready = phase else { return }
        logger.warning("a call failed", metadata: ["reason": "\(reason)"])
        phase = .aborting(since: now, because: reason)
        for index in members.indices { order(index, .abort(reason: reason)) }
    }

    /// When all answers are in: tells the callers, and makes new links.
    func finishAbort() {
        guard case .aborting(_, let because) = phase, calls.values.allSatisfy(\.remaining.isEmpty),
            installs.isEmpty
        else { return }
        // Nor may a worker be left with a call that its caller has given up: new links have to wait for it.
        guard !members.contains(where: { $0.session.isCalling || $0.session.isInstalling }) else { return }
        let ended = calls
        calls = [:]
        phase = .reconnecting(since: now)
        connect()
        for call in ended.values { call.continuation.resume(throwing: error(of: call, because)) }
    }

    /// When all workers have made their new links: takes orders again.
    func finishReconnect() {
        guard case .reconnecting = phase,
            members.allSatisfy({ $0.session.state == .ready && $0.session.epoch == epoch })
        else { return }
        phase = .ready
        logger.info("cluster has recovered", metadata: ["epoch": "\(epoch)"])
        flushReleases()
    }

    private func error(of call: Call, _ because: String) -> ClusterError {
        guard let (rank, failure) = call.failure, failure.code != Failure.abortedCode else {
            if let late = call.late { return stuck(late, "\(call.program), step \(call.step)", call.deadline) }
            return .callAborted(program: call.program, request: call.request, step: call.step, because: because)
        }
        return .callFailed(
            worker: members[rank].spec.name, program: call.program, request: call.request, step: call.step,
            code: failure.code, message: failure.message)
    }

    /// Looks for calls, installations and recoveries that take too long.
    ///
    /// In a collective one worker that hangs keeps all others waiting. So a call whose time is over is first given up:
    /// who waits for a peer does so at once, and who does not is the one that hangs. It is treated like a lost worker.
    func checkDeadlines(_ now: Duration) {
        checkTraces(now)
        switch phase {
        case .aborting(let since, _):
            finishAbort()
            guard case .aborting = phase else { return }
            let calling = members.indices.filter { members[$0].session.isCalling && !members[$0].session.isInstalling }
            if now - since > settings.abortDeadline, !calling.isEmpty {
                lose(calling, .hung(settings.abortDeadline))
            } else if now - since > settings.installDeadline {
                let loading = members.indices.filter { members[$0].session.isInstalling }
                lose(loading, .late(doing: "loading", after: settings.installDeadline))
            }
        case .reconnecting(let since):
            guard now - since > settings.connectDeadline else { return }
            let late = members.indices.filter { members[$0].session.state != .ready }
            lose(late, .late(doing: "connecting to its peers again", after: settings.connectDeadline))
        case .ready: checkOrders(now)
        case .idle, .starting, .recovering, .failed, .stopping, .stopped: break
        }
    }

    private func checkOrders(_ now: Duration) {
        if let install = installs.values.first(where: { now > $0.end }) {
            // Every worker loads for itself: who has not answered is late.
            let late = install.remaining.sorted()
            return lose(late, .late(doing: "installing \(install.key)", after: settings.installDeadline))
        }
        for (id, call) in calls where now > call.end {
            calls[id]?.late = call.remaining.sorted()
            abort(because: "\(call.program) took longer than \(call.deadline)")
        }
    }

    private func stuck(_ ranks: [Int], _ doing: String, _ after: Duration) -> ClusterError {
        .stuck(workers: Set(ranks).sorted().map { members[$0].spec.name }, doing: doing, after: after)
    }
}
