import Models
import Program
import Tensor

/// What the programs of a generation are given.
enum StepInputs {
    /// The tokens of a picture before the first step that is run.
    ///
    /// - Parameter source: tokens of the picture that is edited.
    static func start(
        _ plan: GenerationPlan, noise: GenerationNoise, picture: Int, source: [Int32], maskToken: Int32
    ) -> DecodingState {
        var state = DecodingState(
            picture: picture, nextStep: plan.startStep, seed: plan.request.seed, startRatio: 1, tokens: [])
        switch plan.request.editing {
        case nil:
            state.tokens = [Int32](repeating: maskToken, count: plan.tokenCount)
        case .variation:
            // The reference hides with the ratio of the step before the first; at full strength it would hide
            // nothing (its index wraps around), here everything is hidden.
            let ratio = plan.schedule.ratio(after: plan.startStep - 1, of: plan.stepCount)
            var draws = uniforms(seed: plan.request.seed, image: picture, count: source.count)
            if case .recorded(let noise) = noise, let hiding = noise.hiding { draws = hiding }
            state.tokens = zip(source, draws).map { $1 < ratio ? maskToken : $0 }
        case .inpainting:
            let mask = plan.tokenMask ?? []
            state.tokens = zip(source, mask).map { $1 ? maskToken : $0 }
            state.startRatio = Float(mask.count { $0 }) / Float(source.count)
        }
        return state
    }

    /// A number in [0, 1) for each token of a picture, before its first step.
    ///
    /// The counter's last word is the step; its largest value is used by nothing else.
    private static func uniforms(seed: UInt64, image: Int, count: Int) -> [Float] {
        let key = SIMD2(UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32))
        return (0..<count).map { position in
            let counter = SIMD4<UInt32>(UInt32(position), 0, UInt32(truncatingIfNeeded: image), .max)
            return Float(Philox.words(counter: counter, key: key)[0] >> 8) * 0x1p-24
        }
    }

    /// Inputs of the text program for one prompt of a request.
    static func text(_ plan: GenerationPlan, prompt: Int, model: any ImageModel) -> [String: HostTensor] {
        let guidance = plan.isGuided ? [plan.request.negativePrompt ?? ""] : []
        let encoded = (guidance + [plan.request.prompts[prompt]]).map { model.encode(prompt: $0) }
        let lead = [encoded.count, 1]
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

    /// Inputs of the encoder for the picture that a request edits.
    static func source(_ plan: GenerationPlan, image: HostTensor) -> [String: HostTensor] {
        let resized = ImageResize.lanczos(image, width: plan.width, height: plan.height)
        let values = resized.bytes.map { Float($0) / 255 }
        return ["image": HostTensor(values, dims: [1, plan.height, plan.width, 3])]
    }

    /// Inputs of a step: every picture's own.
    static func step(_ group: StepGroup, _ pictures: [ScheduledPicture], model: any ImageModel) -> [String: HostTensor]
    {
        var tokens: [Int32] = []
        var counts: [Int32] = []
        var keys: [Int32] = []
        var (scales, temperatures): ([Float], [Float]) = ([], [])
        var (exponential, gumbel): ([Float], [Float]) = ([], [])
        for picture in pictures {
            guard let state = picture.state else { preconditionFailure("a picture that steps has a state") }
            let (plan, step) = (picture.order.plan, state.nextStep)
            tokens += state.tokens
            scales.append(plan.guidanceScales[step])
            temperatures.append(plan.temperatures[step])
            counts.append(
                Int32(
                    plan.schedule.maskCount(
                        after: step, of: plan.stepCount, tokenCount: plan.tokenCount,
                        hiddenCount: state.hiddenCount(maskToken: model.maskToken), startRatio: state.startRatio)))
            switch picture.order.noise {
            case .greedy: break
            case .generated:
                let seed = state.seed
                keys += [Int32(truncatingIfNeeded: seed), Int32(truncatingIfNeeded: seed >> 32)]
                keys += [Int32(picture.index), Int32(step)]
            case .recorded(let noise):
                let (index, count) = (step - plan.startStep, plan.tokenCount)
                let codes = count * model.codebookSize
                exponential += noise.exponential[index][(picture.index * codes)..<((picture.index + 1) * codes)]
                gumbel +=
                    noise.gumbel.indices.contains(index)
                    ? Array(noise.gumbel[index][(picture.index * count)..<((picture.index + 1) * count)])
                    : [Float](repeating: 0, count: count)
            }
        }
        let count = pictures.count
        let grid = [count, group.rows, group.columns]
        let halves = group.isGuided && !group.isConditional ? 2 : 1
        return [
            "tokens": HostTensor(tokens, dims: grid),
            "grid": HostTensor(halves == 2 ? tokens + tokens : tokens, dims: [halves] + grid),
            "scale": HostTensor(scales, dims: [count]), "temperature": HostTensor(temperatures, dims: [count]),
            "maskCount": HostTensor(counts, dims: [count]),
        ].merging(
            noise(group, keys: keys, exponential: exponential, gumbel: gumbel, grid: grid, codes: model.codebookSize)
        ) { $1 }
    }

    private static func noise(
        _ group: StepGroup, keys: [Int32], exponential: [Float], gumbel: [Float], grid: [Int], codes: Int
    ) -> [String: HostTensor] {
        switch group.noise {
        case .none: [:]
        case .generated: ["rng": HostTensor(keys, dims: [grid[0], 4])]
        case .given:
            [
                "expNoise": HostTensor(exponential, dims: grid + [codes]), "gumbel": HostTensor(gumbel, dims: grid),
            ]
        }
    }
}
