import Coordinator
import HTTPTypes

extension OrderDesk {
    /// A job and how far it is.
    ///
    /// Throws ``APIError`` where there is none of this owner's, ``JobStoreError``.
    func view(_ id: String, owner: String) async throws -> JobView { view(of: try await job(id, owner)) }

    /// Jobs of an owner, newest first, after one of them, and whether there are more.
    func views(owner: String, limit: Int, after id: String?) async throws -> (views: [JobView], hasMore: Bool) {
        let jobs = try await store.jobs(owner: owner, limit: limit + 1, after: id)
        return (jobs.prefix(limit).map(view(of:)), jobs.count > limit)
    }

    /// Ends a job; one that was cancelled before stays so.
    func cancel(_ id: String, owner: String) async throws -> JobView {
        let job = try await job(id, owner)
        if !job.state.isOver, try await store.apply(.cancelled(at: now()), to: id, files: []) {
            if let run = run(of: id) { giveUp(run.number) }
        }
        let ended = try await self.job(id, owner)
        guard ended.state == .cancelled else { throw APIError.endedJob(ended.state) }
        return view(of: ended)
    }

    /// Ends a job and removes all that is kept of it.
    func delete(_ id: String, owner: String) async throws {
        _ = try await job(id, owner)
        try await store.remove(id)
        if let run = run(of: id) { giveUp(run.number) }
    }

    /// What happens to a job from now on; nil where it is over, or waits for another process.
    func events(of id: String, owner: String) async throws -> OrderRun.Events? {
        _ = try await job(id, owner)
        return run(of: id).map { follow($0.number) }
    }

    /// A picture of a job.
    func file(of id: String, index: Int, owner: String) async throws -> KeptFile {
        let job = try await job(id, owner)
        guard let outcome = job.outcome else { throw APIError.unfinishedJob(job.state) }
        guard outcome.pictures.indices.contains(index) else {
            throw APIError(
                status: .notFound, message: "the job has \(outcome.pictures.count) pictures, counted from 0",
                code: "not_found")
        }
        return try await file(outcome.pictures[index].id)
    }

    /// A picture by the name that nobody guesses.
    func file(_ picture: String) async throws -> KeptFile {
        guard Job.isID(picture, prefix: "img_"), let file = try await store.file(picture, since: oldest) else {
            throw APIError(
                status: .notFound,
                message: "there is no such picture, or not any more: they are kept for \(retention.seconds) seconds",
                code: "picture_not_found")
        }
        return file
    }

    /// Names of a finished job's pictures.
    func pictures(of id: String) async throws -> [Job.Picture] {
        guard let outcome = try await store.job(id)?.outcome else { throw APIError.unknownJob }
        return outcome.pictures
    }

    /// What a client is told that comes again with its idempotency key; nil where the pictures are gone.
    func answer(of job: Job) async throws -> OrderRun.Events? {
        switch job.state {
        case .queued, .generating:
            throw OrderError.notReady("the order with this idempotency key is taken up again soon")
        case .cancelled: throw APIError.endedJob(.cancelled)
        case .failed: throw job.failure.map { APIError($0) } ?? APIError.unknownJob
        case .completed: break
        }
        guard let outcome = job.outcome else { return nil }
        var files: [[UInt8]] = []
        for picture in outcome.pictures {
            guard let file = try await store.file(picture.id, since: oldest) else { return nil }
            files.append(file.bytes)
        }
        let (stream, events) = OrderRun.Events.makeStream()
        events.yield(
            .finished(
                PaintedPictures(
                    files: files, width: outcome.width, height: outcome.height, seed: job.order.seed,
                    textTokens: outcome.textTokens, imageTokens: outcome.imageTokens,
                    paintedTokens: outcome.paintedTokens, warnings: outcome.warnings)))
        events.finish()
        return stream
    }

    /// What was finished before is not shown any more.
    private var oldest: Double { now() - Double(retention.seconds) }

    private func job(_ id: String, _ owner: String) async throws -> Job {
        guard Job.isID(id, prefix: "job_"), let job = try await store.job(id), job.owner == owner,
            job.finished.map({ $0 >= oldest }) != false
        else { throw APIError.unknownJob }
        return job
    }

    func view(of job: Job) -> JobView {
        var view = JobView(job: job)
        guard !job.state.isOver, let run = run(of: job.id) else { return view }
        switch run.progress {
        case .placing: view.position = 0
        case .waiting: view.position = waiting.firstIndex(of: run.number) ?? 0
        case .queued(let ahead): view.position = ahead
        case .loading: break
        case .stepped(let done, let total, let secondsLeft):
            (view.step, view.steps, view.secondsLeft) = (done, total, secondsLeft)
        }
        if !run.progress.isRunning { view.secondsLeft = secondsLeft(of: run) }
        return view
    }

    /// Seconds until a run that waits is done, by measured steps: those of all before it and its own.
    private func secondsLeft(of run: OrderRun) -> Double? {
        guard let secondsPerStep else { return nil }
        return runs.values.filter { $0.number <= run.number && $0.result == nil }.reduce(0) { sum, run in
            if case .stepped(_, _, let left) = run.progress { return sum + left }
            let request = run.ticket.order.request
            let steps = run.job?.order.steps ?? request.steps ?? lastSteps ?? 0
            let count = run.job?.order.picturesPerPrompt ?? request.picturesPerPrompt
            return sum + secondsPerStep * Double(steps * count)
        }
    }
}

extension APIError {
    /// There is no such job of this client's.
    static var unknownJob: APIError {
        APIError(status: .notFound, message: "there is no such job, or not any more", code: "job_not_found")
    }

    /// An idempotency key came with something else.
    static var reusedKey: APIError {
        APIError(
            status: .unprocessableContent,
            message: "the idempotency key was used for another request: take a new key, or send the same request",
            param: "Idempotency-Key", code: "idempotency_key_reused")
    }

    /// A job cannot be cancelled, or its request not be repeated.
    static func endedJob(_ state: Job.State) -> APIError {
        APIError(status: .conflict, message: "the job is \(state.rawValue) already", code: "job_\(state.rawValue)")
    }

    /// A job has no pictures, yet or at all.
    static func unfinishedJob(_ state: Job.State) -> APIError {
        APIError(
            status: .conflict, message: "the job is \(state.rawValue): it has no pictures", code: "job_not_completed",
            isWorthRetrying: !state.isOver)
    }

    /// A job was accepted when another model was served.
    static func otherModel(_ model: String, _ served: String) -> APIError {
        APIError(
            status: .notFound, message: "the job was accepted for the model '\(model)'; '\(served)' is served now",
            param: "model", code: "model_not_found")
    }

    /// What a failed job's client is told.
    init(_ failure: Job.Failure) {
        self.init(
            status: .init(code: failure.status), message: failure.message, type: failure.type, param: failure.param,
            code: failure.code)
    }
}

extension Job.Failure {
    /// What is kept of an error.
    init(_ error: APIError) {
        self.init(
            status: error.status.code, type: error.type, code: error.code, message: error.message, param: error.param)
    }
}
