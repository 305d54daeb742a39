import Coordinator
import Foundation
import Models
import Program
import Sharding
import Tensor
import Testing

/// What diffusers and transformers compute, in fp32, on one device and sharded.
@Suite("Parity with the reference implementation", .serialized)
struct ParityTests {
    /// One forward pass (README of the fixtures).
    static let passTolerance: Float = 2e-5
    /// Logits in the later steps of a sampling run.
    static let laterTolerance: Float = 5e-5

    struct Place: Sendable, CustomStringConvertible {
        var name: String
        var mesh: Mesh
        var rules: [String: [String]]
        var description: String { name }
    }

    static let places: [Place] = [
        Place(name: "one device", mesh: .single, rules: [:]),
        Place(name: "model 2", mesh: Mesh([.init("model", 2)]), rules: model),
        Place(name: "model 3", mesh: Mesh([.init("model", 3)]), rules: model),
        Place(
            name: "guidance 2", mesh: Mesh([.init("guidance", 2)]),
            rules: ["guidance": ["guidance"], "sampling": ["guidance"], "rows": ["guidance"]]),
    ]
    private static let model = ["heads": ["model"], "mlp": ["model"], "vocab": ["model"], "rows": ["model"]]

    @Test("The fixtures are found")
    func found() { #expect(!ReferenceFixture.all.isEmpty) }

    @Test("Every recorded result", arguments: ReferenceFixture.all, places)
    func fixture(_ fixture: ReferenceFixture, _ place: Place) async throws {
        let image = try AmusedImageModel(
            try AmusedModel(folder: fixture.path, precision: .f32), exposesInternals: true)
        let bench = try Bench(fixture: fixture, image: image, place: place)
        try bench.textEncoder()
        for label in ["square", "nonsquare", "all_masked"] { try bench.transformer(label) }
        for label in ["square", "nonsquare"] { try bench.quantizer(label) }
        try bench.halfPrecisionFiles()
        for name in fixture.info.trajectories.keys.sorted() { try await bench.trajectory(name) }
        let score = bench.score
        print(
            "parity: \(fixture.path) on \(place.name): \(score.checks) checks, largest error \(score.largest)"
                + (score.failures.isEmpty ? "" : ", \(score.failures.count) FAILED"))
        #expect(score.failures.isEmpty, "\(score.failures.joined(separator: "\n"))")
    }

    /// One fixture on one mesh.
    struct Bench {
        let fixture: ReferenceFixture
        let image: AmusedImageModel
        let place: Place
        let cluster: SimulatedCluster
        let score = ParityScore()

        init(fixture: ReferenceFixture, image: AmusedImageModel, place: Place) throws {
            self.fixture = fixture
            self.image = image
            self.place = place
            cluster = try Self.cluster(image.model, place)
        }

        static func cluster(_ model: AmusedModel, _ place: Place) throws -> SimulatedCluster {
            var everything = Program(name: "all")
            everything.parameters = model.parameters
            return SimulatedCluster(
                mesh: place.mesh, rules: LogicalAxisRules(place.rules), sources: try model.sources(of: everything))
        }

        func run(
            _ program: Program, _ inputs: [String: HostTensor], on other: SimulatedCluster? = nil
        ) throws -> [String: HostTensor] {
            let cluster = other ?? self.cluster
            let key = try cluster.installNow(program)
            return try cluster.runNow(key, request: 1, inputs: inputs)
        }

        func textEncoder() throws {
            let ids = try fixture.tensor("text/input_ids")
            let (batch, length) = (ids.dims[0], ids.dims[1])
            for (row, prompt) in fixture.info.prompts.prefix(batch).enumerated() {
                score.exact(
                    "tokenizer \(prompt)", image.encode(prompt: prompt).ids,
                    Array(ids.integers[(row * length)..<((row + 1) * length)]))
            }
            let ends = (0..<batch).map { row in
                Int32(
                    image.model.configuration.text.pooledPosition(
                        of: Array(ids.integers[(row * length)..<((row + 1) * length)])))
            }
            let outputs = try run(
                image.model.textEncoderProgram(batch: batch),
                [
                    "ids": HostTensor(ids.integers, dims: [1, batch, length]),
                    "eosIndex": HostTensor(ends, dims: [1, batch]),
                ])
            for name in ["last_hidden_state", "text_embeds"]
                + (0...image.model.configuration.text.layerCount).map({ "hidden_states.\($0)" })
            {
                let expected = try fixture.tensor("text/\(name)")
                score.compare("text/\(name)", outputs[name], expected, tolerance: passTolerance)
            }
        }

        private func transformerInputs(_ label: String) throws -> [String: HostTensor] {
            func lifted(_ name: String) throws -> HostTensor {
                let tensor = try fixture.tensor("uvit/\(label)/\(name)")
                return HostTensor(dtype: tensor.dtype, dims: [1] + tensor.dims, bytes: tensor.bytes)
            }
            return [
                "encoder_hidden_states": try lifted("encoder_hidden_states"),
                "pooled_text_emb": try lifted("pooled_text_emb"), "microConditions": try lifted("micro_conds"),
                "grid": try lifted("input_ids"),
            ]
        }

        func transformer(_ label: String) throws {
            guard fixture.has("uvit/\(label)/logits") else { return }
            let inputs = try transformerInputs(label)
            let grid = inputs["grid"]?.dims ?? []
            let outputs = try run(
                image.model.transformerProgram(batch: grid[1], rows: grid[2], columns: grid[3]), inputs)
            score.compare(
                "uvit/\(label)/logits", outputs["logits"], try fixture.channelsLast("uvit/\(label)/logits"),
                tolerance: passTolerance)
            if fixture.has("uvit/\(label)/micro_embedding") {
                score.compare(
                    "uvit/\(label)/micro_embedding", outputs["micro_embedding"],
                    try fixture.tensor("uvit/\(label)/micro_embedding"), tolerance: passTolerance)
            }
        }

        /// Weights stored in half precision, computed with in fp32.
        func halfPrecisionFiles() throws {
            for (dtype, label) in [(DType.bf16, "bf16"), (.f16, "fp16")] {
                let name = "uvit/square/logits_\(label)_weights_fp32_math"
                guard fixture.has(name) else { continue }
                let scratch = try ScratchFile()
                try HalfPrecision.write(
                    "transformer", of: image.model, as: dtype, to: scratch.path)
                let model = try AmusedModel(
                    folder: fixture.path, precision: .f32, replacing: ["transformer": scratch.path])
                let inputs = try transformerInputs("square")
                let grid = inputs["grid"]?.dims ?? []
                let outputs = try run(
                    model.transformerProgram(batch: grid[1], rows: grid[2], columns: grid[3]), inputs,
                    on: try Self.cluster(model, place))
                score.compare(name, outputs["logits"], try fixture.channelsLast(name), tolerance: passTolerance)
            }
        }

        func quantizer(_ label: String) throws {
            let ids = try fixture.tensor("vq/\(label)/decode_ids")
            let (rows, columns) = (ids.dims[1], ids.dims[2])
            let decoded = try run(
                image.model.decodeProgram(batch: 1, rows: rows, columns: columns, exposesImage: true), ["tokens": ids])
            score.compare(
                "vq/\(label)/decode", decoded["image"],
                try fixture.channelsLast("vq/\(label)/decode_image_unclipped"), tolerance: passTolerance)
            let encoded = try run(
                image.model.encodeProgram(batch: 1, rows: rows, columns: columns, exposesLatents: true),
                ["image": try fixture.channelsLast("vq/\(label)/encode_image")])
            score.compare(
                "vq/\(label)/latents", encoded["latents"], try fixture.channelsLast("vq/\(label)/encode_latents"),
                tolerance: passTolerance)
            score.exact(
                "vq/\(label)/ids", encoded["tokens"]?.integers ?? [],
                try fixture.tensor("vq/\(label)/encode_ids").integers)
        }
    }
}
