import Coordinator
import Models
import Program
import Runtime
import Sharding
import Tensor
import Testing

/// The transformer of a recorded aMUSEd model on the recorded inputs, in some precision on some mesh.
struct RecordedLogits {
    /// Logits as the reference implementation has them, `[G, B, Y, X, V]`.
    let reference: HostTensor
    private let fixture: ReferenceFixture

    init(_ fixture: ReferenceFixture) throws {
        self.fixture = fixture
        reference = try fixture.channelsLast("uvit/square/logits")
    }

    private func lifted(_ name: String) throws -> HostTensor {
        let tensor = try fixture.tensor("uvit/square/\(name)")
        return HostTensor(dtype: tensor.dtype, dims: [1] + tensor.dims, bytes: tensor.bytes)
    }

    /// Logits of the model, and what the devices sent for them beside what the plan says.
    func run(
        _ precision: ModelPrecision, mesh: Mesh = .single, rules: [String: [String]] = [:],
        options: CompilerOptions = CompilerOptions()
    ) throws -> (logits: HostTensor, traffic: (sent: [Int], planned: [Int])) {
        let model = try AmusedModel(folder: fixture.path, precision: precision)
        let sources = try model.sources(of: Program(name: "all", parameters: model.parameters))
        let cluster = SimulatedCluster(mesh: mesh, rules: LogicalAxisRules(rules), sources: sources, options: options)
        let grid = try lifted("input_ids")
        let key = try cluster.installNow(
            model.transformerProgram(batch: grid.dims[1], rows: grid.dims[2], columns: grid.dims[3]))
        let inputs = [
            "encoder_hidden_states": try lifted("encoder_hidden_states"),
            "pooled_text_emb": try lifted("pooled_text_emb"), "microConditions": try lifted("micro_conds"),
            "grid": grid,
        ]
        return (try #require(try cluster.runNow(key, request: 1, inputs: inputs)["logits"]), cluster.traffic)
    }

    /// The likeliest code of every position.
    static func codes(_ logits: HostTensor) -> [Int] {
        let (values, count) = (logits.floats, logits.dims[4])
        return (0..<(values.count / count)).map { row in
            (0..<count).max { values[row * count + $0] < values[row * count + $1] } ?? 0
        }
    }

    /// Root mean square of the difference over that of `right`.
    static func error(_ got: HostTensor, _ right: HostTensor) -> Float {
        let (a, b) = (got.floats, right.floats)
        return
            (zip(a, b).reduce(Float(0)) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
            / b.reduce(Float(0)) { $0 + $1 * $1 }).squareRoot()
    }
}
