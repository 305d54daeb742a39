import Program
import Sharding
import Tensor

/// Stand-ins for model families, small in layers and true to size in everything that decides how to split them.
struct SyntheticModel {
    var width = 2048
    var heads = 16
    var mlp = 8192
    var layers = 3
    /// Rows and columns of the token grid; 1 x 1 for one token of an autoregressive decoder.
    var rows = 16
    var columns = 16
    /// A sixteenth of 8192, as three layers are of 48.
    var vocabulary = 512
    var guidanceRows = 2
    /// Steps of a request; stands for layers that were left out too.
    var steps = 384

    /// A Muse-3B step, 512 rows through layers of width 2048: 384 calls of 3 layers are 24 steps of 48.
    static let muse = SyntheticModel()
    /// A Parti-3B decoding step: 2 rows through layers of width 2048, 1024 steps of 24 layers.
    static let parti = SyntheticModel(rows: 1, columns: 1, steps: 8192)

    func workload(pictures: Int) -> Workload {
        Workload(pictures: pictures, stages: [Workload.Stage(step(pictures), calls: steps)])
    }

    private static let grid: [String?] = ["guidance", "batch", "tokens", nil, nil]

    private func step(_ pictures: Int) -> Program {
        var graph = ProgramBuilder(name: "step", activation: .bf16)
        let type = TensorType(
            .bf16,
            [
                Dim(guidanceRows, granule: 1), Dim(pictures, granule: 1), Dim(rows, granule: 1), Dim(columns),
                Dim(width),
            ])
        var x = graph.input("x", type, axes: Self.grid)
        for index in 0..<layers { x = graph.scope("layers.\(index)") { layer(&$0, x, "layers.\(index)") } }
        let head = graph.parameter(
            spec("head", [vocabulary, width]), granules: [vocabulary / 16, nil], axes: ["vocab", nil])
        let logits = graph.add(.dot, [x, head], ["contract": .int(1)], dtype: .f32)
        let scale = graph.input("scale", TensorType(.f32, [Dim(pictures, granule: 1)]), axes: ["batch"])
        let guided = graph.add(.guide, [logits, scale])
        graph.output("top", graph.add(.reduce, [guided], ["dims": .ints([3]), "kind": .text("max")]))
        return graph.program
    }

    private func layer(_ graph: inout ProgramBuilder, _ x: Program.ValueID, _ name: String) -> Program.ValueID {
        let size = width / heads
        var values = ["q", "k", "v"].map { part in
            let weight = graph.parameter(
                spec("\(name).\(part)", [heads, size, width]), granules: [1, nil, nil], axes: ["heads", nil, nil])
            return graph.add(.dot, [x, weight], ["contract": .int(1)])
        }
        if rows * columns > 1 {
            values[0] = graph.add(
                .attention, values,
                ["queryDims": .int(2), "keyDims": .int(2), "causal": .int(0), "scale": .float(0.1)])
        }
        let out = graph.parameter(
            spec("\(name).out", [width, heads, size]), granules: [nil, 1, nil], axes: [nil, "heads", nil])
        var y = graph.add(.add, [x, graph.add(.dot, [values[0], out], ["contract": .int(2)])], axes: Self.grid)
        let up = graph.parameter(
            spec("\(name).up", [mlp, width]), granules: [mlp / 16, nil], axes: ["mlp", nil])
        let down = graph.parameter(
            spec("\(name).down", [width, mlp]), granules: [nil, mlp / 16], axes: [nil, "mlp"])
        let hidden = graph.add(
            .activation, [graph.add(.dot, [y, up], ["contract": .int(1)])], ["kind": .text("gelu")])
        y = graph.add(.add, [y, graph.add(.dot, [hidden, down], ["contract": .int(1)])], axes: Self.grid)
        return y
    }

    private func spec(_ name: String, _ dims: [Int]) -> ParameterSpec {
        ParameterSpec(name: name, part: "model", tensor: name, fileDims: dims)
    }
}

extension MachineProfile {
    /// Equal machines: so many floating-point operations a second in large products, and bytes a second from memory.
    static func uniform(
        _ count: Int, rate: Double = 1e12, memory: Double = 50e9, link: Link
    ) -> MachineProfile {
        MachineProfile(
            workers: (0..<count).map { .synthetic("w\($0)", rate: rate, memory: memory) }, link: link)
    }
}

extension MachineProfile.Worker {
    static func synthetic(_ name: String, rate: Double = 1e12, memory: Double = 50e9) -> MachineProfile.Worker {
        MachineProfile.Worker(
            name: name, origin: .measured, cores: 8,
            matrixRates: [
                .init(precision: .bf16, rows: 1, depth: 2048, columns: 2048, rate: memory),
                .init(precision: .bf16, rows: 512, depth: 2048, columns: 2048, rate: rate),
            ], attentionRate: rate / 4, elementRate: 10e9, memoryBandwidth: memory, instructionSeconds: 2e-6)
    }
}

extension MachineProfile.Link {
    /// 1 Gbit/s Ethernet.
    static let gigabit = MachineProfile.Link(latency: 100e-6, bandwidth: 117e6, origin: .measured)
    /// 100 Gbit/s with short round trips.
    static let fast = MachineProfile.Link(latency: 10e-6, bandwidth: 11e9, origin: .measured)
}

/// The rules that a cluster file without any has.
func usualRules(_ mesh: [String]) -> LogicalAxisRules {
    let usual = [
        "batch": ["data"], "guidance": ["guidance"], "heads": ["model"], "mlp": ["model"], "vocab": ["model"],
        "tokens": ["tokens"], "rows": ["rows", "tokens", "guidance", "model"],
    ]
    return LogicalAxisRules(usual.mapValues { $0.filter(mesh.contains) }.filter { !$0.value.isEmpty })
}
