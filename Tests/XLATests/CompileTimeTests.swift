import Foundation
import Program
import Sharding
import Tensor
import Testing

/// Compilation is linear in the depth of a model, on eight devices and on 512.
///
/// Times are printed; what is asserted is how they grow, loosely. A debug build leaves out the large mesh and the depth
/// of 96. `swift test -c release -Xswiftc -enable-testing --filter CompileTime` gives the times that count.
@Suite("Compile time", .serialized)
struct CompileTimeTests {
    private static let isRelease: Bool = {
        var isRelease = true
        assert(
            {
                isRelease = false
                return true
            }())
        return isRelease
    }()

    private static let rules = LogicalAxisRules([
        "batch": ["data"], "heads": ["model"], "mlp": ["model"], "whole": [],
    ])

    @Test("Muse-3B with 12 to 96 layers", arguments: [[1, 8], [4, 128]])
    func muse(sizes: [Int]) throws {
        guard Self.isRelease || sizes[1] <= 8 else { return }
        let mesh = Mesh([.init("data", sizes[0]), .init("model", sizes[1])])
        var times: [Int: Double] = [:]
        for layers in Self.isRelease ? [12, 24, 48, 96] : [12, 24, 48] {
            let program = MuseStack(layers: layers).program
            let clock = ContinuousClock()
            var best = Double.infinity
            for _ in 0..<(Self.isRelease ? 3 : 2) {
                let time = try clock.measure {
                    let compiled = try Compiler.compile(program, mesh: mesh, rules: Self.rules)
                    #expect(compiled.locals.count == mesh.deviceCount)
                }
                best = min(best, Double(time.components.attoseconds) / 1e18 + Double(time.components.seconds))
            }
            times[layers] = best
            print(
                "compile time: \(mesh.deviceCount) devices, \(layers) layers, \(program.operations.count) operations: "
                    + String(format: "%.3f s", best))
        }
        // Twice the layers take about twice the time; a square law would take four times.
        let growth = (times[48] ?? 0) / max(1e-6, times[12] ?? 0)
        #expect(growth < 9, "four times the layers take \(growth) times as long")
        if let deepest = times[96] {
            let growth = deepest / max(1e-6, times[24] ?? 0)
            #expect(growth < 9, "four times the layers take \(growth) times as long")
        }
    }
}

/// Muse's base model of 3 B parameters: self-attention over 256 tokens, cross-attention to 128 vectors of text, MLP.
struct MuseStack {
    private var builder = ProgramBuilder(name: "muse", activation: .bf16)
    private let width = 2048
    private let heads = 16
    private let hidden = 8192
    private let textWidth = 4096

    var program: Program { builder.program }

    init(layers: Int) {
        let batch = Dim(8, granule: 1)
        let axes: [String?] = ["batch", nil, nil]
        let given = builder.input("x", TensorType(.f32, [batch, Dim(256, granule: 1), Dim(width)]), axes: axes)
        let text = builder.input("text", TensorType(.f32, [batch, Dim(128, granule: 1), Dim(textWidth)]), axes: axes)
        var x = builder.add(.cast, [given])
        let context = builder.add(.cast, [text])
        for index in 0..<layers {
            x = add(attention(normalized(x, "layers.\(index).norm1"), nil, "layers.\(index).self"), to: x)
            x = add(attention(normalized(x, "layers.\(index).norm2"), context, "layers.\(index).cross"), to: x)
            let y = normalized(x, "layers.\(index).norm3")
            let up = weight("layers.\(index).w1", [hidden, width], [64, nil], ["mlp", nil])
            let down = weight("layers.\(index).w2", [width, hidden], [nil, 64], [nil, "mlp"])
            let inner = builder.add(.dot, [y, up], ["contract": .int(1)])
            let active = builder.add(.activation, [inner], ["kind": .text("geluTanh")])
            x = add(builder.add(.dot, [active, down], ["contract": .int(1)]), to: x)
        }
        builder.output("x", x)
    }

    private mutating func add(_ y: Program.ValueID, to x: Program.ValueID) -> Program.ValueID {
        builder.add(.add, [x, y])
    }

    private mutating func weight(
        _ name: String, _ dims: [Int], _ granules: [Int?] = [], _ axes: [String?] = []
    ) -> Program.ValueID {
        builder.parameter(
            ParameterSpec(name: name, part: "muse", tensor: name, fileDims: dims), granules: granules, axes: axes)
    }

    private mutating func normalized(_ x: Program.ValueID, _ name: String) -> Program.ValueID {
        builder.add(
            .layerNorm, [x, weight("\(name).weight", [width]), weight("\(name).bias", [width])], ["eps": .float(1e-6)])
    }

    private mutating func attention(
        _ x: Program.ValueID, _ context: Program.ValueID?, _ name: String
    ) -> Program.ValueID {
        let size = width / heads
        let projections = ["q", "k", "v"].map { part in
            let source = part == "q" ? x : context ?? x
            let depth = builder.type(of: source).sizes.last ?? width
            let w = weight("\(name).\(part)", [heads, size, depth], [1, nil, nil], ["heads", nil, nil])
            return builder.add(.dot, [source, w], ["contract": .int(1)])
        }
        let mixed = builder.add(
            .attention, projections,
            ["queryDims": .int(1), "keyDims": .int(1), "scale": .float(1 / Double(size).squareRoot())])
        let out = weight("\(name).out", [width, heads, size], [nil, 1, nil], [nil, "heads", nil])
        return builder.add(.dot, [mixed, out], ["contract": .int(2)])
    }
}
