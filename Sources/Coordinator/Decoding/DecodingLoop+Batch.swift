import Tensor

/// One batch on its way through the loop.
struct BatchRun {
    let plan: GenerationPlan
    /// Indices of its pictures in the request.
    let batch: Range<Int>
    /// Its number on the devices.
    var request: UInt64
    let noise: GenerationNoise
    let shape: GenerationShape
    var timer: StepTimer
    /// Where it stands after its last step; nil: at the beginning.
    var state: DecodingState?
}

extension DecodingLoop {
    /// Text, steps and decoder for one batch.
    func decode(
        _ run: inout BatchRun, resuming: DecodingState?, events: @Sendable (GenerationEvent) async -> Void
    ) async throws -> [GeneratedPicture] {
        try Task.checkCancellation()
        _ = try await programs.run(
            .text, run.shape.withoutGrid, request: run.request, inputs: textInputs(run.plan, batch: run.batch))
        var state: DecodingState
        if let resuming { state = resuming } else { state = try await startState(run) }
        while state.nextStep < run.plan.stepCount {
            try Task.checkCancellation()
            let start = now()
            let outputs = try await programs.run(
                run.plan.role(step: state.nextStep, noise: run.noise.step), run.shape, request: run.request,
                inputs: stepInputs(run, state: state))
            state.tokens = try tokens(outputs, "tokens", shape: run.shape)
            state.nextStep += 1
            run.state = state
            run.timer.add(now() - start)
            await events(
                .stepped(
                    StepProgress(
                        done: run.timer.seconds.count, total: run.timer.total, secondsLeft: run.timer.secondsLeft,
                        state: state, outputs: outputs)))
            if let interval = run.plan.request.previewInterval, state.nextStep % interval == 0,
                state.nextStep < run.plan.stepCount
            {
                let sampled = try tokens(outputs, "sampled", shape: run.shape)
                for picture in try await pictures(of: sampled, run: run) {
                    await events(.preview(picture: picture.index, pixels: picture.pixels))
                }
            }
        }
        let pictures = try await pictures(of: state.tokens, run: run)
        for picture in pictures { await events(.finished(picture)) }
        return pictures
    }

    /// The tokens before the first step that is run.
    private func startState(_ run: BatchRun) async throws -> DecodingState {
        let plan = run.plan
        var state = DecodingState(
            firstPicture: run.batch.lowerBound, pictureCount: run.batch.count, nextStep: plan.startStep,
            seed: plan.request.seed, startRatio: 1, tokens: [])
        let hidden = model.maskToken
        switch plan.request.editing {
        case nil:
            state.tokens = [Int32](repeating: hidden, count: run.batch.count * plan.tokenCount)
        case .variation(let image, _):
            let source = try await sourceTokens(image, run: run)
            // The reference hides with the ratio of the step before the first; at full strength it would hide
            // nothing (its index wraps around), here everything is hidden.
            let ratio = plan.schedule.ratio(after: plan.startStep - 1, of: plan.stepCount)
            for picture in run.batch {
                var draws = Philox.uniforms(seed: plan.request.seed, image: picture, count: source.count)
                if case .recorded(let noise) = run.noise, let hiding = noise.hiding { draws = hiding }
                state.tokens += zip(source, draws).map { $1 < ratio ? hidden : $0 }
            }
        case .inpainting(let image, _, _):
            let source = try await sourceTokens(image, run: run)
            let mask = plan.tokenMask ?? []
            let masked = zip(source, mask).map { $1 ? hidden : $0 }
            for _ in run.batch { state.tokens += masked }
            state.startRatio = Float(mask.count { $0 }) / Float(source.count)
        }
        return state
    }

    private func sourceTokens(_ image: HostTensor, run: BatchRun) async throws -> [Int32] {
        let resized = ImageResize.lanczos(image, width: run.plan.width, height: run.plan.height)
        let values = HostTensor(
            resized.bytes.map { Float($0) / 255 }, dims: [1, run.plan.height, run.plan.width, 3])
        let shape = run.shape.single
        let outputs = try await programs.run(.encode, shape, request: run.request, inputs: ["image": values])
        return try tokens(outputs, "tokens", shape: shape)
    }

    private func textInputs(_ plan: GenerationPlan, batch: Range<Int>) -> [String: HostTensor] {
        var prompts = batch.map { plan.request.prompts[$0 / plan.request.picturesPerPrompt] }
        if plan.isGuided {
            prompts = batch.map { _ in plan.request.negativePrompt ?? "" } + prompts
        }
        let encoded = prompts.map { model.encode(prompt: $0) }
        let lead = [plan.isGuided ? 2 : 1, batch.count]
        let micro = plan.request.microConditioning
        let conditions = [
            Float(plan.width), Float(plan.height), Float(micro.cropTop), Float(micro.cropLeft), micro.aestheticScore,
        ]
        return [
            "ids": HostTensor(encoded.flatMap(\.ids), dims: lead + [model.textLength]),
            "eosIndex": HostTensor(encoded.map(\.eosIndex), dims: lead),
            "microConditions": HostTensor(encoded.flatMap { _ in conditions }, dims: lead + [conditions.count]),
        ]
    }

    private func stepInputs(_ run: BatchRun, state: DecodingState) -> [String: HostTensor] {
        let (plan, shape, step) = (run.plan, run.shape, state.nextStep)
        let count = shape.pictures
        let grid = [count, shape.rows, shape.columns]
        let halves = plan.isGuided && !plan.isConditional(step: step) ? 2 : 1
        let maskCounts = state.hiddenCounts(maskToken: model.maskToken).map { hidden in
            Int32(
                plan.schedule.maskCount(
                    after: step, of: plan.stepCount, tokenCount: shape.tokenCount, hiddenCount: hidden,
                    startRatio: state.startRatio))
        }
        var inputs = [
            "tokens": HostTensor(state.tokens, dims: grid),
            "grid": HostTensor(
                halves == 2 ? state.tokens + state.tokens : state.tokens, dims: [halves] + grid),
            "scale": HostTensor([Float](repeating: plan.guidanceScales[step], count: count), dims: [count]),
            "temperature": HostTensor([Float](repeating: plan.temperatures[step], count: count), dims: [count]),
            "maskCount": HostTensor(maskCounts, dims: [count]),
        ]
        switch run.noise {
        case .greedy: break
        case .generated:
            let seed = state.seed
            inputs["rng"] = HostTensor(
                run.batch.flatMap { picture in
                    [
                        Int32(truncatingIfNeeded: seed), Int32(truncatingIfNeeded: seed >> 32), Int32(picture),
                        Int32(step),
                    ]
                }, dims: [count, 4])
        case .recorded(let noise):
            let index = step - plan.startStep
            inputs["expNoise"] = HostTensor(noise.exponential[index], dims: grid + [model.codebookSize])
            let gumbel =
                noise.gumbel.indices.contains(index)
                ? noise.gumbel[index] : [Float](repeating: 0, count: count * shape.tokenCount)
            inputs["gumbel"] = HostTensor(gumbel, dims: grid)
        }
        return inputs
    }

    private func tokens(
        _ outputs: [String: HostTensor], _ name: String, shape: GenerationShape
    ) throws -> [Int32] {
        let dims = [shape.pictures, shape.rows, shape.columns]
        guard let tensor = outputs[name], tensor.dtype == .i32, tensor.dims == dims else {
            throw DecodingLoopError.output(program: "step or encode", name: name, wanted: "i32\(dims)")
        }
        return tensor.integers
    }

    /// Decodes token ids [pictures, rows, columns] of a batch.
    private func pictures(of tokens: [Int32], run: BatchRun) async throws -> [GeneratedPicture] {
        let (plan, shape) = (run.plan, run.shape)
        let outputs = try await programs.run(
            .decode, shape.withoutGuidance, request: run.request,
            inputs: ["tokens": HostTensor(tokens, dims: [shape.pictures, shape.rows, shape.columns])])
        let dims = [shape.pictures, plan.height, plan.width, 3]
        guard let pixels = outputs["pixels"], pixels.dtype == .u8, pixels.dims == dims else {
            throw DecodingLoopError.output(program: "decode", name: "pixels", wanted: "u8\(dims)")
        }
        return run.batch.enumerated().map { row, index in
            GeneratedPicture(
                index: index, prompt: plan.request.prompts[index / plan.request.picturesPerPrompt],
                tokens: HostTensor(
                    Array(tokens[(row * shape.tokenCount)..<((row + 1) * shape.tokenCount)]),
                    dims: [shape.rows, shape.columns]),
                pixels: pixels.row(row), unclipped: outputs["image"].map { $0.row(row) })
        }
    }
}

extension GenerationShape {
    /// The same without a grid: how text programs are keyed.
    var withoutGrid: GenerationShape {
        GenerationShape(pictures: pictures, isGuided: isGuided, rows: 0, columns: 0)
    }

    /// The same without guidance: how decoder programs are keyed.
    var withoutGuidance: GenerationShape {
        GenerationShape(pictures: pictures, isGuided: false, rows: rows, columns: columns)
    }

    /// The same for one picture: how encoder programs are keyed.
    var single: GenerationShape {
        GenerationShape(pictures: 1, isGuided: false, rows: rows, columns: columns)
    }
}

extension HostTensor {
    /// One element along the first dimension.
    fileprivate func row(_ index: Int) -> HostTensor {
        let count = bytes.count / dims[0]
        return HostTensor(
            dtype: dtype, dims: Array(dims.dropFirst()), bytes: Array(bytes[(index * count)..<((index + 1) * count)]))
    }
}
