import Coordinator
import Foundation
import Synchronization
import Tensor
import Testing

@Suite struct DecodingLoopTests {
    struct Broken: Error {}

    /// Answers every program; a step keeps `maskCount` tokens hidden, the first ones.
    static func answer(_ call: FakeRunner.Call) throws -> [String: HostTensor] {
        switch call.program {
        case "text": return [:]
        case "encode":
            let dims = call.inputs["image"]?.dims ?? []
            let grid = [dims[0], dims[1] / 16, dims[2] / 16]
            return ["tokens": HostTensor((0..<Int32(grid.reduce(1, *))).map { $0 }, dims: grid)]
        case "decode":
            let dims = call.inputs["tokens"]?.dims ?? []
            let size = [dims[0], dims[1] * 16, dims[2] * 16, 3]
            let each = size.dropFirst().reduce(1, *)
            let bytes = (0..<dims[0]).flatMap { [UInt8](repeating: UInt8($0), count: each) }
            return ["pixels": HostTensor(dtype: .u8, dims: size, bytes: bytes)]
        default:
            guard let tokens = call.inputs["tokens"], let counts = call.inputs["maskCount"]?.integers else {
                throw Broken()
            }
            let each = tokens.elementCount / tokens.dims[0]
            let sampled = tokens.integers.enumerated().map { $1 == 79 ? Int32($0 % each % 7) : $1 }
            var next = sampled
            for (picture, count) in counts.enumerated() where count > 0 {
                for position in 0..<Int(count) { next[picture * each + position] = 79 }
            }
            return [
                "tokens": HostTensor(next, dims: tokens.dims), "sampled": HostTensor(sampled, dims: tokens.dims),
            ]
        }
    }

    private func make(
        batchLimit: Int = 8, programLimit: Int = DecodingLoop.defaultProgramLimit, failingStep: Int? = nil
    ) -> (DecodingLoop, FakeRunner) {
        let runner = FakeRunner { call, step in
            if call.program == "step" && step == failingStep { throw Broken() }
            return try Self.answer(call)
        }
        let loop = DecodingLoop(
            model: FakeModel(), runner: runner, requests: RequestIdentifiers(), batchLimit: batchLimit,
            programLimit: programLimit)
        return (loop, runner)
    }

    @Test("prompts and conditions reach the text program in the reference's order")
    func text() async throws {
        let (loop, runner) = make()
        var request = GenerationRequest(prompts: ["ab", "c"])
        request.negativePrompt = "no"
        request.picturesPerPrompt = 2
        request.width = 32
        request.microConditioning = .init(cropTop: 8, cropLeft: 24, aestheticScore: 5)
        let result = try await loop.generate(request)
        #expect(result.pictures.map(\.prompt) == ["ab", "ab", "c", "c"])
        #expect(result.pictures.map(\.index) == [0, 1, 2, 3])
        #expect(result.pictures.map { $0.pixels.bytes.first } == [0, 1, 2, 3])
        // One text a prompt, which its pictures share.
        let calls = await runner.calls
        #expect(calls.prefix(3).map(\.program) == ["text", "text", "step"])
        let model = FakeModel()
        for (call, prompt) in zip(calls, ["ab", "c"]) {
            let expected = ["no", prompt].map { model.encode(prompt: $0) }
            #expect(call.inputs["ids"] == HostTensor(expected.flatMap(\.ids), dims: [2, 1, 8]))
            #expect(call.inputs["eosIndex"] == HostTensor(expected.map(\.eosIndex), dims: [2, 1]))
            #expect(call.inputs["microConditions"]?.floats == [32, 128, 8, 24, 5, 32, 128, 8, 24, 5])
        }
        let texts = calls.prefix(2).map(\.request)
        for call in calls where call.program == "step" {
            #expect(call.slots == [texts[0], texts[0], texts[1], texts[1]])
        }
    }

    @Test("guidance of at most 1 runs one half, without the negative prompt")
    func unguided() async throws {
        let (loop, runner) = make()
        var request = GenerationRequest(prompt: "ab")
        request.negativePrompt = "no"
        request.guidanceScale = 1
        _ = try await loop.generate(request)
        let inputs = try #require(await runner.calls.first).inputs
        #expect(inputs["ids"] == HostTensor(FakeModel().encode(prompt: "ab").ids, dims: [1, 1, 8]))
        #expect(await runner.steps.first?["grid"]?.dims == [1, 1, 8, 8])
    }

    @Test("random number keys hold seed, picture and step, whatever the batch")
    func keys() async throws {
        for limit in [1, 2, 8] {
            let (loop, runner) = make(batchLimit: limit)
            var request = GenerationRequest(prompt: "ab", seed: 0xFEDC_BA98_7654_3210)
            request.picturesPerPrompt = 3
            request.steps = 2
            let result = try await loop.generate(request)
            #expect(result.pictures.map(\.index) == [0, 1, 2])
            var keys: Set<[Int32]> = []
            for inputs in await runner.steps {
                let values = try #require(inputs["rng"]).integers
                for row in stride(from: 0, to: values.count, by: 4) { keys.insert(Array(values[row..<(row + 4)])) }
            }
            let low = Int32(bitPattern: 0x7654_3210)
            let high = Int32(bitPattern: 0xFEDC_BA98)
            let expected = (0..<3).flatMap { picture in (0..<2).map { [low, high, Int32(picture), Int32($0)] } }
            #expect(keys == Set(expected))
            // One number on the devices for the prompt, given back.
            #expect(await runner.released == [1])
            #expect(await runner.calls.filter { $0.program == "text" }.map(\.request) == [1])
        }
    }

    @Test("states taken after any step go on to the same tokens")
    func resume() async throws {
        let (loop, _) = make(batchLimit: 2)
        var request = GenerationRequest(prompt: "ab", seed: 3)
        request.picturesPerPrompt = 3
        request.steps = 4
        let seen = Mutex<[[DecodingState]]>([])
        let whole = try await loop.generate(request) { event in
            if case .stepped(let progress) = event { seen.withLock { $0.append(progress.states) } }
        }
        let saved = seen.withLock { $0 }
        #expect(saved.flatMap { $0 }.count == 12 && saved.count >= 8)
        var latest: [Int: DecodingState] = [:]
        for states in saved {
            for state in states { latest[state.picture] = state }
            let copy = try JSONDecoder().decode([DecodingState].self, from: JSONEncoder().encode(Array(latest.values)))
            let (other, runner) = make(batchLimit: 2)
            #expect(try await other.generate(request, resuming: copy).pictures == whole.pictures)
            let made = await runner.steps.reduce(0) { $0 + ($1["tokens"]?.dims[0] ?? 0) }
            #expect(made == 12 - copy.reduce(0) { $0 + $1.nextStep })
        }
    }

    @Test("a state of another request is refused")
    func wrongState() async throws {
        let (loop, _) = make()
        let request = GenerationRequest(prompt: "ab", seed: 3)
        let good = DecodingState(
            picture: 0, nextStep: 1, seed: 3, startRatio: 1, tokens: [Int32](repeating: 79, count: 64))
        _ = try await loop.generate(request, resuming: [good])
        let changes: [@Sendable (inout DecodingState) -> Void] = [
            { $0.seed = 4 }, { $0.nextStep = 13 }, { $0.picture = 1 }, { $0.tokens.removeLast() }, { $0.picture = -1 },
        ]
        for change in changes {
            var state = good
            change(&state)
            await #expect(throws: DecodingLoopError.self) { try await loop.generate(request, resuming: [good, state]) }
        }
    }

    @Test("what fails on the devices reaches the caller, and the request is released")
    func failure() async throws {
        let (loop, runner) = make(failingStep: 5)
        await #expect(throws: Broken.self) { try await loop.generate(GenerationRequest(prompt: "ab")) }
        #expect(await runner.released == [1])
    }

    @Test("cancelling ends a request at the next step and releases it")
    func cancel() async throws {
        // The fourth step waits until the request has been given up.
        let (third, hasThird) = AsyncStream.makeStream(of: Void.self)
        let (gate, gateKeeper) = AsyncStream.makeStream(of: Void.self)
        let runner = FakeRunner { call, step in
            if call.program == "step", step == 3 {
                hasThird.finish()
                for await _ in gate {}
            }
            return try Self.answer(call)
        }
        let loop = DecodingLoop(model: FakeModel(), runner: runner, requests: RequestIdentifiers())
        let task = Task { try await loop.generate(GenerationRequest(prompt: "ab")) }
        for await _ in third {}
        task.cancel()
        gateKeeper.finish()
        await #expect(throws: CancellationError.self) { try await task.value }
        #expect(await runner.steps.count <= 4)
        #expect(await runner.released == [1])
        #expect(await loop.status.states.isEmpty)
    }

    @Test("progress counts steps, estimates from all but the first, and shows previews and cut prompts")
    func progress() async throws {
        // Each step takes a second, the first one ten.
        let clock = Mutex(0)
        let runner = FakeRunner { call, step in
            if call.program == "step" { clock.withLock { $0 += step == 0 ? 10 : 1 } }
            return try Self.answer(call)
        }
        let loop = DecodingLoop(
            model: FakeModel(), runner: runner, requests: RequestIdentifiers(),
            now: { .seconds(clock.withLock { $0 }) })
        var request = GenerationRequest(prompt: "longer than eight")
        request.steps = 5
        request.previewInterval = 2
        let log = Mutex<[String]>([])
        _ = try await loop.generate(request) { event in
            let line: String
            switch event {
            case .promptCut(_, let tokens): line = "cut \(tokens)"
            case .admitted: line = "admitted"
            case .stepped(let progress): line = "\(progress.done)/\(progress.total) \(progress.secondsLeft)"
            case .preview(let picture, _): line = "preview \(picture)"
            case .finished(let picture): line = "finished \(picture.index)"
            }
            log.withLock { $0.append(line) }
        }
        #expect(
            log.withLock { $0 } == [
                "cut 9", "admitted", "1/5 40.0", "2/5 3.0", "preview 0", "3/5 2.0", "4/5 1.0", "preview 0", "5/5 0.0",
                "finished 0",
            ])
    }

    private func picture(_ height: Int, _ width: Int) -> HostTensor {
        HostTensor(dtype: .u8, dims: [height, width, 3], bytes: .init(repeating: 9, count: height * width * 3))
    }

    @Test("variations hide about the schedule's share, differently for each picture and seed, the same every time")
    func variation() async throws {
        func start(_ seed: UInt64, strength: Double, limit: Int = 8) async throws -> [[Int32]] {
            let (loop, runner) = make(batchLimit: limit)
            var request = GenerationRequest(prompt: "ab", seed: seed)
            request.picturesPerPrompt = 2
            request.editing = .variation(image: picture(512, 512), strength: strength)
            let result = try await loop.generate(request)
            #expect(result.plan.startStep == 12 - Int(12 * strength))
            var pictures: [[Int32]] = []
            for inputs in await runner.steps where inputs["rng"]?.integers[3] == Int32(result.plan.startStep) {
                let tokens = try #require(inputs["tokens"]).integers
                for first in stride(from: 0, to: tokens.count, by: 1024) {
                    pictures.append(Array(tokens[first..<(first + 1024)]))
                }
            }
            return pictures
        }
        let first = try await start(1, strength: 0.5)
        // cos(6/12 · π/2) of 1024 tokens, five standard deviations around it.
        for tokens in first { #expect((650...798).contains(tokens.count { $0 == 79 })) }
        #expect(first[0] != first[1])
        #expect(try await start(1, strength: 0.5, limit: 1) == first)
        #expect(try await start(2, strength: 0.5) != first)
        #expect(try await start(1, strength: 1).allSatisfy { $0.allSatisfy { $0 == 79 } })
    }

    @Test("inpainting hides what the mask covers and scales the counts with it")
    func inpainting() async throws {
        let (loop, runner) = make()
        var request = GenerationRequest(prompt: "ab")
        request.steps = 2
        let bytes = (0..<(64 * 64)).map { UInt8($0 % 64 < 32 ? 255 : 0) }
        request.editing = .inpainting(
            image: picture(64, 64), mask: HostTensor(dtype: .u8, dims: [64, 64], bytes: bytes), strength: 1)
        let result = try await loop.generate(request)
        let steps = await runner.steps
        #expect(steps[0]["tokens"]?.integers == (0..<16).map { $0 % 4 < 2 ? 79 : Int32($0) })
        #expect(steps[0]["maskCount"]?.integers == [4])
        #expect(steps[1]["maskCount"]?.integers == [-1])
        #expect(result.pictures.count == 1)
    }

    @Test("noise of another shape is refused")
    func noise() async throws {
        let (loop, _) = make()
        let noise = GenerationNoise.recorded(RecordedNoise(exponential: [[1]], gumbel: []))
        await #expect(throws: DecodingLoopError.self) {
            try await loop.generate(GenerationRequest(prompt: "ab"), noise: noise)
        }
    }

    @Test("preparing installs each program once, and generating installs no more")
    func prepare() async throws {
        let (loop, runner) = make()
        let request = GenerationRequest(prompt: "ab")
        try await loop.prepare(request)
        try await loop.prepare(request)
        #expect(await runner.installs == 3)
        _ = try await loop.generate(request)
        #expect(await runner.installs == 3)
    }

    @Test("sizes of picture that nobody has asked for lately make room for others")
    func programsAreBounded() async throws {
        let (loop, runner) = make(programLimit: 5)
        func paint(_ width: Int) async throws {
            var request = GenerationRequest(prompt: "ab")
            (request.width, request.height, request.steps) = (width, 32, 2)
            _ = try await loop.generate(request)
        }
        // The text's program serves all sizes; a step and a decoder belong to each.
        try await paint(32)
        try await paint(64)
        #expect(await (runner.installs, runner.uninstalls) == (5, 0))
        try await paint(32)
        try await paint(96)
        #expect(await (runner.installs, runner.uninstalls) == (7, 2))
        try await paint(32)
        #expect(await (runner.installs, runner.uninstalls) == (7, 2))
        try await paint(64)
        #expect(await (runner.installs, runner.uninstalls) == (9, 4))
    }

    @Test("requests that together need more programs than may stay all end well")
    func programsOfRequestsTogether() async throws {
        let (loop, runner) = make(programLimit: 1)
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<12 {
                group.addTask {
                    var request = GenerationRequest(prompt: "ab", seed: UInt64(index))
                    (request.width, request.height, request.steps) = (32 * (1 + index % 3), 32, 3)
                    let result = try await loop.generate(request)
                    #expect(result.pictures.count == 1)
                }
            }
            try await group.waitForAll()
        }
        let (installs, uninstalls) = await (runner.installs, runner.uninstalls)
        #expect(uninstalls > 0 && installs - uninstalls <= 3)
    }

    @Test("everything is installed before the first program runs")
    func installsFirst() async throws {
        let (loop, runner) = make(batchLimit: 1)
        var request = GenerationRequest(prompt: "ab")
        request.picturesPerPrompt = 2
        let picture = HostTensor(dtype: .u8, dims: [32, 32, 3], bytes: [UInt8](repeating: 9, count: 32 * 32 * 3))
        request.editing = .variation(image: picture, strength: 0.5)
        _ = try await loop.generate(request)
        #expect(await runner.installs == 4)
        #expect(await runner.installsBeforeFirstCall == 4)
    }
}
