import Coordinator
import Models
import Tensor
import Testing

/// Real programs' signatures against what the loop gives, and which program a step is.
@Suite struct MuseImageModelTests {
    @Test("its programs take what the loop gives")
    func signatures() async throws {
        let model = MuseImageModel(try MuseModel(preset: "muse-tiny", seed: 1))
        let runner = FakeRunner.black(pixelsPerToken: model.pixelsPerToken)
        let loop = DecodingLoop(model: model, runner: runner, requests: RequestIdentifiers())
        var request = GenerationRequest(prompts: ["a fox", ""])
        request.steps = 3
        request.previewInterval = 1
        for scale in [1, 3] as [Float] {
            request.guidanceScale = scale
            for schedule in GuidanceSchedule.allCases {
                request.guidanceSchedule = schedule
                _ = try await loop.generate(request)
                _ = try await loop.generate(request, noise: .greedy)
            }
        }
        let side = 4 * model.pixelsPerToken
        let image = HostTensor(dtype: .u8, dims: [side, side, 3], bytes: .init(repeating: 7, count: side * side * 3))
        request.editing = .variation(image: image, strength: 1)
        _ = try await loop.generate(request)
        #expect(await Set(runner.calls.map(\.program)) == ["text", "step", "conditionalStep", "decode", "encode"])
    }

    @Test("guidance rises from step to step, and the first step has one half only")
    func ramp() async throws {
        let model = MuseImageModel(try MuseModel(preset: "muse-tiny", seed: 1))
        let runner = FakeRunner.black(pixelsPerToken: model.pixelsPerToken)
        let loop = DecodingLoop(model: model, runner: runner, requests: RequestIdentifiers())
        var request = GenerationRequest(prompt: "a fox")
        request.steps = 4
        let result = try await loop.generate(request)
        #expect(result.plan.guidanceScales == [1, 2, 3, 4] && result.plan.changingGuidance == "linear")
        let steps = await runner.calls.filter { $0.program.lowercased().contains("step") }
        #expect(steps.map(\.program) == ["conditionalStep", "step", "step", "step"])
        #expect(steps.map { $0.inputs["scale"]?.floats } == [[1], [2], [3], [4]])
        #expect(steps.map { $0.inputs["grid"]?.dims[0] } == [1, 2, 2, 2])
        request.guidanceSchedule = .constant
        let constant = try await loop.generate(request).plan
        #expect(constant.guidanceScales == [4, 4, 4, 4] && constant.changingGuidance == nil)
    }

    @Test("texts are bytes, the empty one is nothing, and long ones are cut")
    func prompts() throws {
        let model = MuseImageModel(try MuseModel(preset: "muse-tiny", seed: 1))
        #expect(model.encode(prompt: "").ids == [Int32](repeating: 0, count: 64))
        #expect(model.encode(prompt: "fox").ids.prefix(5) == [105, 114, 123, 1, 0])
        #expect(model.encode(prompt: String(repeating: "fox ", count: 30)).cutCount == 57)
        #expect(model.defaults.width == 128 && model.sizeMultiple == 16 && model.tokenLimit == 64)
        #expect(model.defaults.guidanceSchedule == .linear && model.maskToken == 256)
    }
}
