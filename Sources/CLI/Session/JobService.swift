import Coordinator
import Logging
import Models
import Protocol
import Server
import Transport

/// Serves the orders of a cluster's clients, one after the other in the order in which they came.
actor JobService {
    /// An order and who gave it.
    private struct Job {
        var client: PeerID
        var order: Generate
    }

    private let cluster: Cluster
    private let studio: Studio
    private let logger: Logger
    private var waiting: [Job] = []
    private var current: (job: Job, task: Task<Void, Never>)?
    private var isDraining = false
    private var drained: [CheckedContinuation<Void, Never>] = []

    init(cluster: Cluster, studio: Studio, logger: Logger) {
        self.cluster = cluster
        self.studio = studio
        self.logger = logger
    }

    /// Serves until the cluster ends.
    func run() async {
        for await request in cluster.clientRequests {
            switch request {
            case .generate(let client, let order): await accept(Job(client: client, order: order))
            case .cancel(let client, let job): cancel { $0.client == client && $0.order.job == job }
            case .gone(let client): cancel { $0.client == client }
            }
        }
        current?.task.cancel()
    }

    /// Turns away what waits and returns when the running job is done.
    func drain() async {
        isDraining = true
        for job in waiting { await refuse(job) }
        waiting = []
        if current != nil { await withCheckedContinuation { drained.append($0) } }
    }

    /// Gives up the running job and what waits.
    func stop() {
        isDraining = true
        waiting = []
        current?.task.cancel()
    }

    private func accept(_ job: Job) async {
        if isDraining { return await refuse(job) }
        waiting.append(job)
        let queued = JobProgress(job: job.order.job, phase: JobProgress.queuedPhase, done: 0, total: 0)
        await cluster.answer(job.client, queued)
        startNext()
    }

    private func refuse(_ job: Job) async {
        await cluster.answer(
            job.client, ClientError(job: job.order.job, code: "stopping", message: "the cluster is shutting down"))
    }

    private func cancel(_ matches: (Job) -> Bool) {
        waiting.removeAll(where: matches)
        if let current, matches(current.job) { current.task.cancel() }
    }

    private func startNext() {
        guard current == nil, !waiting.isEmpty else { return }
        let job = waiting.removeFirst()
        current = (job, Task { await self.serve(job) })
    }

    private func serve(_ job: Job) async {
        let cluster = cluster
        do {
            let pictures = try await studio.make(job.order, on: cluster) { await cluster.answer(job.client, $0) }
            await cluster.answer(job.client, pictures)
            logger.info("pictures made", metadata: ["count": "\(pictures.files.count)"])
        } catch {
            logger.warning("a job failed", metadata: ["reason": "\(error)"])
            await cluster.answer(
                job.client, ClientError(job: job.order.job, code: Self.code(of: error), message: "\(error)"))
        }
        current = nil
        startNext()
        if current == nil {
            for continuation in drained { continuation.resume() }
            drained = []
        }
    }

    /// A stable word for the client: `request` where the order itself is wrong.
    private static func code(of error: any Error) -> String {
        switch error {
        case is GenerationRequestError, is PNGError, is ModelError: "request"
        case let error as ClusterError: error.code
        case is CancellationError: "cancelled"
        default: "internal"
        }
    }
}
