import Coordinator
import Foundation
import Logging
import Models

extension OrderDesk {
    /// Delays before a result is saved once more; after the last its followers are told, and it is tried on.
    private static let saveDelays: [Duration] = [.milliseconds(200), .seconds(1)]
    /// How long orders may take to end once the service has.
    private static let endDeadline = Duration.seconds(10)
    /// Time between two looks at what is kept for too long.
    private static let pruneInterval = 30.0

    // MARK: Events of the service

    /// Passes on what happens to an order.
    func tell(_ event: PaintingEvent, _ number: Int) async {
        guard let run = runs[number] else { return }
        var progress = run.progress
        switch event {
        case .queued(let ahead): progress = .queued(ahead: ahead)
        case .loading(let done, let total): progress = .loading(done: done, total: total)
        case .stepped(let done, let total, let secondsLeft):
            progress = .stepped(done: done, total: total, secondsLeft: secondsLeft)
            if run.firstStep == nil { runs[number]?.firstStep = (now(), done) }
        case .preview, .finished: break
        }
        runs[number]?.progress = progress
        if progress.isRunning, !run.progress.isRunning, run.isDurable, let job = run.job {
            do {
                _ = try await store.apply(.begun(at: now()), to: job.id, files: [])
            } catch {
                logger.error("a job's start is not noted", metadata: ["job": "\(job.id)", "reason": "\(error)"])
            }
        }
        for follower in (runs[number]?.followers ?? [:]).values { follower.yield(event) }
    }

    /// Keeps an order's pictures, where they are to be kept, and gives them to whoever waits.
    func finish(_ number: Int, _ pictures: PaintedPictures) async {
        guard let run = runs[number] else { return }
        measure(run, pictures)
        guard let job = run.job else { return end(number, .success(pictures)) }
        let outcome = await Self.outcome(of: pictures)
        added += outcome.pictures.reduce(0) { $0 + $1.byteCount }
        var delays = Self.saveDelays[...]
        while true {
            do {
                let isSaved = try await save(job, outcome, pictures.files, isNew: !run.isDurable)
                end(number, isSaved ? .success(pictures) : .failure(JobCancelled()))
                break
            } catch {
                logger.error("pictures cannot be kept", metadata: ["job": "\(job.id)", "reason": "\(error)"])
                guard !isEnding, run.isDurable || !delays.isEmpty else { return end(number, .failure(error)) }
                // Old pictures may have to make room.
                await prune()
                let delay = delays.popFirst()
                if delay == nil { abandon(number, error) }
                // Sleeping ends with an error when the run was given up, or all ends.
                guard (try? await Task.sleep(for: delay ?? .seconds(10))) != nil else {
                    return end(number, .failure(error))
                }
            }
        }
        await makeRoom()
    }

    /// Tells those who wait that a result is not to be had now; the run goes on.
    private func abandon(_ number: Int, _ error: any Error) {
        for follower in (runs[number]?.followers ?? [:]).values { follower.finish(throwing: error) }
        runs[number]?.followers = [:]
    }

    private func save(
        _ job: Job, _ outcome: Job.Outcome, _ files: [[UInt8]], isNew: Bool
    ) async throws(JobStoreError) -> Bool {
        let change = Job.Change.completed(outcome, at: now())
        guard isNew else { return try await store.apply(change, to: job.id, files: files) }
        var job = job
        _ = job.apply(change)
        try await store.insert(job, input: nil, files: files)
        return true
    }

    /// Ends an order that failed, or lets it wait for another attempt where it is a job and not to blame.
    func fail(_ number: Int, _ error: any Error) async {
        guard let run = runs[number] else { return }
        guard run.isDurable, let job = run.job else { return end(number, .failure(error)) }
        do {
            let attempts = try await store.job(job.id)?.attempts ?? 0
            if let counts = Self.isInterruption(error), !counts || attempts < Self.attemptLimit {
                _ = try await store.apply(.returned(countsAttempt: counts), to: job.id, files: [])
                logger.notice("a job waits again", metadata: ["job": "\(job.id)", "reason": "\(error)"])
                return await putBack(number, error)
            }
            let failure = Job.Failure(APIError(error))
            logger.error("a job failed", metadata: ["job": "\(job.id)", "reason": "\(error)"])
            _ = try await store.apply(.failed(failure, at: now()), to: job.id, files: [])
        } catch {
            logger.error("a job's end is not noted", metadata: ["job": "\(job.id)", "reason": "\(error)"])
        }
        end(number, .failure(error))
    }

    /// Lets a run wait, unless there is nothing to wait for in this process.
    private func putBack(_ number: Int, _ error: any Error) async {
        switch await service.status().state {
        case .failed, .stopping: end(number, .failure(error))
        case .loading, .ready:
            guard !isEnding, runs[number] != nil else { return end(number, .failure(error)) }
            runs[number]?.progress = .waiting
            runs[number]?.task = nil
            waiting.append(number)
        }
    }

    /// Whether an error says nothing about the order, and if so, whether it counts as an attempt all the same.
    private static func isInterruption(_ error: any Error) -> Bool? {
        switch error {
        case OrderError.late: return nil
        case is OrderError, is CancellationError: return false
        case let error as ClusterError:
            switch error {
            case .callAborted, .interrupted, .notReady, .stopped: return false
            case .stuck, .workerLost, .workerLostTooOften: return true
            default: return nil
            }
        default: return nil
        }
    }

    private func measure(_ run: OrderRun, _ pictures: PaintedPictures) {
        guard case .stepped(_, let total, _) = run.progress, let first = run.firstStep, total > first.done else {
            return
        }
        let rate = (now() - first.time) / Double((total - first.done) * max(1, pictures.files.count))
        secondsPerStep = secondsPerStep.map { $0 * 0.7 + rate * 0.3 } ?? rate
        lastSteps = total
    }

    // MARK: The process's life

    /// Takes up what the last process has left unfinished; to be called before anything else.
    func resume() async throws(JobStoreError) {
        let jobs = try await store.unfinished()
        for job in jobs {
            if job.attempts >= Self.attemptLimit {
                let message = "the server ended \(job.attempts) times while it made this job; order it anew"
                let failure = Job.Failure(
                    status: 500, type: "server_error", code: "too_many_attempts", message: message)
                _ = try await store.apply(.failed(failure, at: now()), to: job.id, files: [])
                logger.error("a job is given up", metadata: ["job": "\(job.id)", "reason": "\(message)"])
                continue
            }
            // It waits again, whatever the last process was doing with it.
            _ = try await store.apply(.returned(countsAttempt: true), to: job.id, files: [])
            let ticket = OrderTicket(
                order: PictureOrder(.init(prompts: [])), owner: job.owner, kind: job.kind,
                digest: job.idempotency?.digest ?? "", idempotencyKey: job.idempotency?.key, isJob: true)
            let number = register(ticket, job)
            runs[number]?.progress = .waiting
            waiting.append(number)
        }
        if !jobs.isEmpty { logger.notice("unfinished jobs are taken up again", metadata: ["count": "\(jobs.count)"]) }
    }

    /// Places what waits and removes what is too old, until the task is cancelled.
    func run() async {
        var lastPrune = -Double.infinity
        while !Task.isCancelled {
            await placeWaiting()
            if abs(now() - lastPrune) >= Self.pruneInterval {
                lastPrune = now()
                await prune()
            }
            // Sleeping ends with an error when the task is cancelled.
            _ = try? await Task.sleep(for: pace)
        }
    }

    /// Returns when all orders have ended, or after a while.
    func finishAll() async {
        isEnding = true
        let tasks = runs.values.compactMap(\.task)
        await withTaskGroup(of: Void.self) { group in
            group.addTask { for task in tasks { await task.value } }
            group.addTask {
                // Sleeping ends with an error when all have ended before.
                guard (try? await Task.sleep(for: Self.endDeadline)) != nil else { return }
                for task in tasks { task.cancel() }
            }
            await group.next()
            group.cancelAll()
        }
        for number in runs.keys { end(number, .failure(CancellationError())) }
    }

    /// Places the runs that wait, in their order, as far as the service takes them.
    private func placeWaiting() async {
        let before = waiting
        defer { tellPlaces(before) }
        while let number = waiting.first {
            guard let run = runs[number], let job = run.job else {
                waiting.removeFirst()
                continue
            }
            guard !isEnding, case .ready = await service.status().state else { return }
            do {
                guard job.model == service.model.id else { throw APIError.otherModel(job.model, service.model.id) }
                let order = try await Self.order(of: job, try await store.input(of: job.id))
                let events = try await service.place(order)
                waiting.removeAll { $0 == number }
                if runs[number] != nil { pump(number, events) }
            } catch is OrderError {
                return
            } catch let error as JobStoreError {
                return logger.error("a job cannot be read", metadata: ["job": "\(job.id)", "reason": "\(error)"])
            } catch {
                waiting.removeAll { $0 == number }
                await fail(number, error)
            }
        }
    }

    /// Tells the followers of runs that wait here their place where it is another than before.
    private func tellPlaces(_ before: [Int]) {
        guard waiting != before else { return }
        for (ahead, number) in waiting.enumerated() where before.firstIndex(of: number) != ahead {
            for follower in (runs[number]?.followers ?? [:]).values { follower.yield(.queued(ahead: ahead)) }
        }
    }

    /// Removes pictures where there may be too many: what has come since it was last looked may have been counted twice.
    private func makeRoom() async {
        if let kept, kept.byteCount + added - kept.seen <= retention.byteCount { return }
        await prune()
    }

    /// Removes what is kept for too long, or too much.
    func prune() async {
        let seen = added
        do {
            let byteCount = try await store.prune(
                before: now() - Double(retention.seconds), byteCount: retention.byteCount)
            kept = (byteCount, seen)
        } catch {
            logger.error("old pictures are not removed", metadata: ["reason": "\(error)"])
        }
    }

    // MARK: What takes time, beside the desk

    /// The picture that an order edits, as files.
    nonisolated static func input(of order: PictureOrder) async throws(PictureError) -> StoredOrder.Input? {
        if order.request.editing == nil { return nil }
        return try await Offload.run { () throws(PictureError) in try StoredOrder.input(of: order) }
    }

    /// The order that a job was accepted with.
    nonisolated static func order(of job: Job, _ input: StoredOrder.Input?) async throws(PictureError) -> PictureOrder {
        try await Offload.run { () throws(PictureError) in try job.order.order(input) }
    }

    /// What is kept of an order's pictures besides their files.
    nonisolated static func outcome(of pictures: PaintedPictures) async -> Job.Outcome {
        let entries = await Offload.run {
            pictures.files.map { file in
                var hash = SHA256()
                hash.update(file)
                return Job.Picture(id: Job.freshID("img_"), byteCount: file.count, hash: hash.hexadecimal())
            }
        }
        return Job.Outcome(
            pictures: entries, width: pictures.width, height: pictures.height, textTokens: pictures.textTokens,
            imageTokens: pictures.imageTokens, paintedTokens: pictures.paintedTokens, warnings: pictures.warnings)
    }
}
