import Program
import Sharding
import Tensor
import Testing

/// Messages as int8: fewer bytes, results that are off by the roundings on the way at most, and all devices agree.
@Suite("Wire format")
struct WireFormatTests {
    private static let (rows, depth, columns, segments) = (8, 240, 512, 12)
    private static let rules = LogicalAxisRules(["k": ["m"], "row": ["m"], "column": ["m"], "whole": []])

    /// `[rows, depth] · [columns, depth]`, the depth split; its whole goes to everyone, and comes back by rows and columns.
    private func program(_ dtype: DType = .bf16, columns: Int = columns) -> Program {
        var builder = ProgramBuilder(name: "sum", activation: .bf16)
        let operands = [("x", Self.rows), ("w", columns)].map { name, size in
            builder.input(
                name, TensorType(.bf16, [Dim(size, granule: 1), Dim(Self.depth, granule: 20)]), axes: [nil, "k"])
        }
        let sum = builder.add(.dot, operands, ["contract": .int(1)], dtype: dtype, axes: ["whole", "whole"])
        builder.output("whole", builder.add(.cast, [sum], dtype: .f32, axes: ["whole", "whole"]))
        builder.output("byRow", builder.add(.cast, [sum], dtype: .f32, axes: ["row", nil]))
        builder.output("byColumn", builder.add(.cast, [sum], dtype: .f32, axes: [nil, "column"]))
        return builder.program
    }

    private func compile(
        _ program: Program, devices: Int, links: LinkCosts = .bandwidthOnly, _ wire: WireFormat, overlap: Overlap = .off
    ) throws -> CompiledProgram {
        try Compiler.compile(
            program, mesh: Mesh([.init("m", devices)]), rules: Self.rules,
            options: CompilerOptions(wire: wire, links: links, inputs: .annotated, overlap: overlap))
    }

    private func inputs(columns: Int = columns) -> [String: HostTensor] {
        var result: [String: HostTensor] = [:]
        for (name, size) in [("x", Self.rows), ("w", columns)] {
            let seed = name == "x" ? 0 : 1000
            let values = (0..<(size * Self.depth)).map { Float((($0 + seed) * 7919) % 1009) / 1009 - 0.4 }
            result[name] = HostTensor(values, dims: [size, Self.depth]).bfloats
        }
        return result
    }

    /// The sum, and how far from it what was rounded on its way may be.
    private func exact() throws -> [(sum: Float, bound: Float)] {
        let inputs = inputs()
        let (x, w) = (try #require(inputs["x"]).floats, try #require(inputs["w"]).floats)
        let length = Self.depth / Self.segments
        return (0..<Self.rows).flatMap { row -> [(sum: Float, bound: Float)] in
            var sums = [Float](repeating: 0, count: Self.columns)
            // Of a segment the greatest in the row: no partial sum's block has more.
            var most: Float = 0
            for segment in 0..<Self.segments {
                var greatest: Float = 0
                for column in 0..<Self.columns {
                    var (sum, magnitude) = (Float(0), Float(0))
                    for k in segment * length..<(segment + 1) * length {
                        let product = x[row * Self.depth + k] * w[column * Self.depth + k]
                        sum += product
                        magnitude += abs(product)
                    }
                    sums[column] += sum
                    greatest = max(greatest, magnitude)
                }
                most += greatest
            }
            // Half a step of the partial sums' blocks, then of the result's, and two roundings to eight bits.
            return sums.map { ($0, most / 254 + most / 254 + most / 128) }
        }
    }

    /// An output as one device has it.
    private func output(_ name: String, of device: Int, _ compiled: CompiledProgram) throws -> [Float] {
        let locals = compiled.locals.map { local in
            var local = local
            for index in local.outputs.indices { local.outputs[index].isPrimary = local.device == device }
            return local
        }
        return try #require(try InProcessMesh.run(locals, inputs: inputs()).outputs[name]).floats
    }

    @Test(
        "Results are as near as promised, the same for all devices and every time",
        arguments: [2, 3, 4], [LinkCosts.ethernet, .bandwidthOnly])
    func results(devices: Int, links: LinkCosts) throws {
        let plain = try compile(program(), devices: devices, links: links, .exact)
        let narrow = try compile(program(), devices: devices, links: links, .int8)
        let rounded = narrow.locals[0].exchanges.filter { $0.wire == .int8 }
        #expect(rounded.contains { $0.reduction?.isSum == true })
        if links == .bandwidthOnly { #expect(rounded.contains { $0.reduction == nil }, "results travel so, too") }
        let result = try InProcessMesh.run(narrow.locals, inputs: inputs())
        #expect(try InProcessMesh.run(narrow.locals, inputs: inputs()).outputs == result.outputs)
        #expect(result.sentBytes == narrow.locals.map { CostModel.sentByteCount(of: $0) })
        let wide = plain.locals.map { CostModel.sentByteCount(of: $0) }
        #expect(zip(result.sentBytes, wide).allSatisfy { $0 < $1 })
        // Partial sums of four bytes and results of two become one and a thirty-second each.
        for exchange in rounded {
            let dtype: DType = exchange.reduction == nil ? .bf16 : .f32
            for send in exchange.sends {
                let (bytes, plain) = (
                    exchange.byteCount(of: send, dtype: dtype), exchange.plainByteCount(of: send, dtype: dtype)
                )
                #expect(32 * dtype.byteCount * bytes == 33 * plain)
            }
        }
        let whole = try #require(result.outputs["whole"]).floats
        for device in 0..<devices { #expect(try output("whole", of: device, narrow) == whole) }
        #expect(result.outputs["byRow"]?.floats == whole, "each part comes from another device's copy")
        #expect(result.outputs["byColumn"]?.floats == whole)
        for (found, (sum, bound)) in zip(whole, try exact()) { #expect(abs(found - sum) <= bound) }
        #expect(try InProcessMesh.run(plain.locals, inputs: inputs()).outputs != result.outputs)
    }

    @Test("Blocks of rows change nothing", arguments: [2, 3])
    func blocks(devices: Int) throws {
        let whole = try compile(program(), devices: devices, .int8)
        let blocks = try compile(program(), devices: devices, .int8, overlap: .blocks(2))
        #expect(blocks.locals[0].exchanges.count > whole.locals[0].exchanges.count)
        let expected = try InProcessMesh.run(whole.locals, inputs: inputs()).outputs
        #expect(try InProcessMesh.run(blocks.locals, inputs: inputs()).outputs == expected)
    }

    @Test("Nothing travels so unless it is asked for")
    func defaults() throws {
        #expect(CompilerOptions().wire == .exact)
        let plain = try compile(program(), devices: 4, links: .ethernet, .exact)
        #expect(plain.locals.allSatisfy { $0.exchanges.allSatisfy { $0.wire == .exact } })
    }

    @Test("Sums that the program keeps in f32 stay exact: logits, what is compared")
    func sumsInF32() throws {
        let results = try [WireFormat.exact, .int8].map { wire in
            let compiled = try compile(program(.f32), devices: 2, wire)
            #expect(compiled.locals[0].exchanges.contains { $0.reduction?.isSum == true })
            #expect(compiled.locals.allSatisfy { $0.exchanges.allSatisfy { $0.wire == .exact } })
            return try InProcessMesh.run(compiled.locals, inputs: inputs()).outputs
        }
        #expect(results[0] == results[1])
    }

    /// A value that is split in one way and wanted whole.
    struct Move: Sendable {
        var dtype = DType.bf16
        var dims = [8, 256]
        var axes: [String?] = ["row", nil]
    }

    @Test("Activations that are moved travel as int8", arguments: [Move(), Move(axes: [nil, "column"])])
    func moves(_ move: Move) throws { #expect(try isRounded(move)) }

    @Test(
        "What is small, in short rows, cut inside of a block, f32 or a whole number travels as it is",
        arguments: [
            Move(dims: [8, 64]), Move(dims: [128, 16]), Move(dims: [8, 192], axes: [nil, "column"]), Move(dtype: .f32),
            Move(dtype: .i32),
        ])
    func exactMoves(_ move: Move) throws { #expect(try !isRounded(move)) }

    private func isRounded(_ move: Move) throws -> Bool {
        var builder = ProgramBuilder(name: "move", activation: .bf16)
        let x = builder.input("x", TensorType(move.dtype, move.dims.map { Dim($0, granule: 1) }), axes: move.axes)
        builder.output("y", builder.add(.cast, [x], dtype: move.dtype, axes: ["whole", "whole"]))
        let exchanges = try compile(builder.program, devices: 2, .int8).locals[0].exchanges
        #expect(exchanges.contains { !$0.sends.isEmpty })
        return exchanges.contains { $0.wire == .int8 }
    }
}
