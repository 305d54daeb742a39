import Coordinator
import Models
import Program
import Sharding
import Synchronization
import Tensor
import TestSupport
import Testing

/// Pictures decoded together have the bytes that they have alone.
@Suite("Batching", .serialized)
struct BatchingTests {
    private static let meshes: [(Mesh, [String: [String]])] = [
        (.single, [:]),
        (
            Mesh([.init("guidance", 2)]),
            ["guidance": ["guidance"], "sampling": ["guidance"], "rows": ["guidance"]]
        ),
        (
            Mesh([.init("model", 2)]),
            ["heads": ["model"], "mlp": ["model"], "vocab": ["model"], "rows": ["model"]]
        ),
        (Mesh([.init("data", 2)]), ["batch": ["data"]]),
        (Mesh([.init("data", 2)], speeds: [1, 3]), ["batch": ["data"]]),
    ]
    /// What happened: sizes of the batches, and requests that were given up in time.
    private final class Log: Sendable {
        let sizes = Mutex<[Int]>([])
        let givenUp = Mutex<Set<Int>>([])
    }

    /// Token rows and columns of all pictures.
    private static let (rows, columns) = (4, 6)

    /// A request that differs from others in everything that may differ in a batch.
    private static func request(_ random: inout SeededGenerator, pixels: Int) -> GenerationRequest {
        let prompts = ["a lighthouse", "a red fox", "", "blue hills in the morning"]
        var request = GenerationRequest(prompt: prompts.randomElement(using: &random) ?? "", seed: random.next())
        if Int.random(in: 0..<4, using: &random) == 0 { request.prompts.append("another") }
        request.picturesPerPrompt = .random(in: 1...2, using: &random)
        request.steps = .random(in: 1...5, using: &random)
        request.guidanceScale = [1, 3, 7.5].randomElement(using: &random)
        request.temperature = TemperatureRange(from: .random(in: 0...3, using: &random), to: 0)
        request.negativePrompt = [nil, "fog"].randomElement(using: &random) ?? nil
        let (height, width) = (rows * pixels, columns * pixels)
        (request.height, request.width) = (height, width)
        let shade = UInt8.random(in: 0...255, using: &random)
        let image = HostTensor(
            dtype: .u8, dims: [height, width, 3],
            bytes: (0..<(height * width * 3)).map { UInt8(truncatingIfNeeded: $0 * 7) &+ shade })
        switch Int.random(in: 0..<4, using: &random) {
        case 0:
            request.steps = .random(in: 2...5, using: &random)
            request.editing = .variation(image: image, strength: 0.7)
        case 1:
            let edge = Int.random(in: pixels..<width, using: &random)
            let mask = HostTensor(
                dtype: .u8, dims: [height, width], bytes: (0..<(height * width)).map { $0 % width < edge ? 255 : 0 })
            request.editing = .inpainting(image: image, mask: mask, strength: 1)
        default: break
        }
        return request
    }

    private static func models() throws -> [any LoadedImageModel] {
        [
            try AmusedImageModel(AmusedModel(preset: "amused-tiny", seed: 2)),
            MuseImageModel(try MuseModel(preset: "muse-tiny", seed: 2)),
        ]
    }

    /// Pictures of requests, each by itself on one device.
    private static func alone(
        _ requests: [GenerationRequest], _ model: any LoadedImageModel
    ) async throws -> [[GeneratedPicture]] {
        let cluster = SimulatedCluster(mesh: .single, rules: LogicalAxisRules([:]), sources: try model.loaded.sources())
        let loop = DecodingLoop(model: model, runner: cluster, requests: RequestIdentifiers(), batchLimit: 1)
        var result: [[GeneratedPicture]] = []
        for request in requests { result.append(try await loop.generate(request).pictures) }
        return result
    }

    @Test("Random mixtures give every picture the bytes that it has alone, on any mesh", arguments: 0..<2)
    func mixtures(family: Int) async throws {
        let model = try Self.models()[family]
        var random = SeededGenerator(seed: UInt64(40 + family))
        let requests = (0..<9).map { _ in Self.request(&random, pixels: model.pixelsPerToken) }
        let expected = try await Self.alone(requests, model)
        for (mesh, rules) in Self.meshes {
            let cluster = SimulatedCluster(
                mesh: mesh, rules: LogicalAxisRules(rules), sources: try model.loaded.sources())
            let log = Log()
            let loop = DecodingLoop(
                model: model, runner: cluster, requests: RequestIdentifiers(), batchLimit: 4, slots: 6,
                observe: { report in
                    if report.activity == .step { log.sizes.withLock { $0.append(report.pictures) } }
                })
            for request in requests { try await loop.prepare(request, sizes: [1, 2, 3, 4]) }
            // Some are given up on the way, others join when some have made steps.
            try await withThrowingTaskGroup(of: (Int, [GeneratedPicture]).self) { group in
                for (index, request) in requests.enumerated() {
                    let (isGivenUp, wait) = (index % 4 == 3, index * 2)
                    group.addTask {
                        while log.sizes.withLock({ $0.count }) < wait, await loop.status.active > 0 {
                            await Task.yield()
                        }
                        let (begun, beginning) = AsyncStream.makeStream(of: Void.self)
                        let task = Task {
                            defer { beginning.finish() }
                            return try await loop.generate(request) { event in
                                if case .admitted = event { beginning.finish() }
                            }.pictures
                        }
                        if isGivenUp {
                            for await _ in begun {}
                            task.cancel()
                        }
                        do { return (index, try await task.value) } catch is CancellationError {
                            log.givenUp.withLock { _ = $0.insert(index) }
                            return (index, expected[index])
                        }
                    }
                }
                for try await (index, pictures) in group {
                    #expect(pictures == expected[index], "request \(index) on \(mesh.axes), speeds \(mesh.speeds)")
                }
            }
            #expect(log.givenUp.withLock { $0.isSubset(of: [3, 7]) })
            #expect(log.sizes.withLock { $0.contains { $0 > 1 } }, "something was batched")
            #expect(await loop.status.states.isEmpty)
            #expect(cluster.heldRequests.isEmpty, "nothing stays on the devices")
        }
    }

    @Test("A request goes on from its states, alone or among others")
    func resumption() async throws {
        let model = try Self.models()[0]
        var random = SeededGenerator(seed: 4)
        let requests = (0..<3).map { _ in
            var request = Self.request(&random, pixels: model.pixelsPerToken)
            request.steps = 4
            return request
        }
        let expected = try await Self.alone(requests, model)
        let cluster = SimulatedCluster(mesh: .single, rules: LogicalAxisRules([:]), sources: try model.loaded.sources())
        let loop = DecodingLoop(model: model, runner: cluster, requests: RequestIdentifiers(), batchLimit: 4)
        for (request, pictures) in zip(requests, expected) {
            let saved = Mutex<[Int: DecodingState]>([:])
            _ = try await loop.generate(request) { event in
                guard case .stepped(let progress) = event else { return }
                for state in progress.states where state.nextStep == 3 { saved.withLock { $0[state.picture] = state } }
            }
            let states = saved.withLock { Array($0.values) }
            async let other = loop.generate(requests[0])
            #expect(try await loop.generate(request, resuming: states).pictures == pictures)
            #expect(try await other.pictures == expected[0])
        }
    }
}
