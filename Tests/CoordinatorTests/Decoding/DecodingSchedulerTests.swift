import Coordinator
import Foundation
import Program
import Synchronization
import Tensor
import Testing

/// Whose picture comes next, and what happens when something goes wrong.
@Suite(.timeLimit(.minutes(10))) struct DecodingSchedulerTests {
    struct Broken: Error {}
    struct Lost: Error {}

    /// A runner whose first call waits until it is let go, and a loop on it with a clock that steps move.
    private final class Stage: Sendable {
        let loop: DecodingLoop
        let runner: FakeRunner
        let time: Clock
        private let gateKeeper: AsyncStream<Void>.Continuation

        /// Time that steps, and tests, move.
        final class Clock: Sendable {
            private let value = Mutex(Duration.zero)
            var now: Duration { value.withLock { $0 } }
            func move(_ by: Duration) { value.withLock { $0 += by } }
        }

        init(
            batchLimit: Int = 1, slots: Int = 1, recovery: @escaping @Sendable (any Error) -> Bool = { _ in false },
            failing: @escaping @Sendable (FakeRunner.Call) throws -> Void = { _ in }
        ) {
            let (gate, keeper) = AsyncStream.makeStream(of: Void.self)
            let isFirst = Mutex(true)
            let clock = Clock()
            (gateKeeper, time) = (keeper, clock)
            runner = FakeRunner(recovery: recovery) { call, _ in
                let waits = isFirst.withLock { first in
                    defer { first = false }
                    return first
                }
                if waits { for await _ in gate {} }
                if call.program == "step" { clock.move(.seconds(1)) }
                try failing(call)
                return try DecodingLoopTests.answer(call)
            }
            loop = DecodingLoop(
                model: FakeModel(), runner: runner, requests: RequestIdentifiers(), batchLimit: batchLimit,
                slots: slots,
                now: { clock.now })
        }

        func letGo() { gateKeeper.finish() }

        /// Places a request after those that are there.
        func place(
            _ seed: UInt64, steps: Int = 2, pictures: Int = 1, scale: Float = 3, _ terms: ServiceTerms = ServiceTerms()
        ) async -> Task<GenerationResult, any Error> {
            let before = await Self.count(loop.status)
            var request = GenerationRequest(prompt: "p", seed: seed)
            (request.steps, request.picturesPerPrompt, request.guidanceScale) = (steps, pictures, scale)
            let (loop, fixed) = (loop, request)
            let task = Task { try await loop.generate(fixed, terms: terms) }
            while await Self.count(loop.status) < before + pictures { await Task.yield() }
            // Its first call has come to the gate.
            if before == 0 { while await runner.calls.isEmpty { await Task.yield() } }
            return task
        }

        private static func count(_ status: SchedulerStatus) -> Int { status.waiting + status.active }

        /// Seeds of all pictures' steps, call by call.
        var order: [[Int]] {
            get async {
                await runner.steps.map { inputs in
                    let keys = inputs["rng"]?.integers ?? []
                    return stride(from: 0, to: keys.count, by: 4).map { Int(keys[$0]) }
                }
            }
        }

        /// Seeds in the order of their first steps.
        var begun: [Int] {
            get async {
                var seen: [Int] = []
                for seed in await order.flatMap({ $0 }) where !seen.contains(seed) { seen.append(seed) }
                return seen
            }
        }
    }

    @Test("clients share evenly, whatever they have placed")
    func fairness() async throws {
        let stage = Stage()
        var tasks = [await stage.place(1, ServiceTerms(client: "a"))]
        for seed in 2...5 { tasks.append(await stage.place(UInt64(seed), ServiceTerms(client: "a"))) }
        for seed in 11...12 { tasks.append(await stage.place(UInt64(seed), ServiceTerms(client: "b"))) }
        tasks.append(await stage.place(21, ServiceTerms(client: "c", priority: -100)))
        stage.letGo()
        for task in tasks { _ = try await task.value }
        #expect(await stage.begun == [1, 11, 21, 2, 12, 3, 4, 5])
    }

    @Test("a large request does not keep others out")
    func largeRequest() async throws {
        let stage = Stage()
        let large = await stage.place(1, pictures: 6, ServiceTerms(client: "a"))
        let small = await stage.place(2, ServiceTerms(client: "b"))
        stage.letGo()
        _ = try await small.value
        _ = try await large.value
        #expect(await stage.order.flatMap { $0 }.firstIndex(of: 2).map { $0 <= 4 } == true)
    }

    @Test("priority, then deadline, then arrival; and waiting raises the priority")
    func ranks() async throws {
        let stage = Stage()
        var tasks = [await stage.place(1)]
        tasks.append(await stage.place(2))
        tasks.append(await stage.place(3, ServiceTerms(deadline: .seconds(500))))
        tasks.append(await stage.place(4, ServiceTerms(deadline: .seconds(400))))
        tasks.append(await stage.place(5, ServiceTerms(priority: 7)))
        tasks.append(await stage.place(6, ServiceTerms(priority: -1)))
        stage.letGo()
        for task in tasks { _ = try await task.value }
        #expect(await stage.begun == [1, 5, 4, 3, 2, 6])
    }

    @Test("nobody waits for ever: the oldest overtakes the most important")
    func aging() async throws {
        let stage = Stage()
        var tasks = [await stage.place(1), await stage.place(2, ServiceTerms(priority: -100))]
        stage.time.move(.seconds(150))
        tasks.append(await stage.place(3, ServiceTerms(priority: 100)))
        stage.time.move(.seconds(60))
        tasks.append(await stage.place(4, ServiceTerms(priority: 100)))
        stage.letGo()
        for task in tasks { _ = try await task.value }
        #expect(await stage.begun == [1, 3, 2, 4])
    }

    @Test("a request that cannot be done in time is not begun")
    func late() async throws {
        let stage = Stage()
        let first = await stage.place(1, steps: 8)
        let late = await stage.place(2, steps: 4, ServiceTerms(deadline: .seconds(9)))
        let early = await stage.place(3, steps: 4, ServiceTerms(deadline: .seconds(20)))
        stage.letGo()
        _ = try await first.value
        await #expect(throws: DeadlineError(deadline: .seconds(9), expected: .seconds(12))) { try await late.value }
        _ = try await early.value
        #expect(await stage.begun == [1, 3])
    }

    @Test("a request that is given up frees its slot at the next step")
    func withdrawal() async throws {
        let stage = Stage(batchLimit: 2, slots: 2)
        try await stage.loop.prepare(GenerationRequest(prompt: "p"), sizes: [1, 2])
        let first = await stage.place(1, steps: 6)
        let second = await stage.place(2, steps: 6)
        let third = await stage.place(3, steps: 6)
        first.cancel()
        stage.letGo()
        await #expect(throws: CancellationError.self) { try await first.value }
        _ = try await second.value
        _ = try await third.value
        let order = await stage.order
        #expect(order.flatMap { $0 }.count { $0 == 1 } <= 1)
        #expect(order.contains([2, 3]))
        #expect(Set(await stage.runner.released) == [1, 2, 3])
    }

    @Test("pictures that cannot be in one call take turns")
    func groups() async throws {
        let stage = Stage(batchLimit: 4, slots: 4)
        for scale in [1, 3] as [Float] {
            var request = GenerationRequest(prompt: "p")
            request.guidanceScale = scale
            try await stage.loop.prepare(request, sizes: [1, 2])
        }
        var tasks: [Task<GenerationResult, any Error>] = []
        for seed in [1, 2] { tasks.append(await stage.place(UInt64(seed), steps: 3)) }
        for seed in [3, 4] { tasks.append(await stage.place(UInt64(seed), steps: 3, scale: 1)) }
        stage.letGo()
        for task in tasks { _ = try await task.value }
        #expect(await stage.order == [[1, 2], [3, 4], [1, 2], [3, 4], [1, 2], [3, 4]])
        // Finished together, decoded together.
        #expect(await stage.runner.calls.filter { $0.program == "decode" }.count == 2)
    }

    @Test("a picture at fault ends its own request only")
    func fault() async throws {
        let stage = Stage(
            batchLimit: 4, slots: 4,
            failing: { call in
                let (keys, tokens) = (call.inputs["rng"]?.integers ?? [], call.inputs["tokens"]?.integers ?? [])
                if keys.contains(13), tokens.contains(0) { throw Broken() }
            })
        try await stage.loop.prepare(GenerationRequest(prompt: "p"), sizes: [1, 2, 3, 4])
        var tasks: [Task<GenerationResult, any Error>] = []
        for seed in 12...14 { tasks.append(await stage.place(UInt64(seed), steps: 4)) }
        stage.letGo()
        _ = try await tasks[0].value
        await #expect(throws: Broken.self) { try await tasks[1].value }
        _ = try await tasks[2].value
        #expect(await stage.loop.status.states.isEmpty)
    }

    @Test("devices that come back go on from every picture's state")
    func recovery() async throws {
        let failures = Mutex(0)
        let stage = Stage(
            batchLimit: 4, slots: 4, recovery: { $0 is Lost },
            failing: { call in
                // The third step, and the text that follows, find a device gone.
                let count = failures.withLock { count in
                    if call.program == "step" || count >= 3 { count += 1 }
                    return count
                }
                if count == 3 || count == 4 { throw Lost() }
            })
        try await stage.loop.prepare(GenerationRequest(prompt: "p"), sizes: [1, 2])
        var tasks: [Task<GenerationResult, any Error>] = []
        for seed in 1...2 { tasks.append(await stage.place(UInt64(seed), steps: 4)) }
        stage.letGo()
        for task in tasks {
            let again = Stage()
            again.letGo()
            var request = GenerationRequest(prompt: "p")
            request.steps = 4
            #expect(try await task.value.pictures[0].tokens == again.loop.generate(request).pictures[0].tokens)
        }
        let calls = await stage.runner.calls
        #expect(calls.count { $0.program == "text" } == 5, "each text again, one of them twice")
        let steps = calls.filter { $0.program == "step" }.map { $0.inputs["rng"]?.integers[3] }
        #expect(steps == [0, 1, 2, 2, 3], "no step is lost, and only the failed one made again")
    }

    @Test("devices that do not come back end all requests")
    func noRecovery() async throws {
        let stage = Stage(batchLimit: 4, slots: 4, failing: { if $0.program == "step" { throw Lost() } })
        var tasks: [Task<GenerationResult, any Error>] = []
        for seed in 1...3 { tasks.append(await stage.place(UInt64(seed))) }
        stage.letGo()
        for task in tasks { await #expect(throws: Lost.self) { try await task.value } }
        #expect(await stage.loop.status.active == 0)
        #expect(Set(await stage.runner.released) == [1, 2, 3])
    }

    /// A near-empty model: what the coordinator itself takes.
    @Test("the coordinator's own time is small")
    func overhead() async throws {
        var model = FakeModel()
        (model.pixelsPerToken, model.sizeMultiple) = (1, 1)
        model.defaults = GenerationDefaults(width: 8, height: 8)
        let runner = EmptyRunner()
        let loop = DecodingLoop(model: model, runner: runner, requests: RequestIdentifiers())
        var request = GenerationRequest(prompt: "p")
        (request.steps, request.guidanceScale) = (8, 1)
        let fixed = request
        try await loop.prepare(fixed, sizes: Array(1...8))
        let start = ContinuousClock.now
        try await withThrowingTaskGroup(of: Void.self) { group in
            for seed in 0..<200 {
                group.addTask {
                    var own = fixed
                    own.seed = UInt64(seed)
                    _ = try await loop.generate(own)
                }
            }
            try await group.waitForAll()
        }
        let seconds = (ContinuousClock.now - start) / .seconds(1)
        let (steps, calls) = runner.counts
        print(
            "200 requests in \(seconds) s: \(200 / seconds) a second, \(1000 * seconds / Double(steps)) ms a step call, "
                + "\(steps) step calls of \(calls) calls")
        #expect(steps < 1600)
    }
}

/// Answers at once: steps keep their tokens, pictures are black.
private final class EmptyRunner: ProgramRunner {
    private let state = Mutex((steps: 0, calls: 0))
    var counts: (steps: Int, calls: Int) { state.withLock { $0 } }

    func install(
        _ programs: [Program], progress: @escaping @Sendable (LoadingProgress) -> Void
    ) async throws -> [ProgramKey] {
        programs.map { ProgramKey($0.name) }
    }

    func run(
        _ key: ProgramKey, request: UInt64, slots: [UInt64], inputs: [String: HostTensor]
    ) async throws -> [String: HostTensor] {
        state.withLock { state in
            state.calls += 1
            if key.name == "step" { state.steps += 1 }
        }
        guard let tokens = inputs["tokens"] else { return [:] }
        if key.name == "step" { return ["tokens": tokens, "sampled": tokens] }
        let dims = tokens.dims + [3]
        return ["pixels": HostTensor(dtype: .u8, dims: dims, bytes: [UInt8](repeating: 0, count: dims.reduce(1, *)))]
    }

    func release(request: UInt64) async {}
}
