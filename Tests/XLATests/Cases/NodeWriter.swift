import Program
import Tensor

/// Writes one node of a case with the operations that a ``Program`` has.
struct NodeWriter {
    var builder: ProgramBuilder
    let node: Case.Node
    let operands: [Program.ValueID]
    /// Element type of the result.
    let dtype: DType

    private static let unary = [
        "exp": "exp", "log": "log", "tanh": "tanh", "logistic": "logistic", "rsqrt": "rsqrt", "sqrt": "sqrt",
        "neg": "negate", "abs": "abs",
    ]
    private static let binary = [
        "add": "add", "sub": "subtract", "mul": "multiply", "div": "divide", "max": "maximum", "min": "minimum",
    ]

    mutating func write() throws -> Program.ValueID {
        if let kind = Self.unary[node.op] { return try unary(kind) }
        if let kind = Self.binary[node.op] {
            return try whole { try $0.add(.binary, $1, ["kind": .text(kind)], dtype: $0.dtype) }
        }
        switch node.op {
        case "const", "iota", "select", "compare", "convert", "constraint": return try elementwise()
        case "dot_general", "conv", "max_pool", "reduce", "argmax", "sort", "top_k": return try contraction()
        default: return try movement()
        }
    }

    // MARK: Support

    private func need<Value>(_ value: Value?, _ name: String) throws -> Value {
        guard let value else { throw CaseError("\(node.id) (\(node.op)) has no attribute \(name)") }
        return value
    }

    /// Any operation; shapes that do not fit throw.
    private mutating func add(
        _ opcode: Opcode, _ operands: [Program.ValueID], _ attributes: Attributes = [:], dtype: DType? = nil
    ) throws -> Program.ValueID {
        _ = try ShapeRule.infer(opcode, operands.map { builder.type(of: $0) }, attributes)
        return builder.add(opcode, operands, attributes, dtype: dtype)
    }

    private mutating func cast(_ value: Program.ValueID, _ dtype: DType) throws -> Program.ValueID {
        builder.type(of: value).dtype == dtype ? value : try add(.cast, [value], dtype: dtype)
    }

    private func isReal(_ value: Program.ValueID) -> Bool {
        [DType.f32, .bf16].contains(builder.type(of: value).dtype)
    }

    /// Runs `body` on operands of the result's own type (bytes as i32, which has arithmetic).
    private mutating func whole(
        _ body: (inout NodeWriter, [Program.ValueID]) throws -> Program.ValueID
    ) throws -> Program.ValueID {
        guard dtype == .u8 else { return try body(&self, operands) }
        var writer = NodeWriter(builder: builder, node: node, operands: operands, dtype: .i32)
        let cast = try operands.map { try writer.cast($0, .i32) }
        let result = try body(&writer, cast)
        builder = writer.builder
        return try self.cast(result, .u8)
    }

    /// Runs `body` on real operands and gives its result the node's type: exact for integers below 2²⁴.
    private mutating func real(
        _ operands: [Program.ValueID], _ body: (inout NodeWriter, [Program.ValueID]) throws -> Program.ValueID
    ) throws -> Program.ValueID {
        let given = try operands.map { try isReal($0) ? $0 : cast($0, .f32) }
        return try cast(try body(&self, given), dtype)
    }

    /// Element type that arithmetic on the node's result is done in.
    private var realType: DType { dtype == .bf16 ? .bf16 : .f32 }

    private mutating func filled(_ value: Double, like other: Program.ValueID) throws -> Program.ValueID {
        let type = builder.type(of: other)
        let scalar = builder.constant(value, TensorType(type.dtype, []))
        return try add(.broadcast, [scalar], ["sizes": .ints(type.sizes), "dims": .ints([])], dtype: type.dtype)
    }

    /// Gives a dimension the granule of another that it pairs up with.
    private mutating func align(
        _ value: inout Program.ValueID, _ dim: Int, with other: Program.ValueID, _ otherDim: Int
    ) throws {
        let (type, model) = (builder.type(of: value), builder.type(of: other))
        guard type.dims.indices.contains(dim), model.dims.indices.contains(otherDim),
            type.dims[dim].granuleCount != model.dims[otherDim].granuleCount
        else { return }
        var granules = type.dims.map(\.granule)
        granules[dim] = model.dims[otherDim].granule
        value = try add(.reshape, [value], ["sizes": .ints(type.sizes), "granules": .ints(granules)])
    }

    // MARK: Operations

    private mutating func unary(_ kind: String) throws -> Program.ValueID {
        if dtype == .i32, kind == "negate" || kind == "abs" {
            let zero = try filled(0, like: operands[0])
            let negative = try add(.binary, [zero, operands[0]], ["kind": .text("subtract")], dtype: .i32)
            if kind == "negate" { return negative }
            return try add(.binary, [operands[0], negative], ["kind": .text("maximum")], dtype: .i32)
        }
        return try real(operands) { try $0.add(.unary, $1, ["kind": .text(kind)], dtype: $0.realType) }
    }

    private mutating func elementwise() throws -> Program.ValueID {
        let attributes = node.attributes
        switch node.op {
        case "const":
            let limit = Double(Float.greatestFiniteMagnitude)
            let value = min(limit, max(-limit, try need(attributes.value, "value")))
            return builder.constant(value, TensorType(dtype, node.shape.map { Dim($0, granule: 1) }))
        case "iota":
            let dim = try need(attributes.dim, "dim")
            guard node.shape.indices.contains(dim) else { throw CaseError("\(node.id) counts along no dimension") }
            return builder.iota(dim: dim, TensorType(dtype, node.shape.map { Dim($0, granule: 1) }))
        case "select": return try add(.select, operands)
        case "compare":
            return try add(.compare, operands, ["direction": .text(try need(attributes.direction, "dir"))])
        case "convert":
            guard dtype == .u8, let operand = operands.first, builder.type(of: operand).dtype != .u8 else {
                return try add(.cast, operands, dtype: dtype)
            }
            let zero = try filled(0, like: operand)
            return try add(.compare, [operand, zero], ["direction": .text("ne")])
        default: return try add(.annotate, operands, dtype: dtype)
        }
    }

    private mutating func contraction() throws -> Program.ValueID {
        let attributes = node.attributes
        switch node.op {
        case "dot_general":
            let lists: Attributes = [
                "lhsBatch": .ints(attributes.lhsBatch ?? []), "rhsBatch": .ints(attributes.rhsBatch ?? []),
                "lhsContract": .ints(try need(attributes.lhsContract, "lhs_contract")),
                "rhsContract": .ints(try need(attributes.rhsContract, "rhs_contract")),
            ]
            return try real(operands) { writer, operands in
                var operands = operands
                if let left = lists.ints("lhsContract").first, let right = lists.ints("rhsContract").first {
                    try writer.align(&operands[1], right, with: operands[0], left)
                }
                return try writer.add(.dotGeneral, operands, lists, dtype: writer.realType)
            }
        case "conv":
            let padding = try pairs(need(attributes.padding, "padding"))
            let lists: Attributes = [
                "strides": .ints(attributes.strides ?? [1, 1]), "padLow": .ints(padding.low),
                "padHigh": .ints(padding.high), "groups": .int(attributes.groups ?? 1), "dilation": .ints([1, 1]),
            ]
            return try real(operands) { writer, operands in
                var operands = operands
                let channels = writer.builder.type(of: operands[0]).rank - 1
                if lists.int("groups") == 1 { try writer.align(&operands[1], 2, with: operands[0], channels) }
                return try writer.add(.convGeneral, operands, lists, dtype: writer.realType)
            }
        case "max_pool":
            let padding = try pairs(attributes.padding ?? [[0, 0], [0, 0]])
            let lists: Attributes = [
                "window": .ints(try need(attributes.window, "window")), "strides": .ints(attributes.strides ?? [1, 1]),
                "padLow": .ints(padding.low), "padHigh": .ints(padding.high),
            ]
            return try real(operands) { try $0.add(.maxPool, $1, lists, dtype: $0.realType) }
        case "reduce":
            let lists: Attributes = [
                "dims": .ints(try need(attributes.dims, "dims").sorted()),
                "kind": .text(try need(attributes.kind, "kind")),
            ]
            // Values are combined over devices by sum and maximum; a minimum is the maximum of the negatives.
            if attributes.kind == "min" { return try minimum(lists.ints("dims")) }
            if attributes.dims?.isEmpty == true { return try add(.annotate, operands, dtype: dtype) }
            return try real(operands) { writer, operands in
                let isReal = writer.dtype == .f32 || writer.dtype == .bf16
                return try writer.add(.reduce, operands, lists, dtype: isReal ? writer.dtype : .f32)
            }
        case "argmax":
            let dim = try need(attributes.axis ?? attributes.dim, "axis")
            let given = try operands.map { try isReal($0) ? $0 : cast($0, .f32) }
            let triples = try add(.argMax, given, ["dim": .int(dim)])
            return try add(.choiceIndex, [triples])
        case "sort":
            let dim: Attributes = ["dim": .int(try need(attributes.dim ?? attributes.axis, "dim"))]
            return try whole { try $0.add(.sort, $1, dim) }
        default: return try add(.topK, operands, ["k": .int(try need(attributes.k, "k"))])
        }
    }

    private mutating func minimum(_ dims: [Int]) throws -> Program.ValueID {
        if dims.isEmpty { return try add(.annotate, operands, dtype: dtype) }
        return try real(operands) { writer, operands in
            let type = writer.builder.type(of: operands[0]).dtype
            let negative = try writer.add(.unary, operands, ["kind": .text("negate")], dtype: type)
            let most = try writer.add(
                .reduce, [negative], ["dims": .ints(dims), "kind": .text("max")], dtype: writer.realType)
            return try writer.add(.unary, [most], ["kind": .text("negate")], dtype: writer.realType)
        }
    }

    /// `[[low, high], [low, high]]` by side.
    private func pairs(_ padding: [[Int]]) throws -> (low: [Int], high: [Int]) {
        guard padding.allSatisfy({ $0.count == 2 }) else { throw CaseError("\(node.id) has odd padding") }
        return (padding.map { $0[0] }, padding.map { $0[1] })
    }

    private mutating func movement() throws -> Program.ValueID {
        let attributes = node.attributes
        switch node.op {
        case "broadcast_in_dim":
            let dims = try need(attributes.dims, "dims")
            return try add(
                .broadcast, operands, ["sizes": .ints(try need(attributes.shape, "shape")), "dims": .ints(dims)])
        case "transpose":
            return try add(
                .transpose, operands, ["permutation": .ints(try need(attributes.permutation, "perm"))])
        case "reshape":
            var lists: Attributes = ["sizes": .ints(try need(attributes.shape, "shape"))]
            if let granules = attributes.granules { lists.values["granules"] = .ints(granules) }
            return try add(.reshape, operands, lists)
        case "concatenate":
            return try add(.concat, operands, ["dim": .int(try need(attributes.dim, "dim"))], dtype: dtype)
        case "slice":
            var lists: Attributes = [
                "start": .ints(try need(attributes.start, "start")),
                "limit": .ints(try need(attributes.limit, "limit")),
            ]
            if let strides = attributes.strides { lists.values["strides"] = .ints(strides) }
            return try add(.slice, operands, lists)
        case "pad":
            return try add(
                .pad, operands,
                ["low": .ints(try need(attributes.low, "low")), "high": .ints(try need(attributes.high, "high"))])
        case "gather_rows": return try add(.gather, operands)
        case "dynamic_slice":
            return try add(.dynamicSlice, operands, ["sizes": .ints(try need(attributes.sizes, "sizes"))])
        case "dynamic_update_slice": return try add(.dynamicUpdate, operands)
        case "reverse": return try add(.reverse, operands, ["dims": .ints(try need(attributes.dims, "dims"))])
        default: throw CaseError("\(node.id): the operation \(node.op) is not known")
        }
    }
}
