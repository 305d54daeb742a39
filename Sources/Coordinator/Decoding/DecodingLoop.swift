import Models
import Tensor

/// Parallel decoding (MaskGIT, §3.2) of one model on one runner: prompt in, pictures out.
///
/// Requests may be made side by side: a ``DecodingScheduler`` decodes their pictures together, step by step. It holds the
/// only state of a generation, a ``DecodingState`` a picture; the devices hold what `text` left.
public struct DecodingLoop: Sendable {
    /// The model.
    public let model: any ImageModel
    /// Where its programs run.
    public let runner: any ProgramRunner
    /// Most pictures that are decoded together.
    public let batchLimit: Int

    private let scheduler: DecodingScheduler
    private let programs: InstalledPrograms

    /// Makes a loop.
    ///
    /// - Parameters:
    ///   - requests: shared by all that use the runner.
    ///   - batchLimit: most pictures in one call.
    ///   - slots: most pictures that have been begun and are not done; nil: twice the batch limit.
    ///   - programLimit: programs that stay installed; those used least recently go when requests of other sizes come.
    ///   - now: time since some fixed moment.
    ///   - observe: told of every call that has ended.
    public init(
        model: any ImageModel, runner: any ProgramRunner, requests: RequestIdentifiers,
        batchLimit: Int = Self.defaultBatchLimit, slots: Int? = nil,
        programLimit: Int = Self.defaultProgramLimit, now: (@Sendable () -> Duration)? = nil,
        observe: @escaping @Sendable (SchedulerReport) -> Void = { _ in }
    ) {
        precondition(batchLimit >= 1, "a batch has at least one picture")
        self.model = model
        self.runner = runner
        self.batchLimit = batchLimit
        programs = InstalledPrograms(model: model, runner: runner, limit: programLimit)
        let start = ContinuousClock.now
        scheduler = DecodingScheduler(
            model: model, runner: runner, programs: programs, requests: requests, batchLimit: batchLimit,
            slotCount: slots ?? 2 * batchLimit, now: now ?? { ContinuousClock.now - start }, observe: observe)
    }

    /// Most pictures in one call, unless it is said otherwise.
    public static let defaultBatchLimit = 8

    /// Programs that stay installed, unless it is said otherwise: a dozen sizes of picture with their batch sizes.
    public static let defaultProgramLimit = 64

    /// Builds and installs the programs that a request needs when it is alone, without running them.
    ///
    /// - Parameters:
    ///   - sizes: further batch sizes, for requests side by side; others are installed when they are wanted.
    ///   - progress: told how far loading is.
    /// - Throws: ``GenerationRequestError`` and what the runner throws.
    public func prepare(
        _ request: GenerationRequest, noise: GenerationNoise = .generated, sizes: [Int] = [],
        progress: @escaping @Sendable (LoadingProgress) -> Void = { _ in }
    ) async throws {
        let plan = try GenerationPlan(request, for: model)
        try await programs.install(
            plan.programs(noise: noise.step, batchLimit: batchLimit, sizes: sizes), progress: progress)
    }

    /// Serves a request.
    ///
    /// - Parameters:
    ///   - noise: where randomness comes from.
    ///   - terms: whose it is, and how much it presses.
    ///   - states: where its pictures go on, from an earlier ``StepProgress``; those without one begin at the start.
    ///   - events: called in order; other requests do not wait for it.
    ///
    /// Throws ``GenerationRequestError``, ``DecodingLoopError``, ``DeadlineError``, `CancellationError` between steps, and
    /// what the runner throws. Whatever happens, nothing stays on the devices.
    public func generate(
        _ request: GenerationRequest, noise: GenerationNoise = .generated, terms: ServiceTerms = ServiceTerms(),
        resuming states: [DecodingState] = [], events: @Sendable (GenerationEvent) async -> Void = { _ in }
    ) async throws -> GenerationResult {
        let plan = try GenerationPlan(request, for: model)
        if case .recorded(let recorded) = noise { try recorded.check(plan, codebookSize: model.codebookSize) }
        for state in states { try state.check(plan) }
        await reportCuts(request, plan: plan, events: events)
        try Task.checkCancellation()
        let (number, stream) = await scheduler.submit(plan, noise: noise, terms: terms, states: states)
        var pictures: [GeneratedPicture] = []
        var seconds: [Double] = []
        try await withTaskCancellationHandler {
            for try await event in stream {
                switch event {
                case .finished(let picture): pictures.append(picture)
                case .stepped(let progress): seconds.append(progress.seconds)
                case .admitted, .promptCut, .preview: break
                }
                await events(event)
            }
            // The stream of a task that is cancelled ends at once; its slots are free a little later.
            if Task.isCancelled {
                await scheduler.withdraw(number)
                throw CancellationError()
            }
        } onCancel: {
            Task { await scheduler.withdraw(number) }
        }
        return GenerationResult(plan: plan, pictures: pictures.sorted { $0.index < $1.index }, stepSeconds: seconds)
    }

    /// How many pictures wait, are being made, and where they stand.
    public var status: SchedulerStatus { get async { await scheduler.status } }

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

extension GenerationPlan {
    /// The shape of the programs of its steps.
    func shape(pictures: Int) -> GenerationShape {
        GenerationShape(pictures: pictures, isGuided: isGuided, rows: rows, columns: columns)
    }

    /// All programs of a request that is alone: for whole batches, for what is left, and for single pictures.
    func programs(noise: SamplingNoise, batchLimit: Int, sizes: [Int] = []) -> [InstalledPrograms.Slot] {
        let own = [min(pictureCount, batchLimit), pictureCount % batchLimit, 1]
        let sizes = Set(own + sizes).filter { $0 > 0 && $0 <= batchLimit }.sorted()
        var slots: [InstalledPrograms.Slot] = [.init(role: .text, shape: shape(pictures: 1).shape(of: .text))]
        for size in sizes {
            let shape = shape(pictures: size)
            for step in startStep..<stepCount {
                let slot = InstalledPrograms.Slot(role: role(step: step, noise: noise), shape: shape)
                if !slots.contains(slot) { slots.append(slot) }
            }
            slots.append(.init(role: .decode, shape: shape.shape(of: .decode)))
        }
        if request.editing != nil {
            slots.append(.init(role: .encode, shape: shape(pictures: 1).shape(of: .encode)))
        }
        return slots
    }
}
