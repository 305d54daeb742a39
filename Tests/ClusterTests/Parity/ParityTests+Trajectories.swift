import Coordinator
import Synchronization
import Tensor

extension ParityTests.Bench {
    /// A whole recorded run of a pipeline, with the recorded noise in place of the generator.
    func trajectory(_ name: String) async throws {
        guard let recorded = fixture.info.trajectories[name] else { return }
        let prefix = "traj/\(name)"
        let request = try request(name, recorded)
        let stepCount = recorded.timesteps.count
        let noise: GenerationNoise
        if fixture.has("\(prefix)/step0/exp_noise") {
            noise = .recorded(
                RecordedNoise(
                    exponential: try (0..<stepCount).map { try fixture.tensor("\(prefix)/step\($0)/exp_noise").floats },
                    gumbel: try (0..<stepCount).filter { fixture.has("\(prefix)/step\($0)/mask_gumbel") }.map {
                        try fixture.tensor("\(prefix)/step\($0)/mask_gumbel").floats
                    },
                    hiding: fixture.has("\(prefix)/add_noise_uniform")
                        ? try fixture.tensor("\(prefix)/add_noise_uniform").floats : nil))
        } else {
            noise = .greedy
        }
        let steps = Mutex<[StepProgress]>([])
        let loop = DecodingLoop(model: image, runner: cluster, requests: RequestIdentifiers())
        let result = try await loop.generate(request, noise: noise) { event in
            if case .stepped(let progress) = event { steps.withLock { $0.append(progress) } }
        }
        let seen = steps.withLock { $0 }
        score.exact("\(prefix): number of steps", [Int32(seen.count)], [Int32(stepCount)])
        for (index, progress) in seen.enumerated() where index < stepCount {
            let step = "\(prefix)/step\(index)"
            score.exact(
                "\(step)/output", progress.states.flatMap(\.tokens), try fixture.tensor("\(step)/output").integers)
            score.exact(
                "\(step)/sampled", progress.outputs["sampled"]?.integers ?? [],
                try fixture.tensor("\(step)/pred_original_sample").integers)
            guard fixture.has("\(step)/logits") else { continue }
            score.compare(
                "\(step)/logits", progress.outputs["logits"], try fixture.channelsLast("\(step)/logits"),
                tolerance: index == 0 ? ParityTests.passTolerance : ParityTests.laterTolerance)
        }
        score.pixels(
            "\(prefix)/image_u8", result.pictures.flatMap(\.pixels.bytes),
            try fixture.tensor("\(prefix)/image_u8").bytes)
        if fixture.has("\(prefix)/image"), let unclipped = result.pictures.first?.unclipped {
            let clipped = HostTensor(unclipped.floats.map { min(1, max(0, $0)) }, dims: unclipped.dims)
            score.compare(
                "\(prefix)/image", clipped, try fixture.channelsLast("\(prefix)/image"),
                tolerance: ParityTests.passTolerance)
        }
    }

    private func request(
        _ name: String, _ recorded: ReferenceFixture.Trajectory
    ) throws -> GenerationRequest {
        let pictures = try fixture.tensor("traj/\(name)/image_u8").dims[0]
        var request =
            recorded.prompt.map { GenerationRequest(prompt: $0) }
            ?? GenerationRequest(prompts: Array(fixture.info.prompts.prefix(pictures)))
        request.negativePrompt = recorded.negative_prompt
        request.steps = recorded.steps ?? recorded.num_inference_steps
        request.guidanceScale = recorded.guidance_scale
        request.temperature =
            switch recorded.temperature {
            case .scalar(let value): TemperatureRange(from: value, to: 0.01)
            case .range(let from, let to): TemperatureRange(from: from, to: to)
            }
        let size = try fixture.tensor("traj/\(name)/image_u8").dims
        (request.height, request.width) = (size[1], size[2])
        if let score = recorded.micro_conditioning_aesthetic_score {
            request.microConditioning.aestheticScore = score
        }
        if let crop = recorded.micro_conditioning_crop_coord {
            (request.microConditioning.cropTop, request.microConditioning.cropLeft) = (crop[0], crop[1])
        }
        guard let strength = recorded.strength else { return request }
        let picture = try fixture.channelsLast("traj/edit/source_image_u8")
        let source = HostTensor(dtype: .u8, dims: Array(picture.dims.dropFirst()), bytes: picture.bytes)
        if name == "inpaint" {
            let mask = try fixture.tensor("traj/inpaint/token_mask")
            let scale = source.dims[0] / mask.dims[0]
            let (height, width) = (source.dims[0], source.dims[1])
            var bytes = [UInt8](repeating: 0, count: height * width)
            for y in 0..<height {
                for x in 0..<width where mask.bytes[y / scale * mask.dims[1] + x / scale] != 0 {
                    bytes[y * width + x] = 255
                }
            }
            request.editing = .inpainting(
                image: source, mask: HostTensor(dtype: .u8, dims: [height, width], bytes: bytes), strength: strength)
        } else {
            request.editing = .variation(image: source, strength: strength)
        }
        return request
    }
}
