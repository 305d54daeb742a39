import Coordinator
import Foundation
import Models
import Program
import Sharding
import Synchronization
import Tensor
import Testing

/// What PyTorch computes with the same weights, in fp32, on one device and sharded (Tools/reference/record_muse.py).
@Suite("Muse's parity with PyTorch", .serialized)
struct MuseParityTests {
    struct Info: Decodable {
        var preset: String
        var seed: UInt64
        var prompts: [String]
        var runs: [String: Run]
    }

    struct Run: Decodable {
        var prompt: String
        var negative_prompt: String?
        var guidance_scale: Float
        var guidance_schedule: String
        var steps: Int
        var temperature: Float
    }

    private let expected: SafetensorsFile
    private let info: Info
    private let image: MuseImageModel
    private let score = ParityScore()

    init() throws {
        let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("Fixtures/muse_tiny")
        expected = try SafetensorsFile(path: folder.appendingPathComponent("expected.safetensors").path)
        info = try JSONDecoder().decode(
            Info.self, from: try Data(contentsOf: folder.appendingPathComponent("info.json")))
        image = MuseImageModel(
            try MuseModel(preset: info.preset, seed: info.seed, precision: .f32), exposesInternals: true)
    }

    @Test("Every recorded result", arguments: ParityTests.places)
    func recorded(place: ParityTests.Place) async throws {
        let cluster = SimulatedCluster(
            mesh: place.mesh, rules: LogicalAxisRules(place.rules), sources: try image.model.sources())
        try text(cluster)
        for name in ["full", "part"] { try step(name, cluster) }
        try pictures(cluster)
        for (name, run) in info.runs.sorted(by: { $0.key < $1.key }) { try await decode(name, run, cluster) }
        print("muse parity on \(place.name): \(score.checks) checks, largest error \(score.largest)")
        #expect(score.failures.isEmpty, "\(score.failures.joined(separator: "\n"))")
    }

    private func call(
        _ cluster: SimulatedCluster, _ program: Program, request: UInt64 = 1, _ inputs: [String: HostTensor]
    ) throws -> [String: HostTensor] {
        try cluster.runNow(try cluster.installNow(program), request: request, slots: [request], inputs: inputs)
    }

    /// Ids, text features, and all layers' keys and values.
    private func text(_ cluster: SimulatedCluster) throws {
        let ids = try expected.read("text/ids")
        let (count, length) = (ids.dims[0], ids.dims[1])
        for (row, prompt) in (info.prompts + [""]).enumerated() {
            score.exact(
                "ids of \(prompt)", image.encode(prompt: prompt).ids,
                Array(ids.integers[(row * length)..<((row + 1) * length)]))
        }
        let outputs = try call(
            cluster, image.model.textProgram(batch: count, guided: false, exposesFeatures: true),
            ["ids": HostTensor(ids.integers, dims: [1, count, length])])
        score.compare(
            "features", outputs["features"], try expected.read("text/features"), tolerance: ParityTests.passTolerance)
        for layer in 0..<image.model.configuration.transformer.layerCount {
            for kind in ["key", "value"] {
                let name = "layers.\(layer).cross_attention.\(kind)"
                score.compare(
                    name, outputs["exposed.\(name)"], try expected.read("text/\(name)"),
                    tolerance: ParityTests.passTolerance)
            }
        }
    }

    /// One forward pass of the first prompt, without guidance, on a whole grid and on a part of one.
    private func step(_ name: String, _ cluster: SimulatedCluster) throws {
        let grid = try expected.read("\(name)/grid")
        let (rows, columns) = (grid.dims[1], grid.dims[2])
        let ids = image.encode(prompt: info.prompts[0]).ids
        _ = try call(
            cluster, image.model.textProgram(batch: 1, guided: false, exposesFeatures: true), request: 2,
            ["ids": HostTensor(ids, dims: [1, 1, ids.count])])
        let outputs = try call(
            cluster,
            image.model.stepProgram(
                batch: 1, guidance: .single, rows: rows, columns: columns, noise: .none, exposesLogits: true),
            request: 2,
            [
                "grid": HostTensor(grid.integers, dims: [1, 1, rows, columns]), "tokens": grid,
                "scale": HostTensor([Float(1)], dims: [1]), "temperature": HostTensor([Float(0)], dims: [1]),
                "maskCount": HostTensor([Int32(-1)], dims: [1]),
            ])
        score.compare(
            "\(name)/logits", outputs["logits"], try expected.read("\(name)/logits"),
            tolerance: ParityTests.passTolerance)
    }

    private func pictures(_ cluster: SimulatedCluster) throws {
        let ids = try expected.read("vq/ids")
        let (rows, columns) = (ids.dims[1], ids.dims[2])
        let decoded = try call(
            cluster, image.model.decodeProgram(batch: 1, rows: rows, columns: columns, exposesImage: true),
            ["tokens": ids])
        score.compare(
            "vq/image", decoded["image"], try expected.read("vq/image"), tolerance: ParityTests.passTolerance)
        let encoded = try call(
            cluster, image.model.encodeProgram(batch: 1, rows: rows, columns: columns, exposesLatents: true),
            ["image": try expected.read("vq/source")])
        score.compare(
            "vq/latents", encoded["latents"], try expected.read("vq/latents"), tolerance: ParityTests.passTolerance)
        score.exact("vq/found", encoded["tokens"]?.integers ?? [], try expected.read("vq/found").integers)
    }

    /// A whole recorded run, with the recorded noise in place of the generator.
    private func decode(_ name: String, _ run: Run, _ cluster: SimulatedCluster) async throws {
        var request = GenerationRequest(prompt: run.prompt)
        request.negativePrompt = run.negative_prompt
        request.guidanceScale = run.guidance_scale
        request.guidanceSchedule = GuidanceSchedule(rawValue: run.guidance_schedule)
        request.steps = run.steps
        request.temperature = TemperatureRange(from: run.temperature, to: 0)
        let noise = RecordedNoise(
            exponential: try (0..<run.steps).map { try expected.read("\(name)/step\($0)/exp_noise").floats },
            gumbel: try (0..<run.steps).map { try expected.read("\(name)/step\($0)/gumbel").floats })
        let steps = Mutex<[StepProgress]>([])
        let loop = DecodingLoop(model: image, runner: cluster, requests: RequestIdentifiers())
        let result = try await loop.generate(request, noise: .recorded(noise)) { event in
            if case .stepped(let progress) = event { steps.withLock { $0.append(progress) } }
        }
        for (index, progress) in steps.withLock({ $0 }).enumerated() {
            let step = "\(name)/step\(index)"
            score.exact(
                "\(step)/tokens", progress.states.flatMap(\.tokens), try expected.read("\(step)/tokens").integers)
            score.exact(
                "\(step)/sampled", progress.outputs["sampled"]?.integers ?? [],
                try expected.read("\(step)/sampled").integers)
            score.compare(
                "\(step)/logits", progress.outputs["logits"], try expected.read("\(step)/logits"),
                tolerance: index == 0 ? ParityTests.passTolerance : ParityTests.laterTolerance)
        }
        score.pixels(
            "\(name)/pixels", result.pictures.flatMap(\.pixels.bytes), try expected.read("\(name)/pixels").bytes)
        score.compare(
            "\(name)/image", result.pictures.first?.unclipped, try expected.read("\(name)/image"),
            tolerance: ParityTests.passTolerance)
    }
}
