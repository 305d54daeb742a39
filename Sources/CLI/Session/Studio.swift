import Coordinator
import Models
import Program
import Protocol
import Runtime
import Server
import Synchronization
import Tensor

/// Makes pictures on a running cluster: an order comes in, PNG files with their records go out.
final class Studio: Sendable {
    private let configuration: ClusterConfiguration
    private let model: any LoadedImageModel
    private let sources: [String: ParameterSource]
    private let environment: ReproducibilityRecord.Environment
    private let progress: Progress
    private let metrics: Metrics?
    private let calls: (@Sendable (CallSpan) -> Void)?
    private let loop = Mutex<DecodingLoop?>(nil)

    /// Fingerprint of the model, which all members of the cluster must agree on.
    var modelHash: String { model.loaded.identity }

    /// Opens the configuration's model and compiles it for the mesh; weights are not read.
    ///
    /// Throws `CheckpointError`, `ModelError`, `TokenizerError`, and `ShardingError` before any worker has started.
    ///
    /// - Parameters:
    ///   - metrics: where calls are counted.
    ///   - calls: told of every call that has ended well.
    init(
        configuration: ClusterConfiguration, progress: Progress, metrics: Metrics? = nil,
        calls: (@Sendable (CallSpan) -> Void)? = nil
    ) throws {
        self.configuration = configuration
        self.progress = progress
        self.metrics = metrics
        self.calls = calls
        model = try ModelLoader.load(configuration.model)
        _ = try configuration.plan(of: model)
        sources = try model.loaded.sources()
        environment = ReproducibilityRecord.Environment(
            version: ProtocolVersion.build, model: model.loaded.name, modelHash: model.loaded.identity,
            dtype: configuration.model.dtype.rawValue, instructionSet: InstructionSet.current,
            mesh: configuration.mesh.axes.map { "\($0.name)=\($0.size)" }.joined(separator: ","),
            partialSums: configuration.partialSumsThatShow)
    }

    /// The mesh.
    var mesh: [ClusterSnapshot.Axis] { configuration.mesh.axes.map { .init(name: $0.name, size: $0.size) } }

    /// What a request gets that leaves things open, and the sizes that there are.
    var facts: ClusterSnapshot.Model {
        let (defaults, generation) = (model.defaults, configuration.generation)
        return ClusterSnapshot.Model(
            width: defaults.width, height: defaults.height, sizeMultiple: model.sizeMultiple,
            pixelLimit: model.tokenLimit * model.pixelsPerToken * model.pixelsPerToken,
            steps: generation.steps ?? defaults.steps,
            guidanceScale: Double(generation.guidanceScale ?? defaults.guidanceScale),
            temperature: Double(generation.temperature ?? defaults.temperature.first))
    }

    /// How the pictures of a cluster's requests stand.
    func status(on cluster: Cluster) async -> SchedulerStatus { await loop(on: cluster).status }

    /// Name of the model.
    var modelName: String { model.loaded.name }

    /// Finds what is wrong with an order before a cluster starts for it.
    ///
    /// Throws as ``make(_:on:progress:)``.
    func check(_ order: Generate) throws { _ = try plan(of: try request(order)) }

    /// What a request means, with all defaults filled in.
    ///
    /// Throws ``GenerationRequestError``.
    func plan(of request: GenerationRequest) throws(GenerationRequestError) -> GenerationPlan {
        var request = request
        configuration.generation.complete(&request)
        return try GenerationPlan(request, for: model)
    }

    /// Loads what pictures of the model's own size and settings need.
    ///
    /// - Parameter tell: told how far loading is, besides the terminal.
    func prepare(
        on cluster: Cluster, pictures: Int, tell: @escaping @Sendable (LoadingProgress) -> Void = { _ in }
    ) async throws {
        var request = GenerationRequest(prompt: "")
        configuration.generation.complete(&request)
        request.picturesPerPrompt = pictures
        let progress = progress
        try await loop(on: cluster).prepare(request) {
            progress.loaded($0)
            tell($0)
        }
        progress.finish()
    }

    /// Serves an order: loads what is missing first, then paints.
    ///
    /// - Parameter progress: told how much is loaded, in bytes over all workers, then the steps.
    ///
    /// Throws ``GenerationRequestError``, `PictureError` and what the cluster throws.
    func make(
        _ order: Generate, on cluster: Cluster, progress: @escaping @Sendable (JobProgress) async -> Void
    ) async throws -> Pictures {
        let pictures = try await paint(plan(of: try request(order)).request, on: cluster) { event in
            if let report = JobProgress(event, job: order.job) { await progress(report) }
        } admitted: {
        }
        return Pictures(job: order.job, files: pictures.files, warnings: pictures.warnings)
    }

    /// Makes the pictures of a plan's request.
    ///
    /// - Parameters:
    ///   - format: what pictures and previews are written as.
    ///   - tell: gets what happens meanwhile.
    ///   - admitted: the request waits no more.
    ///
    /// Throws ``GenerationRequestError``, ``DeadlineError``, `PictureError` and what the cluster throws.
    func paint(
        _ request: GenerationRequest, terms: ServiceTerms = ServiceTerms(), format: PictureFormat = .png,
        on cluster: Cluster,
        tell: @escaping @Sendable (PaintingEvent) async -> Void, admitted: @escaping @Sendable () async -> Void
    ) async throws -> PaintedPictures {
        let loop = loop(on: cluster)
        try await load(request, loop) { loaded in
            await tell(.loading(done: loaded.loadedByteCount, total: loaded.byteCount))
        }
        let warnings = Warnings()
        let result = try await loop.generate(request, terms: terms) { event in
            switch event {
            case .admitted: await admitted()
            case .promptCut(let prompt, let tokens):
                await warnings.add(
                    "the prompt '\(prompt.prefix(30))…' is too long: its last \(tokens) tokens are left out")
            case .stepped(let step):
                await tell(.stepped(done: step.done, total: step.total, secondsLeft: step.secondsLeft))
            case .preview(let picture, let pixels):
                // A preview that cannot be written is no reason to give the picture up.
                if let file = try? await Offload.run({ () throws(PictureError) in try format.encode(pixels) }) {
                    await tell(.preview(picture: picture, file: file))
                }
            case .finished: break
            }
        }
        let (plan, environment) = (result.plan, environment)
        let files = try await Offload.run {
            try result.pictures.map { picture in
                let record = ReproducibilityRecord(plan: plan, picture: picture, environment: environment)
                return try format.encode(picture.pixels, texts: record.texts)
            }
        }
        let texts = request.prompts + (plan.isGuided ? request.negativePrompt.map { [$0] } ?? [] : [])
        return PaintedPictures(
            files: files, width: plan.width, height: plan.height, seed: request.seed,
            textTokens: texts.reduce(0) { $0 + Int(model.encode(prompt: $1).eosIndex) + 1 },
            imageTokens: request.editing == nil ? 0 : plan.tokenCount,
            paintedTokens: plan.tokenCount * files.count, warnings: await warnings.all)
    }

    /// Installs all programs of a request; each worker's bytes show here, their sum goes to `tell`.
    private func load(
        _ request: GenerationRequest, _ loop: DecodingLoop,
        tell: @escaping @Sendable (LoadingProgress) async -> Void
    ) async throws {
        let progress = progress
        let (reports, continuation) = AsyncStream.makeStream(
            of: LoadingProgress.self, bufferingPolicy: .bufferingNewest(1))
        try await withThrowingTaskGroup(of: Void.self) { group in
            group.addTask {
                defer { continuation.finish() }
                try await loop.prepare(request) { report in
                    progress.loaded(report)
                    continuation.yield(report)
                }
            }
            for await report in reports { await tell(report) }
            try await group.waitForAll()
        }
        progress.finish()
    }

    /// The loop, which remembers what is installed; a studio works for one cluster all its life.
    private func loop(on cluster: Cluster) -> DecodingLoop {
        loop.withLock { loop in
            if let loop { return loop }
            let runner = ClusterRunner(
                cluster: cluster, configuration: configuration, sources: sources, observe: calls)
            let metrics = metrics
            let made = DecodingLoop(
                model: model, runner: runner, requests: RequestIdentifiers(),
                batchLimit: configuration.server.batchLimit, slots: configuration.server.slotCount,
                observe: { metrics?.record($0) })
            loop = made
            return made
        }
    }

    /// The order as the decoding loop takes it; decodes its pictures.
    ///
    /// Throws `PictureError`.
    func request(_ order: Generate) throws -> GenerationRequest {
        var request = GenerationRequest(prompt: order.prompt, seed: order.seed)
        request.negativePrompt = order.negativePrompt.isEmpty ? nil : order.negativePrompt
        request.picturesPerPrompt = order.count
        request.steps = order.steps == 0 ? nil : order.steps
        request.width = order.width == 0 ? nil : order.width
        request.height = order.height == 0 ? nil : order.height
        request.guidanceScale = order.guidanceScale.map { Float($0) }
        request.temperature = order.temperatureStart.map { start in
            order.temperatureEnd.map { TemperatureRange(from: Float(start), to: Float($0)) }
                ?? TemperatureRange(Float(start))
        }
        guard !order.image.isEmpty else { return request }
        let image = try DecodedPicture(file: order.image).rgb
        if order.mask.isEmpty {
            request.editing = .variation(image: image, strength: order.strength ?? 0.5)
        } else {
            let mask = ImageResize.luma(try DecodedPicture(file: order.mask).rgb)
            request.editing = .inpainting(image: image, mask: mask, strength: order.strength ?? 1)
        }
        return request
    }

    /// What the user should know, gathered while an order is served.
    private actor Warnings {
        private(set) var all: [String] = []
        func add(_ warning: String) { all.append(warning) }
    }
}

extension JobProgress {
    /// What a client of the cluster is told of an event; nil: nothing.
    init?(_ event: PaintingEvent, job: UInt64) {
        switch event {
        case .queued(let ahead): self.init(job: job, phase: Self.queuedPhase, done: 0, total: ahead)
        case .loading(let done, let total): self.init(job: job, phase: Self.loadPhase, done: done, total: total)
        case .stepped(let done, let total, let secondsLeft):
            self.init(
                job: job, phase: Self.stepPhase, done: done, total: total, timeLeft: .seconds(secondsLeft))
        case .preview, .finished: return nil
        }
    }
}
