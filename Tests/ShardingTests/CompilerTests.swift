import Program
import Tensor
import Testing

@testable import Sharding

@Suite("Compiler")
struct CompilerTests {
    /// A Megatron block: two products whose weights alone are annotated.
    private func block() -> Program {
        var builder = ProgramBuilder(name: "block", activation: .bf16)
        let x = builder.input("x", TensorType(.bf16, [Dim(64), Dim(32)]))
        let w1 = builder.parameter(
            ParameterSpec(name: "w1", part: "p", tensor: "w1", fileDims: [128, 32]), granules: [8, nil],
            axes: ["mlp", nil])
        let w2 = builder.parameter(
            ParameterSpec(name: "w2", part: "p", tensor: "w2", fileDims: [32, 128]), granules: [nil, 8],
            axes: [nil, "mlp"])
        let h = builder.add(.dot, [x, w1], ["contract": .int(1)])
        let a = builder.add(.activation, [h], ["kind": .text("silu")])
        let y = builder.add(.dot, [a, w2], ["contract": .int(1)])
        builder.output("y", builder.add(.add, [x, y]))
        return builder.program
    }

    @Test("Annotations on two weights give one reduction and nothing else")
    func megatron() throws {
        let compiled = try Compiler.compile(
            block(), mesh: Mesh([.init("model", 2)]), rules: LogicalAxisRules(["mlp": ["model"]]))
        let kinds = compiled.locals[0].exchanges.map(\.kind)
        #expect(Set(kinds) == [.allReduce])
        #expect(CostModel.weightByteCount(of: [compiled.locals[0]]) == 2 * 64 * 32 * 2)
        // f32 partials of 64 x 32, in one shot because they are small.
        #expect(CostModel.sentByteCount(of: compiled.locals[0]) == 64 * 32 * 4)
    }

    @Test("On one device there is no exchange")
    func single() throws {
        let compiled = try Compiler.compile(block(), mesh: .single, rules: LogicalAxisRules(["mlp": []]))
        #expect(compiled.locals[0].exchanges.isEmpty)
    }

    @Test("Where the result is to be split over the reduced axis, one reduce-scatter comes out")
    func reduceScatter() throws {
        var builder = ProgramBuilder(name: "scatter", activation: .f32)
        let x = builder.input("x", TensorType(.f32, [Dim(16, granule: 4), Dim(32, granule: 2)]), axes: [nil, "mlp"])
        // The weight is more than the sums.
        let w = builder.parameter(
            ParameterSpec(name: "w", part: "p", tensor: "w", fileDims: [16, 32]), granules: [nil, 2])
        let y = builder.add(.dot, [x, w], ["contract": .int(1)], axes: ["rows", nil])
        builder.output("y", y)
        let compiled = try Compiler.compile(
            builder.program, mesh: Mesh([.init("model", 4)]),
            rules: LogicalAxisRules(["mlp": ["model"], "rows": ["model"]]))
        #expect(compiled.locals[0].exchanges.map(\.kind) == [.reduceScatter])
        #expect(compiled.locals[1].outputs[0].isPrimary)
    }

    @Test("An axis that would split two dimensions of a value is an error that names both")
    func axisUsedTwice() {
        var builder = ProgramBuilder(name: "twice", activation: .f32)
        _ = builder.parameter(
            ParameterSpec(name: "w", part: "p", tensor: "w", fileDims: [16, 32]), granules: [1, 1],
            axes: ["heads", "mlp"])
        let twice = ShardingError.axisUsedTwice(
            value: "w", axis: "model", dims: [0, 1], annotations: ["heads", "mlp"])
        #expect(throws: twice) {
            try Compiler.compile(
                builder.program, mesh: Mesh([.init("model", 2)]),
                rules: LogicalAxisRules(["heads": ["model"], "mlp": ["model"]]))
        }
    }

    @Test("Overrides by pattern replace a parameter's annotation, and the report says so")
    func overrides() throws {
        let compiled = try Compiler.compile(
            block(), mesh: Mesh([.init("model", 2)]),
            rules: LogicalAxisRules(
                ["mlp": ["model"]], overrides: [.init(pattern: "w?", dims: [[], []])]))
        #expect(compiled.locals[0].exchanges.isEmpty)
        #expect(compiled.parameters.allSatisfy { $0.sharding == "[-, -]" })
    }

    @Test("Unknown mesh axes are named")
    func unknownAxis() {
        #expect(throws: ShardingError.self) {
            try Compiler.compile(
                block(), mesh: Mesh([.init("model", 2)]), rules: LogicalAxisRules(["mlp": ["modle"]]))
        }
    }

    @Test("A convolution over split rows exchanges halos only")
    func halo() throws {
        var builder = ProgramBuilder(name: "halo", activation: .f32)
        let x = builder.input("x", TensorType(.f32, [Dim(1), Dim(16, granule: 1), Dim(8), Dim(4)]))
        let y = builder.add(.activation, [x], ["kind": .text("silu")], axes: [nil, "rows", nil, nil])
        let w = builder.parameter(ParameterSpec(name: "w", part: "p", tensor: "w", fileDims: [4, 4, 3, 3]))
        let b = builder.parameter(ParameterSpec(name: "b", part: "p", tensor: "b", fileDims: [4]))
        let z = builder.add(
            .conv, [y, w, b], ["stride": .int(1), "padLow": .int(1), "padHigh": .int(1), "upsample": .int(1)])
        builder.output("z", z)
        let compiled = try Compiler.compile(
            builder.program, mesh: Mesh([.init("rows", 4)]), rules: LogicalAxisRules(["rows": ["rows"]]))
        #expect(compiled.locals[1].exchanges.map(\.kind) == [.haloExchange])
        // One row of 8 x 4 floats to each neighbour.
        #expect(CostModel.sentByteCount(of: compiled.locals[1]) == 2 * 8 * 4 * 4)
        #expect(CostModel.sentByteCount(of: compiled.locals[0]) == 8 * 4 * 4)
    }

    @Test("Readers of three parts of a sum each get theirs")
    func partsOfSum() throws {
        var builder = ProgramBuilder(name: "parts", activation: .f32)
        let x = builder.input("x", TensorType(.f32, [Dim(6, granule: 1), Dim(8, granule: 1)]), axes: [nil, "mlp"])
        let w = builder.parameter(
            ParameterSpec(name: "w", part: "p", tensor: "w", fileDims: [4, 8]), granules: [nil, 1], axes: [nil, "mlp"])
        let y = builder.add(.dot, [x, w], ["contract": .int(1)])
        for part in 0..<3 {
            let rows = builder.add(
                .slice, [y], ["start": .ints([2 * part, 0]), "limit": .ints([2 * part + 2, 4])])
            builder.output("part\(part)", builder.add(.activation, [rows], ["kind": .text("silu")]))
        }
        let compiled = try Compiler.compile(
            builder.program, mesh: Mesh([.init("model", 2)]), rules: LogicalAxisRules(["mlp": ["model"]]))
        let exchanges = compiled.locals[0].exchanges.filter { $0.kind != .slice }
        #expect(exchanges.allSatisfy { $0.reduction != nil } && !exchanges.isEmpty)
    }

    @Test("A sum is split only where the granules of both operands lie between the same elements")
    func granulesThatDiffer() throws {
        for (granule, isSplit) in [(2, true), (3, false)] {
            var builder = ProgramBuilder(name: "granules", activation: .f32)
            let x = builder.input("x", TensorType(.f32, [Dim(3), Dim(4, granule: 2)]), axes: [nil, "mlp"])
            let w = builder.parameter(
                ParameterSpec(name: "w", part: "p", tensor: "w", fileDims: [5, 4]), granules: [nil, granule],
                axes: [nil, "mlp"])
            builder.output("y", builder.add(.dot, [x, w], ["contract": .int(1)]))
            let compiled = try Compiler.compile(
                builder.program, mesh: Mesh([.init("model", 2)]), rules: LogicalAxisRules(["mlp": ["model"]]))
            #expect(compiled.locals[0].exchanges.contains { $0.reduction != nil } == isSplit)
        }
    }

    @Test("An annotated value is cut at its granules, also where a reshape would have it cut elsewhere")
    func annotatedReshape() throws {
        var builder = ProgramBuilder(name: "reshape", activation: .f32)
        let dims = [Dim(7, granule: 1), Dim(24, granule: 1)]
        let x = builder.input("x", TensorType(.f32, dims), axes: ["rows", nil])
        let y = builder.add(.activation, [x], ["kind": .text("silu")], axes: ["rows", nil])
        let z = builder.add(.reshape, [y], ["sizes": .ints([168])])
        builder.output("z", builder.add(.annotate, [z], axes: ["rows"]))
        let compiled = try Compiler.compile(
            builder.program, mesh: Mesh([.init("model", 3)]), rules: LogicalAxisRules(["rows": ["model"]]))
        let parts = compiled.locals.map { $0.buffers[$0.outputs[0].buffer].box.ranges[0] }
        #expect(parts == [0..<56, 56..<112, 112..<168])
    }

    @Test("Parts of different partings of an axis are never used together")
    func partings() {
        let (halves, pairs) = (AxisRef(axis: 0, preSize: 1, size: 2), AxisRef(axis: 0, preSize: 3, size: 2))
        let search = CandidateSearch(
            evidence: [(0, [halves]), (1, [pairs])], factorCount: 2, movable: [], splittable: [0, 1], granules: [6, 6])
        let candidates = search.candidates(limit: 400)
        #expect(candidates.contains([[halves], []]) && candidates.contains([[], [pairs]]))
        #expect(!candidates.contains([[halves], [pairs]]))
    }
}
