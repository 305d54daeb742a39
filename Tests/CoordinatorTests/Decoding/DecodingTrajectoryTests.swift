import Coordinator
import Foundation
import Tensor
import Testing

/// The loop on the reference's recorded runs: what it asks of every step, given what the reference answered.
@Suite struct DecodingTrajectoryTests {
    struct Info: Decodable {
        struct Preset: Decodable {
            struct Part: Decodable {
                var block_out_channels: [Int]?
            }
            struct Transformer: Decodable {
                var codebook_size: Int
            }
            var guidance: Float
            var vq: Part
            var uvit: Transformer
        }
        struct Trajectory: Decodable {
            var guidance_scale: Float
            var masked_after_step: [[Int]?]
        }
        var preset: Preset
        var prompts: [String]
        var mask_token_id: Int32
        var trajectories: [String: Trajectory]
    }

    struct Run: Sendable {
        let fixture: Fixture
        let name: String
    }

    static let runs: [Run] = Fixture.all.flatMap { fixture in
        ["greedy", "seeded", "nonsquare_negative", "no_guidance", "inpaint", "img2img"].map {
            Run(fixture: fixture, name: $0)
        }
    }

    /// A picture [1, 3, H, W] with channels last.
    private func channelsLast(_ tensor: HostTensor) -> HostTensor {
        let (height, width) = (tensor.dims[2], tensor.dims[3])
        let bytes = (0..<(height * width)).flatMap { pixel in
            (0..<3).map { tensor.bytes[$0 * height * width + pixel] }
        }
        return HostTensor(dtype: .u8, dims: [height, width, 3], bytes: bytes)
    }

    private func request(
        _ run: Run, info: Info, tensors: [String: HostTensor], pixels: Int
    ) throws -> GenerationRequest {
        let trajectory = try #require(info.trajectories[run.name])
        let grid = try #require(tensors["traj/\(run.name)/step0/input"]).dims
        var request = GenerationRequest(prompt: info.prompts[1])
        request.steps = trajectory.masked_after_step.count
        request.guidanceScale = trajectory.guidance_scale
        request.temperature = TemperatureRange(from: 2, to: 0)
        (request.height, request.width) = (grid[1] * pixels, grid[2] * pixels)
        switch run.name {
        case "greedy":
            request.prompts = Array(info.prompts.prefix(2))
            request.temperature = TemperatureRange(from: 0, to: 0)
        case "seeded": request.prompts = Array(info.prompts.prefix(2))
        case "nonsquare_negative":
            request.negativePrompt = "blurry, dark"
            request.temperature = TemperatureRange(from: 1.5, to: 0.25)
            request.microConditioning = .init(cropTop: 8, cropLeft: 24, aestheticScore: 5)
        case "no_guidance": request.temperature = TemperatureRange(1)
        default:
            (request.height, request.width) = (nil, nil)
            let image = channelsLast(try #require(tensors["traj/edit/source_image_u8"]))
            if run.name == "img2img" {
                request.steps = 6
                request.editing = .variation(image: image, strength: 0.5)
            } else {
                let mask = try #require(tensors["traj/inpaint/token_mask"])
                var bytes: [UInt8] = []
                for y in 0..<(grid[1] * pixels) {
                    for x in 0..<(grid[2] * pixels) {
                        let token: Int = y / pixels * grid[2] + x / pixels
                        bytes.append(mask.bytes[token] == 0 ? 0 : 255)
                    }
                }
                let picture = HostTensor(dtype: .u8, dims: [grid[1] * pixels, grid[2] * pixels], bytes: bytes)
                request.editing = .inpainting(image: image, mask: picture, strength: 1)
            }
        }
        return request
    }

    /// Compares what a step was asked with the record, and answers as the record does.
    private static func answerStep(
        _ step: Int, of steps: Int, inputs: [String: HostTensor], prefix: String, tensors: [String: HostTensor],
        codebook: Int, maskToken: Int32
    ) throws -> [String: HostTensor] {
        let output = try #require(tensors["\(prefix)/step\(step)/output"])
        let chosen = try #require(tensors["\(prefix)/step\(step)/pred_original_sample"])
        #expect(inputs["tokens"] == tensors["\(prefix)/step\(step)/input"], "tokens of step \(step)")
        let hidden = HostTensor(output.integers, dims: [output.dims[0], output.elementCount / output.dims[0]])
        let counts = (0..<hidden.dims[0]).map { picture in
            Int32(
                hidden.integers[(picture * hidden.dims[1])..<((picture + 1) * hidden.dims[1])]
                    .count { $0 == maskToken })
        }
        let asked = inputs["maskCount"]?.integers ?? []
        if step == steps - 1 {
            #expect(asked == counts.map { _ in -1 }, "counts of step \(step)")
        } else if prefix.hasSuffix("greedy") {
            // Without noise confidences can tie at the cut; then fewer tokens are hidden than were asked for.
            #expect(zip(asked, counts).allSatisfy { $0 >= $1 }, "counts of step \(step)")
        } else {
            #expect(asked == counts, "counts of step \(step)")
        }
        if let logits = tensors["\(prefix)/step\(step)/logits"] {
            // [B, V, Y, X] to [B, Y, X, V].
            let area = logits.dims[2] * logits.dims[3]
            let values = logits.floats
            var ordered: [Float] = []
            for position in 0..<(logits.dims[0] * area) {
                let (picture, place) = (position / area, position % area)
                for code in 0..<codebook { ordered.append(values[(picture * codebook + code) * area + place]) }
            }
            let result = PlainSampling.step(
                logits: ordered, inputs: inputs, codebook: codebook, maskToken: maskToken)
            #expect(result.sampled == chosen.integers, "choices of step \(step)")
            #expect(result.next == output.integers, "output of step \(step)")
        }
        return ["tokens": output, "sampled": chosen]
    }

    @Test("every step gets the reference's tokens and counts", arguments: runs)
    func trajectory(run: Run) async throws {
        let tensors = try run.fixture.tensors()
        let info = try run.fixture.json(Info.self, "info.json")
        let pixels = 1 << ((info.preset.vq.block_out_channels?.count ?? 1) - 1)
        let codebook = info.preset.uvit.codebook_size
        let prefix = "traj/\(run.name)"
        let steps = try #require(info.trajectories[run.name]).masked_after_step.count
        var model = FakeModel()
        model.pixelsPerToken = pixels
        model.sizeMultiple = pixels
        model.codebookSize = codebook
        model.maskToken = info.mask_token_id
        let request = try request(run, info: info, tensors: tensors, pixels: pixels)

        let runner = FakeRunner { call, step in
            switch call.program {
            case "text": return [:]
            case "encode":
                let image = try #require(call.inputs["image"])
                #expect(image.floats == request.editing?.image.bytes.map { Float($0) / 255 })
                return ["tokens": try #require(tensors["traj/edit/source_ids"])]
            case "decode":
                let dims = try #require(call.inputs["tokens"]).dims
                let size = [dims[0], dims[1] * pixels, dims[2] * pixels, 3]
                let bytes = [UInt8](repeating: 0, count: size.reduce(1, *))
                return ["pixels": HostTensor(dtype: .u8, dims: size, bytes: bytes)]
            default: break
            }
            return try Self.answerStep(
                step, of: steps, inputs: call.inputs, prefix: prefix, tensors: tensors, codebook: codebook,
                maskToken: info.mask_token_id)
        }

        var noise = GenerationNoise.greedy
        if run.name != "greedy" {
            let exponential = (0..<steps).compactMap { tensors["\(prefix)/step\($0)/exp_noise"]?.floats }
            let gumbel = (0..<steps).compactMap { tensors["\(prefix)/step\($0)/mask_gumbel"]?.floats }
            noise = .recorded(
                RecordedNoise(
                    exponential: exponential, gumbel: gumbel,
                    hiding: tensors["\(prefix)/add_noise_uniform"]?.floats))
        }
        let loop = DecodingLoop(model: model, runner: runner, requests: RequestIdentifiers())
        let result = try await loop.generate(request, noise: noise)

        let last = try #require(tensors["\(prefix)/step\(steps - 1)/output"])
        #expect(result.pictures.flatMap(\.tokens.integers) == last.integers)
        let inputs = await runner.steps
        #expect(inputs.count == steps)
        for call in inputs {
            #expect(call["scale"]?.floats.allSatisfy { $0 == request.guidanceScale } ?? false)
            #expect(call["grid"]?.dims.first == (run.name == "no_guidance" ? 1 : 2))
        }
    }
}
