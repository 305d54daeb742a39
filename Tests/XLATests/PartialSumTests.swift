import Program
import Sharding
import Tensor
import Testing

/// Partial sums that travel in the activation type: half the bytes, and sums that are off by their roundings at most.
@Suite("Partial sums")
struct PartialSumTests {
    private static let (rows, depth, columns) = (6, 60, 5)

    /// `[rows, depth] · [columns, depth]` in bf16, the depth split.
    private func program() -> Program {
        var builder = ProgramBuilder(name: "sum", activation: .bf16)
        let operands = [("x", Self.rows), ("w", Self.columns)].map { name, size in
            builder.input(
                name, TensorType(.bf16, [Dim(size), Dim(Self.depth, granule: 5)]), axes: [nil, "k"])
        }
        builder.output("y", builder.add(.dot, operands, ["contract": .int(1)]))
        return builder.program
    }

    private func compile(
        devices: Int, order: ReductionOrder, links: LinkCosts, _ partialSums: PartialSums
    ) throws -> CompiledProgram {
        let options = CompilerOptions(reductionOrder: order, partialSums: partialSums, links: links)
        return try Compiler.compile(
            program(), mesh: Mesh([.init("m", devices)]), rules: LogicalAxisRules(["k": ["m"]]), options: options)
    }

    private func inputs(_ value: (Int) -> Float) -> [String: HostTensor] {
        var result: [String: HostTensor] = [:]
        for (name, size) in [("x", Self.rows), ("w", Self.columns)] {
            let seed = name == "x" ? 0 : 1000
            let values = (0..<(size * Self.depth)).map { value($0 + seed) }
            result[name] = HostTensor(values, dims: [size, Self.depth]).bfloats
        }
        return result
    }

    private func sentBytes(_ compiled: CompiledProgram) -> [Int] {
        compiled.locals.map { CostModel.sentByteCount(of: $0) }
    }

    @Test(
        "Small integers are exact in half the bytes, in one round and in two",
        arguments: [2, 3, 4, 5], ReductionOrder.allCases)
    func integers(devices: Int, order: ReductionOrder) throws {
        let inputs = inputs { Float($0 * 7 % 5 - 2) }
        let whole = try InProcessMesh.run(
            [try #require(try compile(devices: 1, order: order, links: .ethernet, .f32).locals.first)], inputs: inputs)
        for links in [LinkCosts.ethernet, .bandwidthOnly] {
            let wide = try compile(devices: devices, order: order, links: links, .f32)
            let narrow = try compile(devices: devices, order: order, links: links, .activations)
            let result = try InProcessMesh.run(narrow.locals, inputs: inputs)
            #expect(result.outputs == whole.outputs)
            #expect(result.sentBytes == sentBytes(narrow))
            let sums = wide.locals[0].exchanges.indices.filter { wide.locals[0].exchanges[$0].reduction != nil }
            #expect(!sums.isEmpty)
            if links == .ethernet {
                #expect(sentBytes(narrow).map { 2 * $0 } == sentBytes(wide), "one round of partial sums alone")
            } else {
                #expect(sentBytes(narrow).reduce(0, +) < sentBytes(wide).reduce(0, +))
            }
        }
    }

    @Test("Real numbers are off by the roundings of partial sums", arguments: [2, 4, 6])
    func reals(devices: Int) throws {
        let inputs = inputs { Float(($0 * 7919) % 1009) / 1009 - 0.4 }
        let compiled = try compile(devices: devices, order: .canonical, links: .ethernet, .activations)
        let found = try #require(try InProcessMesh.run(compiled.locals, inputs: inputs).outputs["y"]).floats
        let (x, w) = (try #require(inputs["x"]).floats, try #require(inputs["w"]).floats)
        for row in 0..<Self.rows {
            for column in 0..<Self.columns {
                let products = (0..<Self.depth).map { x[row * Self.depth + $0] * w[column * Self.depth + $0] }
                let (sum, bound) = (products.reduce(0, +), products.reduce(0) { $0 + abs($1) })
                // Two roundings to eight bits: of the partial sums, and of their sum.
                #expect(abs(found[row * Self.columns + column] - sum) <= bound / 128)
            }
        }
    }

    @Test("Without the option partial sums are f32, and what is f32 stays so with it")
    func defaults() throws {
        let compiled = try compile(devices: 4, order: .canonical, links: .ethernet, CompilerOptions().partialSums)
        for local in compiled.locals {
            for exchange in local.exchanges where exchange.reduction != nil {
                #expect(local.buffers[exchange.source].dtype == .f32)
            }
        }
        var builder = ProgramBuilder(name: "sum", activation: .f32)
        let x = builder.input("x", TensorType(.f32, [Dim(8), Dim(64, granule: 4)]), axes: [nil, "k"])
        builder.output("y", builder.add(.dot, [x, x], ["contract": .int(1)]))
        func bytes(_ partialSums: PartialSums) throws -> [Int] {
            sentBytes(
                try Compiler.compile(
                    builder.program, mesh: Mesh([.init("m", 4)]), rules: LogicalAxisRules(["k": ["m"]]),
                    options: CompilerOptions(partialSums: partialSums)))
        }
        #expect(try bytes(.activations) == bytes(.f32))
    }
}
