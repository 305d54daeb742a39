public import Logging
public import Protocol
public import Transport

/// A worker: joins a cluster, installs and runs the programs it is given, and leaves when the coordinator says so or is
/// gone.
///
/// Three threads: the control link's, the rank's (everything that computes or waits for peers), and the service's own,
/// which only passes events between the two and so is never late with a sign of life.
public final class WorkerService: Sendable {
    /// Makes an engine on the rank's thread; its waits end when the flag is set.
    public typealias MakeEngine = @Sendable (Assign, AbortFlag) throws -> any RankEngine

    /// How long the rank's thread may take to notice the end.
    ///
    /// A kernel call in flight is not interrupted.
    static let stopMilliseconds = 2000

    /// How often the session looks at the clock: a fifth of a heartbeat.
    static let tick = Duration.milliseconds(50)

    /// What the worker hears.
    private enum Input: Sendable {
        case control(ControlEvent)
        case local(WorkerSession.Event)
        case tick
    }

    private let settings: WorkerSettings
    private let logger: Logger
    private let isa: String
    private let make: MakeEngine

    /// A worker that has not begun.
    ///
    /// - Parameters:
    ///   - isa: instruction-set level of the kernels, for the coordinator's report.
    ///   - makeEngine: what runs programs.
    public init(settings: WorkerSettings, isa: String, logger: Logger, makeEngine: @escaping MakeEngine) {
        self.settings = settings
        self.isa = isa
        var logger = logger
        logger[metadataKey: "worker"] = "\(settings.name)"
        self.logger = logger
        make = makeEngine
    }

    /// Works until the end, and says why it came.
    ///
    /// Cancelling the task is an end, too.
    ///
    /// Throws `TransportError` where the control endpoint is not usable.
    public func run() async throws -> WorkerEnd {
        let client = try ControlClient(connect: settings.connect, key: settings.key, logger: logger)
        let (inputs, continuation) = AsyncStream.makeStream(of: Input.self)
        let executor = ThreadExecutor(name: "worker")
        executor.tick(Self.tick) { continuation.yield(.tick) }
        let end = await withTaskExecutorPreference(executor) {
            await withTaskGroup(of: Void.self) { group in
                group.addTask {
                    for await event in client.events { continuation.yield(.control(event)) }
                }
                let end = await withTaskCancellationHandler {
                    await converse(inputs, client) { continuation.yield(.local($0)) }
                } onCancel: {
                    continuation.finish()
                }
                executor.tick(Self.tick, nil)
                await client.close()
                group.cancelAll()
                return end
            }
        }
        logger.info("worker ends", metadata: ["reason": "\(end)"])
        return end
    }

    private func converse(
        _ inputs: AsyncStream<Input>, _ client: ControlClient,
        report: @escaping @Sendable (WorkerSession.Event) -> Void
    ) async -> WorkerEnd {
        let clock = ContinuousClock()
        let origin = clock.now
        var session = WorkerSession(clusterID: settings.clusterID, hello: hello(), silence: settings.joinDeadline)
        var rank: RankThread?
        // Handles events and what follows from them, until there is nothing more to do or the end has come.
        func take(_ event: WorkerSession.Event) -> WorkerEnd? {
            var actions = session.handle(event, now: origin.duration(to: clock.now))
            while !actions.isEmpty {
                let action = actions.removeFirst()
                if case .finish(let end) = action { return end }
                for event in perform(action, &rank, client, report) {
                    actions += session.handle(event, now: origin.duration(to: clock.now))
                }
            }
            return nil
        }
        var end = take(.started)
        if end == nil {
            for await input in inputs {
                if case .control(.failed(let error)) = input {
                    end = .failed(error.description)
                    break
                }
                guard let event = event(of: input) else { continue }
                if case .tick = event, session.isBeatDue(origin.duration(to: clock.now)), let rank {
                    var report = rank.report
                    report.residentByteCount = HostFacts.residentByteCount
                    _ = take(.measured(report))
                }
                end = take(event)
                if end != nil { break }
            }
        }
        let reason = end ?? .failed("the worker was cancelled")
        if let rank, !rank.stop(reason: reason.description, milliseconds: Self.stopMilliseconds) {
            logger.warning("the rank's thread is still computing; it ends with the process")
        }
        return reason
    }

    private func event(of input: Input) -> WorkerSession.Event? {
        switch input {
        case .tick: return .tick
        case .local(let event): return event
        case .control(let event):
            switch event {
            case .message(_, let bytes):
                do throws(ProtocolError) {
                    return .received(try Codec.decode(bytes))
                } catch {
                    return .undecodable(error)
                }
            case .disconnected: return .disconnected
            case .handshakeFailed(let reason):
                logger.warning("the coordinator's endpoint does not answer as one", metadata: ["reason": "\(reason)"])
                return nil
            case .connected, .failed, .undeliverable: return nil
            }
        }
    }

    /// Carries an action out; events that follow from it at once.
    private func perform(
        _ action: WorkerSession.Action, _ rank: inout RankThread?, _ client: ControlClient,
        _ report: @escaping @Sendable (WorkerSession.Event) -> Void
    ) -> [WorkerSession.Event] {
        switch action {
        case .send(let envelope): return send(envelope, client)
        case .configure(let assign):
            logger.info("worker has rank \(assign.rank) of \(assign.deviceCount)")
            do {
                rank = try RankThread(assign: assign, make: make, report: report)
                return []
            } catch {
                return [.failed(FailureReport.describe(error, subject: .worker, isAborted: false))]
            }
        case .connect(let epoch, let endpoints):
            guard rank?.connect(epoch: epoch, endpoints: endpoints) == true else { return [busy(.worker)] }
        case .install(let order): return add(.install(order), rank)
        case .uninstall(let key): return add(.uninstall(key), rank)
        case .run(let order): return add(.run(order), rank)
        case .release(let request): return add(.release(request), rank)
        case .trace(let order): return add(.trace(order), rank)
        case .abort(let reason): rank?.abort(reason)
        case .finish: break
        }
        return []
    }

    private func add(_ job: RankJob, _ rank: RankThread?) -> [WorkerSession.Event] {
        rank?.add(job) == true ? [] : [busy(job.subject)]
    }

    private func busy(_ subject: Failure.Subject) -> WorkerSession.Event {
        .failed(
            Failure(
                subject: subject, code: "busy",
                message: "worker \(settings.name) has \(RankThread.queueLimit) orders waiting and takes no more"))
    }

    private func send(_ envelope: Envelope, _ client: ControlClient) -> [WorkerSession.Event] {
        let failure: String
        do throws(ProtocolError) {
            if client.send(try Codec.encode(envelope)) { return [] }
            failure = "the control link takes no more messages"
        } catch {
            failure = error.description
        }
        // A result that is too long is an answer all the same; anything else that cannot be said is the end.
        if case .result(let result) = envelope.message {
            return [.failed(Failure(subject: .call(result.call), code: "size", message: failure))]
        }
        logger.error(
            "a message was not sent", metadata: ["message": "\(envelope.message.name)", "reason": "\(failure)"])
        return [.disconnected]
    }

    private func hello() -> Hello {
        Hello(
            worker: settings.name, modelHash: settings.modelHash, isa: isa, cpuCount: HostFacts.cpuCount,
            memoryByteCount: HostFacts.memoryByteCount, processID: HostFacts.processID, host: HostFacts.name)
    }
}
