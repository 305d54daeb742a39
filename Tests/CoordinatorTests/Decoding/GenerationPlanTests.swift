import Coordinator
import Models
import Tensor
import Testing

@Suite struct GenerationPlanTests {
    private func picture(_ height: Int, _ width: Int) -> HostTensor {
        HostTensor(dtype: .u8, dims: [height, width, 3], bytes: .init(repeating: 9, count: height * width * 3))
    }

    private func mask(_ height: Int, _ width: Int, _ value: UInt8 = 255) -> HostTensor {
        HostTensor(dtype: .u8, dims: [height, width], bytes: .init(repeating: value, count: height * width))
    }

    private func problems(_ change: (inout GenerationRequest) -> Void) -> [String] {
        var request = GenerationRequest(prompt: "a fox")
        change(&request)
        do {
            _ = try GenerationPlan(request, for: FakeModel())
            return []
        } catch {
            #expect(error.description.hasPrefix("the request cannot be served: "))
            return error.problems.map(\.parameter)
        }
    }

    @Test("an empty request for an empty prompt takes the model's defaults")
    func defaults() throws {
        let plan = try GenerationPlan(GenerationRequest(prompt: ""), for: FakeModel())
        #expect((plan.width, plan.height, plan.rows, plan.columns) == (128, 128, 8, 8))
        #expect((plan.stepCount, plan.startStep, plan.guidanceScale) == (12, 0, 10))
        #expect(plan.temperatures.first == 2)
        #expect(plan.temperatures.last == 0)
        #expect(plan.isGuided)
        #expect(plan.schedule == .cosine)
    }

    @Test("every wrong value is named")
    func values() {
        #expect(problems { $0.prompts = [] } == ["prompt"])
        #expect(problems { $0.prompts = [String(repeating: "a", count: 20_000)] } == ["prompt"])
        #expect(problems { $0.negativePrompt = String(repeating: "a", count: 20_000) } == ["negativePrompt"])
        #expect(problems { $0.picturesPerPrompt = 0 } == ["picturesPerPrompt"])
        #expect(problems { $0.picturesPerPrompt = 65 } == ["picturesPerPrompt"])
        #expect(problems { $0.picturesPerPrompt = .max } == ["picturesPerPrompt"])
        #expect(
            problems {
                $0.prompts = ["a", "b"]; $0.picturesPerPrompt = 33
            } == ["picturesPerPrompt"])
        for size in [0, -16, 8, 100, 5000, 1 << 40, .max, .min] {
            #expect(problems { $0.width = size } == ["width"], "\(size)")
            #expect(problems { $0.height = size } == ["height"], "\(size)")
        }
        #expect(
            problems {
                $0.width = 2048; $0.height = 2048
            } == ["width"])
        #expect(problems { $0.steps = 0 } == ["steps"])
        #expect(problems { $0.steps = 1_000_000 } == ["steps"])
        #expect(problems { $0.guidanceScale = .nan } == ["guidanceScale"])
        #expect(problems { $0.guidanceScale = -1 } == ["guidanceScale"])
        #expect(problems { $0.guidanceScale = .infinity } == ["guidanceScale"])
        #expect(problems { $0.temperature = TemperatureRange(from: -1, to: .nan) } == ["temperature", "temperature"])
        #expect(problems { $0.previewInterval = 0 } == ["previewInterval"])
        #expect(problems { $0.microConditioning.cropTop = -1 } == ["cropTop"])
        #expect(problems { $0.microConditioning.aestheticScore = .nan } == ["aestheticScore"])
    }

    @Test("all problems come at once, each with what is allowed")
    func together() {
        let error = #expect(throws: GenerationRequestError.self) {
            var request = GenerationRequest(prompt: "a")
            request.width = 100
            request.steps = 0
            _ = try GenerationPlan(request, for: FakeModel())
        }
        #expect(
            error?.description
                == "the request cannot be served: width is 100, allowed are multiples of 16 from 16 to 4096; "
                + "steps is 0, allowed is 1 to 1000")
    }

    @Test("editing takes the picture's size, rounded down, and starts late")
    func editing() throws {
        var request = GenerationRequest(prompt: "a")
        request.editing = .variation(image: picture(70, 50), strength: 0.5)
        request.steps = 5
        var plan = try GenerationPlan(request, for: FakeModel())
        #expect((plan.height, plan.width, plan.startStep, plan.schedule) == (64, 48, 3, .cosine))
        request.editing = .inpainting(image: picture(70, 50), mask: mask(70, 50), strength: 1)
        plan = try GenerationPlan(request, for: FakeModel())
        #expect(plan.schedule == .linear)
        #expect(plan.tokenMask == [Bool](repeating: true, count: 12))
        request.width = 32
        #expect(try GenerationPlan(request, for: FakeModel()).tokenMask?.count == 8)
    }

    @Test("wrong pictures, masks and strengths are named")
    func wrongEditing() {
        func editing(_ editing: GenerationRequest.Editing) -> [String] {
            problems { $0.editing = editing }
        }
        let empty = HostTensor(dtype: .u8, dims: [0, 0, 3], bytes: [])
        #expect(editing(.variation(image: empty, strength: 0.5)) == ["image"])
        #expect(editing(.variation(image: mask(16, 16), strength: 0.5)) == ["image"])
        #expect(editing(.variation(image: picture(15, 40), strength: 0.5)) == ["image"])
        for strength in [0, -1, 1.01, .nan, .infinity] {
            #expect(editing(.variation(image: picture(16, 16), strength: strength)) == ["strength"])
        }
        #expect(editing(.variation(image: picture(16, 16), strength: 0.01)) == ["strength"])
        #expect(editing(.inpainting(image: picture(32, 32), mask: mask(16, 16), strength: 1)) == ["mask"])
        #expect(editing(.inpainting(image: picture(32, 32), mask: picture(32, 32), strength: 1)) == ["mask"])
        #expect(editing(.inpainting(image: picture(32, 32), mask: mask(32, 32, 0), strength: 1)) == ["mask"])
    }
}
