import Coordinator
import Foundation
import Logging
import Models
import Protocol
import Server
import Transport

/// Stands for the clients on the control port: puts their orders into the service's queue, and tells them what happens.
actor JobService {
    /// An order and who gave it.
    private struct Job: Hashable {
        var client: PeerID
        var number: UInt64
    }

    private let cluster: Cluster
    private let service: PictureService
    private let studio: Studio
    private let logger: Logger
    private var tasks: [Job: Task<Void, Never>] = [:]
    private var finished: [CheckedContinuation<Void, Never>] = []

    init(cluster: Cluster, service: PictureService, studio: Studio, logger: Logger) {
        self.cluster = cluster
        self.service = service
        self.studio = studio
        self.logger = logger
    }

    /// Serves until the cluster ends.
    func run() async {
        for await request in cluster.clientRequests {
            switch request {
            case .generate(let client, let order): await accept(order, from: client)
            case .cancel(let client, let number): tasks[Job(client: client, number: number)]?.cancel()
            case .gone(let client): for (job, task) in tasks where job.client == client { task.cancel() }
            }
        }
        for task in tasks.values { task.cancel() }
    }

    /// Returns when every client has its answer.
    func finish() async {
        if !tasks.isEmpty { await withCheckedContinuation { finished.append($0) } }
    }

    /// Places an order before the next one is looked at, so that all are served in the order in which they came.
    private func accept(_ order: Generate, from client: PeerID) async {
        let id = "job_" + UUID().uuidString.replacing("-", with: "").lowercased()
        await RequestScope.$id.withValue(id) {
            logger.info("a client gives an order", metadata: ["client": "\(client)", "job": "\(order.job)"])
            await place(order, from: client)
        }
    }

    private func place(_ order: Generate, from client: PeerID) async {
        let job = Job(client: client, number: order.job)
        do {
            guard tasks[job] == nil else { throw ClientError(job: order.job, code: "request", message: Self.twice) }
            let events = try await service.place(PictureOrder(try studio.request(order)))
            tasks[job] = Task {
                await self.follow(events, of: job)
                self.end(job)
            }
        } catch {
            await answer(error, job)
        }
    }

    private static let twice = "the client has given the same number to two orders"

    /// Tells the client what happens to its order.
    private func follow(_ events: AsyncThrowingStream<PaintingEvent, any Error>, of job: Job) async {
        do {
            for try await event in events {
                if case .finished(let made) = event {
                    let pictures = Pictures(job: job.number, files: made.files, warnings: made.warnings)
                    await cluster.answer(job.client, pictures)
                    return logger.info("pictures made", metadata: ["count": "\(made.files.count)"])
                }
                if let report = JobProgress(event, job: job.number) { await cluster.answer(job.client, report) }
            }
            throw CancellationError()
        } catch {
            logger.warning("a job failed", metadata: ["reason": "\(error)"])
            await answer(error, job)
        }
    }

    private func end(_ job: Job) {
        tasks[job] = nil
        guard tasks.isEmpty else { return }
        for continuation in finished { continuation.resume() }
        finished = []
    }

    private func answer(_ error: any Error, _ job: Job) async {
        let error = ClientError(job: job.number, code: Self.code(of: error), message: "\(error)")
        await cluster.answer(job.client, error)
    }

    /// A stable word for the client: `request` where the order itself is wrong.
    private static func code(of error: any Error) -> String {
        switch error {
        case is GenerationRequestError, is PictureError, is ModelError: "request"
        case let error as ClientError: error.code
        case let error as ClusterError: error.code
        case OrderError.queueFull: "busy"
        case let error as OrderError: error.code
        case is CancellationError: "cancelled"
        default: "internal"
        }
    }
}
