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
        // The queue waits for the workers that come back.
        case .loading where await cluster.status.state == "recovering": break
        case .failed(let why), .loading(let why): throw OrderError.notReady(why)
        case .stopping(let why): throw OrderError.stopping(why)
        }
        var request = plan.request
        let steps = plan.stepCount - plan.startStep
        request.previewInterval = PictureOrder.previewInterval(count: order.previewCount, steps: steps)
        let (fixed, terms, format, studio, cluster) = (request, order.terms, order.format, studio, cluster)
        // The queue runs it in a task that another order may have started.
        let id = RequestScope.id
        return try await queue.place(cost: steps * plan.pictureCount, terms: terms) { ticket in
            var terms = terms
            terms.number = ticket.number
            do {
                return try await RequestScope.$id.withValue(id) {
                    try await studio.paint(fixed, terms: terms, format: format, on: cluster) {
                        await ticket($0)
                    } admitted: {
                        await ticket.begin()
                    }
                }
            } catch let error as DeadlineError {
                throw OrderError.late(deadline: error.deadline, expected: error.expected)
            }
        }
    }

    func status() async -> ServiceStatus {
        let workers = await cluster.status.workers.map {
            ServiceStatus.Worker(name: $0.name, isReady: ["ready", "computing"].contains($0.state), steps: $0.steps)
        }
        return ServiceStatus(
            state: await state(), queue: await queue.status, workers: workers,
            scheduler: await studio.status(on: cluster))
    }

    func cluster() async -> ClusterSnapshot {
        let status = await cluster.status
        var snapshot = ClusterSnapshot(
            name: status.cluster, state: status.state, epoch: status.epoch,
            mesh: studio.mesh, workers: status.workers.map { ClusterSnapshot.Worker($0) }, model: studio.facts)
        snapshot.incidents = await cluster.incidents.map {
            .init(
                worker: $0.worker, loss: $0.loss, doing: $0.doing, ageSeconds: $0.age / .seconds(1),
                absenceSeconds: $0.absence.map { $0 / .seconds(1) })
        }
        switch await state() {
        case .failed(let why): snapshot.reason = why
        case .loading(let what):
            snapshot.reason = what
            if status.state == "ready" { snapshot.state = "loading" }
        case .ready: break
        case .stopping(let why): (snapshot.state, snapshot.reason) = ("stopping", why)
        }
        return snapshot
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
        let status = await cluster.status
        if status.state == "failed" { return .failed("the cluster has lost a worker") }
        switch phase.withLock({ $0 }) {
        case .loading(let progress):
            guard let progress, progress.byteCount > 0 else { return .loading("the workers are starting") }
            return .loading(
                "the workers have loaded \(progress.loadedByteCount) of \(progress.byteCount) bytes of weights")
        case .open where status.state == "ready": return .ready
        case .open:
            let reason = status.reason.isEmpty ? "" : ": \(status.reason)"
            return .loading("the cluster is \(status.state)\(reason)")
        case .stopping: return .stopping(Self.stopReason)
        }
    }
}

extension ClusterSnapshot.Worker {
    /// The worker as the coordinator sees it.
    init(_ worker: ClusterStatus.Worker) {
        self.init(name: worker.name, state: worker.state)
        (host, processID, calls, restarts) = (worker.host, worker.processID, worker.steps, worker.restarts)
        memoryLimit = worker.memoryLimit
        guard let report = worker.report else { return }
        (residentByteCount, heldByteCount) = (report.residentByteCount, report.heldByteCount)
        (computeSeconds, collectiveSeconds) = (report.computeTime / .seconds(1), report.collectiveTime / .seconds(1))
        sentByteCounts = report.sentByteCounts
        running = report.running.map { .init(program: $0.programKey, request: $0.request, step: $0.step) }
    }
}
