import Coordinator
import Foundation
import Models
import Program
import Runtime
import Sharding
import Tensor
import Testing

/// Whole Muse requests in one process: the same bytes on any mesh, whatever the weights come from.
@Suite("Muse", .serialized)
struct MuseTests {
    private static let model = ["heads": ["model"], "mlp": ["model"], "vocab": ["model"], "rows": ["model"]]
    private static let guided = [
        "guidance": ["guidance"], "sampling": ["guidance"], "heads": ["model"], "mlp": ["model"], "vocab": ["model"],
        "rows": ["guidance", "model"],
    ]
    private static let meshes: [(Mesh, [String: [String]])] = [
        (Mesh([.init("model", 2)]), model), (Mesh([.init("model", 3)]), model),
        (Mesh([.init("guidance", 2), .init("model", 2)]), guided),
        (Mesh([.init("model", 3)], speeds: [1, 3, 2]), model),
        (Mesh([.init("tokens", 2)]), ["tokens": ["tokens"], "rows": ["tokens"], "sampling": ["tokens"]]),
        (Mesh([.init("data", 2)]), ["batch": ["data"]]),
    ]

    private static func pictures(
        _ model: MuseModel, _ mesh: Mesh = .single, _ rules: [String: [String]] = [:],
        _ change: (inout GenerationRequest) -> Void = { _ in }
    ) async throws -> [GeneratedPicture] {
        let cluster = SimulatedCluster(mesh: mesh, rules: LogicalAxisRules(rules), sources: try model.sources())
        let loop = DecodingLoop(model: MuseImageModel(model), runner: cluster, requests: RequestIdentifiers())
        var request = GenerationRequest(prompt: "a lighthouse in a storm", seed: 5)
        request.steps = 4
        request.picturesPerPrompt = 2
        change(&request)
        let pictures = try await loop.generate(request).pictures
        let traffic = cluster.traffic
        #expect(traffic.sent == traffic.planned, "bytes sent differ from the plan's")
        return pictures
    }

    @Test("Pictures have the same bytes on any mesh", arguments: [ModelPrecision.bf16, .int8])
    func meshes(precision: ModelPrecision) async throws {
        let model = try MuseModel(preset: "muse-tiny", seed: 2, precision: precision)
        let one = try await Self.pictures(model)
        #expect(one.count == 2 && one[0].pixels != one[1].pixels)
        #expect(one[0].pixels.dims == [128, 128, 3])
        for (mesh, rules) in Self.meshes {
            let other = try await Self.pictures(model, mesh, rules)
            #expect(other == one, "on \(mesh.axes), speeds \(mesh.speeds)")
        }
    }

    @Test("The prompt, the negative prompt and the guidance schedule change the picture")
    func conditions() async throws {
        let model = try MuseModel(preset: "muse-tiny", seed: 2)
        let plain = try await Self.pictures(model)
        #expect(try await Self.pictures(model) { $0.prompts = ["a red fox"] } != plain)
        #expect(try await Self.pictures(model) { $0.negativePrompt = "fog" } != plain)
        #expect(try await Self.pictures(model) { $0.guidanceSchedule = .constant } != plain)
        // An empty negative prompt is no text, and so is none.
        #expect(try await Self.pictures(model) { $0.negativePrompt = "" } == plain)
    }

    /// With no guidance at all, and with a ramp of one step that has none, the first step draws the same tokens.
    @Test("A step without guidance is the conditional half's, on any mesh")
    func conditionalSteps() async throws {
        let model = try MuseModel(preset: "muse-tiny", seed: 2, precision: .f32)
        for (mesh, rules) in [(Mesh.single, [:])] + Self.meshes.prefix(3) {
            let cluster = SimulatedCluster(mesh: mesh, rules: LogicalAxisRules(rules), sources: try model.sources())
            let runner = RecordingRunner(cluster)
            let loop = DecodingLoop(model: MuseImageModel(model), runner: runner, requests: RequestIdentifiers())
            func firstTokens(_ scale: Float) async throws -> [Int32] {
                var request = GenerationRequest(prompt: "a lighthouse", seed: 9)
                (request.steps, request.guidanceScale) = (3, scale)
                let tokens = Collected()
                _ = try await loop.generate(request) { event in
                    if case .stepped(let step) = event { await tokens.add(step.states.flatMap(\.tokens)) }
                }
                return try #require(await tokens.all.first)
            }
            #expect(try await firstTokens(1) == firstTokens(4))
            let whole = ["text", "step", "step", "step", "decode"]
            #expect(await runner.ran == whole + ["text", "conditionalStep", "step", "step", "decode"])
        }
    }

    @Test("A saved model gives the pictures of the weights that were generated")
    func saved() async throws {
        let model = try MuseModel(preset: "muse-tiny", seed: 4)
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("tessera-\(UUID().uuidString)").path
        defer { try? FileManager.default.removeItem(atPath: folder) }
        let sources = try model.sources()
        try model.save(to: folder, dtype: .bf16) { spec, dtype in
            try WeightValues.fileBytes(of: spec, as: dtype, from: try #require(sources[spec.name]))
        }
        let settings = ModelSettings(source: .path(folder), weights: .file)
        let opened = try #require(try ModelLoader.load(settings) as? MuseImageModel)
        #expect(try await Self.pictures(opened.model) == Self.pictures(model))
        let (mesh, rules) = Self.meshes[1]
        #expect(try await Self.pictures(opened.model, mesh, rules) == Self.pictures(model))
    }

    @Test("A picture can be varied and painted into, and a smaller one made")
    func editing() async throws {
        let model = try MuseModel(preset: "muse-tiny", seed: 2)
        let source = HostTensor(
            dtype: .u8, dims: [96, 128, 3], bytes: (0..<(96 * 128 * 3)).map { UInt8(truncatingIfNeeded: $0 * 7) })
        let mask = HostTensor(
            dtype: .u8, dims: [96, 128], bytes: (0..<(96 * 128)).map { $0 % 128 < 64 ? 255 : 0 })
        for (mesh, rules) in Self.meshes.prefix(3) {
            for editing in [
                GenerationRequest.Editing.variation(image: source, strength: 0.5),
                .inpainting(image: source, mask: mask, strength: 1),
            ] {
                let one = try await Self.pictures(model) { $0.editing = editing }
                #expect(one[0].pixels.dims == [96, 128, 3])
                #expect(try await Self.pictures(model, mesh, rules) { $0.editing = editing } == one)
            }
        }
        let error = await #expect(throws: ModelError.self) {
            _ = try await Self.pictures(model) { ($0.width, $0.height) = (16, 256) }
        }
        #expect(error?.description.contains("positions for 128 x 128") == true)
    }
}

/// Tokens after each step.
private actor Collected {
    private(set) var all: [[Int32]] = []
    func add(_ tokens: [Int32]) { all.append(tokens) }
}

/// Names the programs that are run.
private actor RecordingRunner: ProgramRunner {
    private let cluster: SimulatedCluster
    private var names: [String: String] = [:]
    private(set) var ran: [String] = []

    init(_ cluster: SimulatedCluster) { self.cluster = cluster }

    func install(
        _ programs: [Program], progress: @escaping @Sendable (LoadingProgress) -> Void
    ) async throws -> [ProgramKey] {
        let keys = try await cluster.install(programs, progress: progress)
        for (program, key) in zip(programs, keys) { names[key.name] = program.name }
        return keys
    }

    func run(
        _ key: ProgramKey, request: UInt64, slots: [UInt64], inputs: [String: HostTensor]
    ) async throws -> [String: HostTensor] {
        ran.append(names[key.name] ?? "")
        return try await cluster.run(key, request: request, slots: slots, inputs: inputs)
    }

    func release(request: UInt64) async { await cluster.release(request: request) }
}
