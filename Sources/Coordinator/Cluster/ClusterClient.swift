public import Logging
public import Protocol
import Synchronization
public import Transport

/// A client of a running cluster: one conversation at a time.
public struct ClusterClient: Sendable {
    /// Longest silence of a living coordinator, which gives signs of life several times a second.
    private static let silence = Duration.seconds(5)

    private let endpoint: String
    private let key: ClusterKey?
    private let logger: Logger
    private let buildVersion: String

    /// A client of the cluster whose coordinator listens at `tcp://host:port`, with the cluster's key if it has one.
    public init(
        endpoint: String, key: ClusterKey? = nil, logger: Logger, buildVersion: String = ProtocolVersion.build
    ) {
        self.endpoint = endpoint
        self.key = key
        self.logger = logger
        self.buildVersion = buildVersion
    }

    /// Orders pictures and waits for them; cancelling the task cancels the job.
    ///
    /// - Parameter patience: longest wait for a word from the coordinator before the order is taken.
    /// - Throws: ``ClientError`` from the cluster (code `unreachable` where none answers, `key` where its key is another,
    ///   `disconnected` where it ends or falls silent), ``ProtocolError``.
    public func generate(
        _ order: Generate, patience: Duration = .seconds(3),
        progress: @escaping @Sendable (JobProgress) -> Void = { _ in }
    ) async throws -> Pictures {
        try await converse(patience: patience, order: .generate(order), job: order.job) { message in
            switch message {
            case .progress(let report):
                if report.job == order.job { progress(report) }
                return nil
            case .pictures(let pictures): return pictures.job == order.job ? pictures : nil
            default: return nil
            }
        }
    }

    /// How the cluster is.
    ///
    /// Throws ``ClientError`` (code `unreachable` where none answers, `key` where its key is another), ``ProtocolError``.
    public func status(patience: Duration = .seconds(3)) async throws -> ClusterStatus {
        try await converse(patience: patience, order: .statusQuery, job: 0) { message in
            if case .status(let status) = message { status } else { nil }
        }
    }

    private func converse<Answer: Sendable>(
        patience: Duration, order: Message, job: UInt64, _ read: @escaping @Sendable (Message) -> Answer?
    ) async throws -> Answer {
        let client = try ControlClient(connect: endpoint, key: key, logger: logger)
        let ear = Ear(limit: Self.silence)
        do {
            let answer = try await withThrowingTaskGroup(of: Answer?.self) { group in
                let (welcomed, welcome) = AsyncStream.makeStream(of: Void.self)
                group.addTask { try await listen(client, order, welcome, job, ear, read) }
                group.addTask {
                    while true {
                        try await Task.sleep(for: Self.silence / 10)
                        if let silence = ear.look() { throw fallenSilent(job, silence) }
                    }
                }
                group.addTask {
                    // Ends without result when the coordinator has answered in time.
                    let isWelcome = await Self.first(of: welcomed, within: patience)
                    if isWelcome || Task.isCancelled { return nil }
                    throw unreachable(job, handshake: ear.refusal)
                }
                defer { group.cancelAll() }
                while let answer = try await group.next() {
                    if let answer { return answer }
                }
                throw CancellationError()
            }
            await client.close()
            return answer
        } catch {
            if Task.isCancelled, case .generate = order { try say(.cancelGenerate(job: job), client) }
            await client.close()
            throw error
        }
    }

    private func listen<Answer: Sendable>(
        _ client: ControlClient, _ order: Message, _ welcome: AsyncStream<Void>.Continuation, _ job: UInt64,
        _ ear: Ear, _ read: @Sendable (Message) -> Answer?
    ) async throws -> Answer? {
        try say(.clientHello(buildVersion: buildVersion), client)
        for await event in client.events {
            ear.hear()
            switch event {
            case .message(_, let bytes):
                let message = try Codec.decode(bytes).message
                if let answer = read(message) { return answer }
                switch message {
                case .clientWelcome:
                    welcome.yield()
                    try say(order, client)
                case .reject(let code, let text): throw ProtocolError(.init(rawValue: code), text)
                case .clientError(let error) where error.job == job || error.job == 0: throw error
                default: break
                }
            case .failed(let error):
                let isKey = error.code == "keyMismatch"
                throw ClientError(job: job, code: isKey ? "key" : "disconnected", message: error.description)
            case .handshakeFailed(let reason): ear.note(refusal: reason)
            case .disconnected:
                throw ClientError(
                    job: job, code: "disconnected", message: "the cluster at \(endpoint) ended: look at its output")
            case .connected, .undeliverable: break
            }
        }
        return nil
    }

    private func say(_ message: Message, _ client: ControlClient) throws(ProtocolError) {
        client.send(try Codec.encode(Envelope(clusterID: "", epoch: 0, message: message)))
    }

    /// Nobody has answered, or with a handshake that failed.
    private func unreachable(_ job: UInt64, handshake: String?) -> ClientError {
        if let handshake {
            return ClientError(
                job: job, code: "key",
                message: "what listens at \(endpoint) does not take this process for a member of its cluster: "
                    + "\(handshake); check the address, and that security.key_file names a copy of its key file")
        }
        return ClientError(
            job: job, code: "unreachable",
            message: "no cluster answers at \(endpoint): start it with tessera up, or check the address")
    }

    private func fallenSilent(_ job: UInt64, _ silence: Duration) -> ClientError {
        ClientError(
            job: job, code: "disconnected",
            message: "the cluster at \(endpoint) has given no sign of life for \(silence.components.seconds) seconds: "
                + "it is stopped or stuck, look at its output")
    }

    /// When the coordinator was last heard, and why it does not listen.
    private final class Ear: Sendable {
        private let lastRefusal = Mutex<String?>(nil)
        private let start = ContinuousClock.now
        private let clock: Mutex<LivenessClock>

        init(limit: Duration) { clock = Mutex(LivenessClock(limit: limit, now: .zero)) }

        /// Why the last handshake failed; nil: none did.
        var refusal: String? { lastRefusal.withLock { $0 } }

        func note(refusal: String) { lastRefusal.withLock { $0 = refusal } }

        func hear() { clock.withLock { $0.hear(ContinuousClock.now - start) } }

        /// The length of the silence where it is too long.
        func look() -> Duration? { clock.withLock { $0.look(ContinuousClock.now - start) } }
    }

    /// True where an element comes in time.
    private static func first(of stream: AsyncStream<Void>, within patience: Duration) async -> Bool {
        await withTaskGroup(of: Bool.self) { group in
            group.addTask {
                for await _ in stream { return true }
                return false
            }
            group.addTask {
                try? await Task.sleep(for: patience)
                return false
            }
            let isFirst = await group.next() ?? false
            group.cancelAll()
            return isFirst
        }
    }
}
