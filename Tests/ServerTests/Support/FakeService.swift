import Coordinator
import Server
import Synchronization
import Tensor

/// An image service without a cluster: real queue, painted squares, and steps that wait until they are let go.
final class FakeService: ImageService {
    /// What happened to orders, for tests that wait for it.
    enum Life: Sendable, Equatable {
        case started(String)
        case cancelled(String)
    }

    let model = ServedModel(id: "demo", created: 1_700_000_000)
    let metrics = Metrics()
    let queue: OrderQueue
    let life: AsyncStream<Life>
    private let lifeSource: AsyncStream<Life>.Continuation
    private let gate: AsyncStream<Void>
    private let gateKeeper: AsyncStream<Void>.Continuation
    private let orders = Mutex<[PictureOrder]>([])
    private let turnstile = Turnstile()
    private let state = Mutex(ServiceStatus.State.ready)

    /// A service that paints at once, or, where it `waits`, only after ``letGo()``.
    init(queueLimit: Int = 8, waits: Bool = false) {
        queue = OrderQueue(limit: queueLimit, metrics: metrics)
        (life, lifeSource) = AsyncStream.makeStream()
        (gate, gateKeeper) = AsyncStream.makeStream()
        if !waits { gateKeeper.finish() }
    }

    /// Lets all orders go on, those to come too.
    func letGo() { gateKeeper.finish() }

    /// Orders that were placed.
    var placed: [PictureOrder] { orders.withLock { $0 } }

    func set(_ new: ServiceStatus.State) { state.withLock { $0 = new } }

    func status() async -> ServiceStatus {
        ServiceStatus(
            state: state.withLock { $0 }, queue: await queue.status,
            workers: [.init(name: "worker \"0\"", isReady: true, steps: 7)])
    }

    func cluster() async -> ClusterSnapshot {
        var busy = ClusterSnapshot.Worker(name: "w1", state: "computing")
        busy.memoryLimit = 1 << 30
        busy.sentByteCounts = [5, 0, 0, 0]
        busy.running = .init(program: "step", request: 3, step: 2)
        let idle = ["w0", "w2", "w3"].map { ClusterSnapshot.Worker(name: $0, state: "ready") }
        var snapshot = ClusterSnapshot(
            name: "demo", state: "ready", epoch: 2,
            mesh: [.init(name: "guidance", size: 2), .init(name: "model", size: 2)],
            workers: [idle[0], busy, idle[1], idle[2]],
            model: .init(
                width: 64, height: 64, sizeMultiple: 4, pixelLimit: 4096, steps: 24, guidanceScale: 1.5, temperature: 1)
        )
        snapshot.incidents = [
            .init(worker: "w1", loss: "ended with signal 9", doing: "idle", ageSeconds: 7, absenceSeconds: nil)
        ]
        return snapshot
    }

    func place(_ order: PictureOrder) async throws -> AsyncThrowingStream<PaintingEvent, any Error> {
        orders.withLock { $0.append(order) }
        switch state.withLock({ $0 }) {
        case .ready: break
        case .failed(let why), .loading(let why): throw OrderError.notReady(why)
        case .stopping(let why): throw OrderError.stopping(why)
        }
        let prompt = order.request.prompts[0]
        if order.request.width == 100 {
            throw GenerationRequestError(problems: [.init(parameter: "width", message: "is 100")])
        }
        let (gate, life, turnstile) = (gate, lifeSource, turnstile)
        return try await queue.place(cost: 4, terms: order.terms) { tell in
            try await turnstile.enter()
            defer { Task { await turnstile.leave() } }
            await tell.begin()
            life.yield(.started(prompt))
            for await _ in gate { break }
            if Task.isCancelled {
                life.yield(.cancelled(prompt))
                throw CancellationError()
            }
            if prompt == "lost" {
                throw ClusterError.callFailed(
                    worker: "w", program: "p", request: 1, step: 1, code: "x", message: "a secret")
            }
            for step in 1...4 {
                await tell(.stepped(done: step, total: 4, secondsLeft: Double(4 - step)))
                if order.previewCount > 0, step < 4 {
                    await tell(.preview(picture: 0, file: try Self.square(UInt8(step), order.format)))
                }
            }
            let count = order.request.picturesPerPrompt
            return PaintedPictures(
                files: try (0..<count).map { try Self.square(UInt8(100 + $0), order.format) }, width: 4, height: 4,
                seed: order.request.seed, textTokens: 5, imageTokens: order.request.editing == nil ? 0 : 16,
                paintedTokens: 16 * count, warnings: prompt == "long" ? ["cut"] : [])
        }
    }

    /// A file of 4 x 4 pixels of one grey.
    static func square(_ grey: UInt8, _ format: PictureFormat = .png) throws -> [UInt8] {
        try format.encode(HostTensor(dtype: .u8, dims: [4, 4, 3], bytes: [UInt8](repeating: grey, count: 48)))
    }
}
