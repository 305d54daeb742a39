import Models
import Program
import Sharding
import Tensor
import Testing

/// The bf16 mode against the reference's fp32 results: close by root mean square, and the same bits on any mesh.
@Suite("bf16 mode", .serialized)
struct BFloat16Tests {
    private static let meshes: [(Mesh, [String: [String]])] = [
        (.single, [:]),
        (Mesh([.init("model", 3)]), ["heads": ["model"], "mlp": ["model"], "vocab": ["model"], "rows": ["model"]]),
        (Mesh([.init("tokens", 2)]), ["tokens": ["tokens"], "rows": ["tokens"]]),
    ]

    /// Root mean square of the difference, relative to that of what is expected.
    private func error(_ got: HostTensor?, _ expected: HostTensor) throws -> Float {
        let (a, b) = (try #require(got).floats, expected.floats)
        try #require(a.count == b.count)
        let difference = zip(a, b).reduce(Float(0)) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
        return (difference / b.reduce(Float(0)) { $0 + $1 * $1 }).squareRoot()
    }

    @Test("Logits and pictures are near the reference's and equal on any mesh", arguments: ReferenceFixture.all)
    func near(fixture: ReferenceFixture) throws {
        let model = try AmusedModel(folder: fixture.path)
        var everything = Program(name: "all")
        everything.parameters = model.parameters
        func lifted(_ name: String) throws -> HostTensor {
            let tensor = try fixture.tensor("uvit/square/\(name)")
            return HostTensor(dtype: tensor.dtype, dims: [1] + tensor.dims, bytes: tensor.bytes)
        }
        let grid = try lifted("input_ids")
        let codes = try fixture.tensor("vq/square/decode_ids")
        var first: [HostTensor?] = []
        for (mesh, rules) in Self.meshes {
            let cluster = SimulatedCluster(
                mesh: mesh, rules: LogicalAxisRules(rules), sources: try model.sources(of: everything))
            let transformer = try cluster.installNow(
                model.transformerProgram(batch: grid.dims[1], rows: grid.dims[2], columns: grid.dims[3]))
            let logits = try cluster.runNow(
                transformer, request: 1,
                inputs: [
                    "encoder_hidden_states": try lifted("encoder_hidden_states"),
                    "pooled_text_emb": try lifted("pooled_text_emb"), "microConditions": try lifted("micro_conds"),
                    "grid": grid,
                ])["logits"]
            let decoder = try cluster.installNow(
                model.decodeProgram(batch: 1, rows: codes.dims[1], columns: codes.dims[2], exposesImage: true))
            let image = try cluster.runNow(decoder, request: 1, inputs: ["tokens": codes])["image"]
            if first.isEmpty {
                first = [logits, image]
                #expect(try error(logits, try fixture.channelsLast("uvit/square/logits")) < 0.05)
                #expect(try error(image, try fixture.channelsLast("vq/square/decode_image_unclipped")) < 0.05)
            }
            #expect([logits, image] == first)
        }
    }
}
