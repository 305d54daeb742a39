import Models
import Tensor

/// Parallel decoding (MaskGIT, §3.2) of one model on one runner: prompt in, pictures out.
///
/// The loop holds the only state of a generation, a ``DecodingState``; the devices hold what `text` left. Requests may
/// run side by side.
public struct DecodingLoop: Sendable {
    /// The model.
    public let model: any ImageModel
    /// Where its programs run.
    public let runner: any ProgramRunner
    /// Most pictures that are decoded together; more are decoded batch after batch.
    public let batchLimit: Int

    private let requests: RequestIdentifiers
    let programs: InstalledPrograms
    let now: @Sendable () -> Duration

    /// Makes a loop.
    ///
    /// - Parameters:
    ///   - requests: shared by all that use the runner.
    ///   - now: time since some fixed moment, for the estimates.
    public init(
        model: any ImageModel, runner: any ProgramRunner, requests: RequestIdentifiers, batchLimit: Int = 8,
        now: (@Sendable () -> Duration)? = nil
    ) {
        precondition(batchLimit >= 1, "a batch has at least one picture")
        self.model = model
        self.runner = runner
        self.requests = requests
        self.batchLimit = batchLimit
        programs = InstalledPrograms(model: model, runner: runner)
        let start = ContinuousClock.now
        self.now = now ?? { ContinuousClock.now - start }
    }

    /// Builds and installs the programs that a request needs, without running them.
    ///
    /// - Parameter progress: told how far loading is.
    /// - Throws: ``GenerationRequestError`` and what the runner throws.
    public func prepare(
        _ request: GenerationRequest, noise: GenerationNoise = .generated,
        progress: @escaping @Sendable (LoadingProgress) -> Void = { _ in }
    ) async throws {
        let plan = try GenerationPlan(request, for: model)
        try await prepare(plan, batches: batches(of: plan, from: 0), noise: noise, progress: progress)
    }

    /// All programs of a request, before the first of them runs.
    private func prepare(
        _ plan: GenerationPlan, batches: [Range<Int>], noise: GenerationNoise,
        progress: @escaping @Sendable (LoadingProgress) -> Void = { _ in }
    ) async throws {
        let slots = batches.flatMap { batch in
            let shape = shape(plan, pictures: batch.count)
            var slots: [InstalledPrograms.Slot] = [
                .init(role: .text, shape: shape.withoutGrid)
            ]
            for step in plan.startStep..<plan.stepCount {
                let slot = InstalledPrograms.Slot(role: plan.role(step: step, noise: noise.step), shape: shape)
                if !slots.contains(slot) { slots.append(slot) }
            }
            slots.append(.init(role: .decode, shape: shape.withoutGuidance))
            if plan.request.editing != nil { slots.append(.init(role: .encode, shape: shape.single)) }
            return slots
        }
        try await programs.install(slots, progress: progress)
    }

    /// Serves a request.
    ///
    /// - Parameters:
    ///   - noise: where randomness comes from.
    ///   - state: where to go on, from an earlier ``StepProgress``; pictures before its batch are left out.
    ///   - events: called in order; the loop waits for it.
    ///
    /// Throws ``GenerationRequestError``, ``DecodingLoopError``, `CancellationError` between steps, and what the runner
    /// throws. Whatever happens, nothing stays on the devices.
    public func generate(
        _ request: GenerationRequest, noise: GenerationNoise = .generated, resuming state: DecodingState? = nil,
        events: @Sendable (GenerationEvent) async -> Void = { _ in }
    ) async throws -> GenerationResult {
        let plan = try GenerationPlan(request, for: model)
        if case .recorded(let recorded) = noise { try recorded.check(plan, codebookSize: model.codebookSize) }
        try state?.check(plan)
        let first = state?.firstPicture ?? 0
        let batches =
            noise.step == .given ? [first..<plan.pictureCount] : self.batches(of: plan, from: first, state: state)
        var timer = StepTimer(total: 0)
        for (index, _) in batches.enumerated() {
            let resumed = index == 0 ? state?.nextStep : nil
            timer.total += plan.stepCount - (resumed ?? plan.startStep)
        }
        await reportCuts(request, plan: plan, events: events)
        try await prepare(plan, batches: batches, noise: noise)
        var pictures: [GeneratedPicture] = []
        for (index, batch) in batches.enumerated() {
            var run = BatchRun(
                plan: plan, batch: batch, request: requests.next(), noise: noise,
                shape: shape(plan, pictures: batch.count), timer: timer)
            run.state = index == 0 ? state : nil
            while true {
                let reached = run.state
                do {
                    pictures += try await decode(&run, resuming: reached, events: events)
                } catch ClusterError.interrupted {
                    // A device was lost, and with it what text left: on from the last step, under a new number.
                    await runner.release(request: run.request)
                    run.request = requests.next()
                    continue
                } catch {
                    await runner.release(request: run.request)
                    throw error
                }
                break
            }
            await runner.release(request: run.request)
            timer = run.timer
        }
        return GenerationResult(plan: plan, pictures: pictures, stepSeconds: timer.seconds)
    }

    private func batches(of plan: GenerationPlan, from first: Int, state: DecodingState? = nil) -> [Range<Int>] {
        var batches: [Range<Int>] = []
        var start = first
        if let state {
            batches.append(start..<(start + state.pictureCount))
            start += state.pictureCount
        }
        while start < plan.pictureCount {
            batches.append(start..<min(plan.pictureCount, start + batchLimit))
            start += batchLimit
        }
        return batches
    }

    private func shape(_ plan: GenerationPlan, pictures: Int) -> GenerationShape {
        GenerationShape(pictures: pictures, isGuided: plan.isGuided, rows: plan.rows, columns: plan.columns)
    }

    private func reportCuts(
        _ request: GenerationRequest, plan: GenerationPlan, events: @Sendable (GenerationEvent) async -> Void
    ) async {
        let negative = plan.isGuided ? request.negativePrompt.map { [$0] } ?? [] : []
        for prompt in request.prompts + negative {
            let cut = model.encode(prompt: prompt).cutCount
            if cut > 0 { await events(.promptCut(prompt: prompt, tokens: cut)) }
        }
    }
}
