import Coordinator
import Foundation
import Models
import Tensor
import Testing

/// Real programs' signatures against what the loop gives.
@Suite struct AmusedImageModelTests {
    private func checkSignatures(_ model: AmusedImageModel) async throws {
        let runner = FakeRunner.black(pixelsPerToken: model.pixelsPerToken)
        let loop = DecodingLoop(model: model, runner: runner, requests: RequestIdentifiers())
        var request = GenerationRequest(prompts: ["a fox", ""])
        request.steps = 2
        request.previewInterval = 1
        for scale in [1, 3] as [Float] {
            request.guidanceScale = scale
            _ = try await loop.generate(request)
            _ = try await loop.generate(request, noise: .greedy)
            let codes = [Float](repeating: 1, count: 2 * 64 * model.codebookSize)
            let positions = [Float](repeating: 1, count: 2 * 64)
            request.width = 8 * model.pixelsPerToken
            request.height = 8 * model.pixelsPerToken
            let recorded = RecordedNoise(exponential: [codes, codes], gumbel: [positions])
            _ = try await loop.generate(request, noise: .recorded(recorded))
        }
        let side = 4 * model.pixelsPerToken
        let image = HostTensor(dtype: .u8, dims: [side, side, 3], bytes: .init(repeating: 7, count: side * side * 3))
        request.editing = .variation(image: image, strength: 1)
        _ = try await loop.generate(request)
        #expect(await Set(runner.calls.map(\.program)) == ["text", "step", "decode", "encode"])
    }

    @Test("a checkpoint's programs take what the loop gives", arguments: Fixture.all)
    func checkpoint(fixture: Fixture) async throws {
        let amused = try AmusedModel(folder: fixture.folder.path, precision: .f32)
        let model = try AmusedImageModel(amused, exposesInternals: true)
        #expect(model.maskToken == 79)
        #expect(model.defaults.width == 8 * model.pixelsPerToken)
        let prompt = model.encode(prompt: "a red fox")
        #expect(prompt.ids.count == model.textLength)
        // Padding is the end token; the pooled position is the first of them.
        #expect(prompt.ids[Int(prompt.eosIndex)] == model.tokenizer.endToken)
        #expect(prompt.eosIndex == Int32(model.tokenizer.encode("a red fox").ids.count - 1))
        #expect(model.encode(prompt: String(repeating: "fox ", count: 300)).cutCount > 0)
        try await checkSignatures(model)
    }

    @Test("so do a preset's, with a tokenizer without files")
    func preset() async throws {
        let model = try AmusedImageModel(AmusedModel(preset: "amused-tiny", seed: 1))
        let configuration = model.model.configuration
        #expect(model.tokenizer.startToken == Int32(configuration.text.startToken))
        #expect(model.tokenizer.endToken == Int32(configuration.text.endToken))
        let prompt = model.encode(prompt: "fox")
        #expect(prompt.eosIndex == 4)
        try await checkSignatures(model)
    }
}
