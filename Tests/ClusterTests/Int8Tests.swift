import Coordinator
import Models
import Program
import Runtime
import Sharding
import Tensor
import Testing

/// The int8 mode: near bf16, smaller, and the same bits on any mesh.
@Suite("int8 mode", .serialized)
struct Int8Tests {
    private static let model = ["heads": ["model"], "mlp": ["model"], "vocab": ["model"], "rows": ["model"]]
    private static let meshes: [(Mesh, [String: [String]])] = [
        (Mesh([.init("model", 2)]), model), (Mesh([.init("model", 3)]), model), (Mesh([.init("model", 4)]), model),
        (Mesh([.init("model", 3)], speeds: [1, 3, 2]), model),
        (Mesh([.init("tokens", 2)]), ["tokens": ["tokens"], "rows": ["tokens"]]),
    ]

    private static func sources(_ model: AmusedModel) throws -> [String: ParameterSource] {
        try model.sources(of: Program(name: "all", parameters: model.parameters))
    }

    /// A whole request in one process.
    private static func picture(
        _ model: AmusedModel, _ mesh: Mesh, _ rules: [String: [String]], seed: UInt64 = 5
    ) async throws -> GeneratedPicture {
        let cluster = SimulatedCluster(mesh: mesh, rules: LogicalAxisRules(rules), sources: try sources(model))
        let loop = DecodingLoop(model: try AmusedImageModel(model), runner: cluster, requests: RequestIdentifiers())
        var request = GenerationRequest(prompt: "a lighthouse in a storm", seed: seed)
        request.steps = 4
        (request.width, request.height) = (128, 128)
        return try #require(try await loop.generate(request).pictures.first)
    }

    @Test("A whole picture has the same bytes on any mesh, and is not bf16's")
    func pictures() async throws {
        let model = try AmusedModel(preset: "amused-tiny", seed: 2, precision: .int8)
        let one = try await Self.picture(model, .single, [:])
        for (mesh, rules) in Self.meshes {
            let other = try await Self.picture(model, mesh, rules)
            #expect(other == one, "on \(mesh.axes), speeds \(mesh.speeds)")
        }
        let half = try await Self.picture(try AmusedModel(preset: "amused-tiny", seed: 2), .single, [:])
        #expect(half.pixels != one.pixels)
    }

    /// Fed with the same tokens, most masked positions get the code that bf16 gives them.
    @Test("Codes agree with bf16's", arguments: ReferenceFixture.all)
    func agreement(fixture: ReferenceFixture) throws {
        let model = try RecordedLogits(fixture)
        let (half, int8) = (try model.run(.bf16).logits, try model.run(.int8).logits)
        let codes = RecordedLogits.codes
        func error(_ got: HostTensor) -> Float { RecordedLogits.error(got, model.reference) }
        let same = zip(codes(half), codes(int8)).filter { $0 == $1 }.count
        print(
            "int8: \(fixture.path): \(same) of \(codes(half).count) codes as in bf16; logits off by \(error(int8)) "
                + "(bf16 \(error(half))), root mean square, relative")
        #expect(error(int8) < 0.1 && error(int8) > error(half))
        #expect(Double(same) > 0.75 * Double(codes(half).count))
    }

    @Test("The plan says what a worker keeps, and that it is little more than a byte a weight")
    func memory() throws {
        func kept(_ precision: ModelPrecision, _ mesh: Mesh, _ rules: [String: [String]]) throws -> [(
            plan: Int, real: Int
        )] {
            let model = try AmusedModel(preset: "amused-tiny", seed: 2, precision: precision)
            var planner = Planner(mesh: mesh, rules: LogicalAxisRules(rules))
            let text = try planner.compile(model.textProgram(batch: 1, guided: true)).program
            let step = try planner.compile(
                model.stepProgram(batch: 1, guidance: .both, rows: 8, columns: 8, noise: .generated)
            ).program
            return try (0..<mesh.deviceCount).map { device in
                let locals = [text.locals[device], step.locals[device]]
                let store = WeightStore(sources: try Self.sources(model))
                try store.load(for: locals)
                return (CostModel.weightByteCount(of: locals), store.byteCount)
            }
        }
        for (mesh, rules) in [(Mesh.single, [:])] + Self.meshes.prefix(2) {
            let (half, int8) = (try kept(.bf16, mesh, rules), try kept(.int8, mesh, rules))
            for (half, int8) in zip(half, int8) {
                // Tables, norms and biases stay; odd sizes are padded to tiles, which weighs on a tiny model.
                #expect(Double(int8.plan) < 0.75 * Double(half.plan))
                #expect(int8.real >= int8.plan && Double(int8.real) < 1.35 * Double(int8.plan))
                #expect(int8.real < half.real)
            }
            print("int8: weights in bytes (plan, real), \(mesh.axes.map(\.size)): \(int8), bf16 \(half)")
        }
    }
}
