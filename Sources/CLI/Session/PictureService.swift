import Coordinator
import Foundation
import Protocol
import Server
import Synchronization

/// The pictures of a running cluster, for all kinds of clients: orders are checked, wait in one queue, and are painted.
final class PictureService: ImageService {
    private enum Phase {
        case loading(LoadingProgress?)
        case open
        case stopping
    }

    /// What clients are told that come too late.
    private static let stopReason = "the cluster is shutting down"

    let model: ServedModel
    private let cluster: Cluster
    private let studio: Studio
    private let queue: OrderQueue
    private let phase = Mutex(Phase.loading(nil))

    /// A service that takes no orders before ``open()``.
    init(cluster: Cluster, studio: Studio, settings: ServerSettings, metrics: Metrics) {
        self.cluster = cluster
        self.studio = studio
        queue = OrderQueue(limit: settings.queueLimit, slots: settings.slotCount, metrics: metrics)
        // Of a folder its last name only: clients need not know where it is.
        let name = studio.modelName.split(separator: "/").last.map(String.init) ?? studio.modelName
        model = ServedModel(id: name, created: Int(Date().timeIntervalSince1970))
    }

    /// The workers have loaded so much.
    func loading(_ progress: LoadingProgress) {
        phase.withLock { if case .loading = $0 { $0 = .loading(progress) } }
    }

    /// Takes orders from now on.
    func open() { phase.withLock { if case .loading = $0 { $0 = .open } } }

    func place(_ order: PictureOrder) async throws -> AsyncThrowingStream<PaintingEvent, any Error> {
        let plan = try studio.plan(of: order.request)
        switch await state() {
        case .ready: break
        case .failed(let why), .loading(let why): throw OrderError.notReady(why)
        case .stopping(let why): throw OrderError.stopping(why)
        }
        var request = plan.request
        let steps = plan.stepCount - plan.startStep
        request.previewInterval = PictureOrder.previewInterval(count: order.previewCount, steps: steps)
        let (fixed, terms, studio, cluster) = (request, order.terms, studio, cluster)
        return try await queue.place(cost: steps * plan.pictureCount, terms: terms) { ticket in
            var terms = terms
            terms.number = ticket.number
            do {
                return try await studio.paint(fixed, terms: terms, on: cluster) {
                    await ticket($0)
                } admitted: {
                    await ticket.begin()
                }
            } catch let error as DeadlineError {
                throw OrderError.late(deadline: error.deadline, expected: error.expected)
            }
        }
    }

    func status() async -> ServiceStatus {
        let workers = await cluster.status.workers.map {
            ServiceStatus.Worker(name: $0.name, isReady: $0.state == "ready", steps: $0.steps)
        }
        return ServiceStatus(
            state: await state(), queue: await queue.status, workers: workers,
            scheduler: await studio.status(on: cluster))
    }

    /// Takes no more orders, and returns when the running one is done.
    func drain() async {
        phase.withLock { $0 = .stopping }
        await queue.drain(because: Self.stopReason)
    }

    /// Takes no more orders, and gives up all there are.
    func stop() async {
        phase.withLock { $0 = .stopping }
        await queue.stop(because: Self.stopReason)
    }

    private func state() async -> ServiceStatus.State {
        let word = await cluster.status.state
        if word == "failed" { return .failed("the cluster has lost a worker") }
        switch phase.withLock({ $0 }) {
        case .loading(let progress):
            guard let progress, progress.byteCount > 0 else { return .loading("the workers are starting") }
            return .loading(
                "the workers have loaded \(progress.loadedByteCount) of \(progress.byteCount) bytes of weights")
        case .open: return word == "ready" ? .ready : .loading("the cluster is \(word)")
        case .stopping: return .stopping(Self.stopReason)
        }
    }
}
