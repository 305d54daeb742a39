public import Tensor

/// What is wrong with an operation.
public struct ProgramError: Error, Sendable, Hashable, CustomStringConvertible {
    /// One sentence: what, where.
    public let description: String
    /// Makes an error.
    public init(_ description: String) { self.description = description }
}

/// An operation whose result is being inferred.
struct ShapeQuestion {
    let opcode: Opcode
    let operands: [TensorType]
    let attributes: Attributes

    /// Throws where an operand or an attribute does not fit.
    func need(_ condition: Bool, _ what: String) throws {
        if !condition {
            let shapes = operands.map { "\($0.dtype.rawValue)\($0.sizes)" }.joined(separator: ", ")
            throw ProgramError("\(opcode.rawValue)(\(shapes)): \(what)")
        }
    }
}

/// Result dimensions (with granules) of every operation.
public enum ShapeRule {
    /// Infers dimensions and, where the operation decides it, the element type.
    ///
    /// Throws ``ProgramError`` where operand shapes or attributes do not fit the operation.
    public static func infer(
        _ opcode: Opcode, _ operands: [TensorType], _ attributes: Attributes
    ) throws -> (dims: [Dim], dtype: DType?) {
        let question = ShapeQuestion(opcode: opcode, operands: operands, attributes: attributes)
        func need(_ condition: Bool, _ what: String) throws { try question.need(condition, what) }
        if let problem = OpcodeSignature.of(opcode).problem(operandCount: operands.count, attributes: attributes) {
            throw ProgramError("\(opcode.rawValue): \(problem)")
        }
        switch opcode {
        case .parameter, .input, .constant, .iota:
            throw ProgramError("\(opcode.rawValue) has a declared type")
        case .unary, .binary, .compare, .select, .annotate:
            return try elementwise(question)
        case .concat, .broadcast, .transpose, .reshape, .slice, .pad, .reverse, .dynamicSlice, .dynamicUpdate:
            let dtype = opcode == .concat ? try concatenated(question) : operands[0].dtype
            return (try movement(question), dtype)
        case .dotGeneral:
            return (try dotGeneral(question), nil)
        case .convGeneral, .maxPool, .resize:
            return (try pictureGeneral(question), nil)
        case .sort, .argMax, .topK, .mergeTopK:
            return try selection(question)
        case .dot:
            let (x, w) = (operands[0], operands[1])
            let count = attributes.int("contract")
            try need(count >= 1 && count <= x.rank && count < w.rank, "contract is too large")
            try need(
                x.sizes.suffix(count) == w.sizes.suffix(count)
                    && x.dims[x.rank - count].granuleCount == w.dims[w.rank - count].granuleCount,
                "contracted dimensions agree in size and granule count")
            if attributes.values["precision"] != nil {
                try need(x.dtype == .bf16 && w.dtype == .bf16, "int8 products take bf16 operands")
                let inner = w.sizes.suffix(count - 1).reduce(1, *)
                try need(
                    w.dims[w.rank - count].granule * inner <= StoredWeight.segmentMax,
                    "a segment of an int8 product has at most \(StoredWeight.segmentMax) elements")
            }
            return (Array(x.dims.dropLast(count)) + w.dims.dropLast(count), nil)
        case .gather:
            try need(operands[1].dtype == .i32, "ids are i32")
            return (operands[1].dims + operands[0].dims.dropFirst(), operands[0].dtype)
        case .takeRow:
            try need(operands[1].rank == operands[0].rank - 2, "the index has the leading dimensions")
            return (Array(operands[0].dims.dropLast(2)) + operands[0].dims.suffix(1), nil)
        case .add, .multiply:
            let (a, b) = (operands[0], operands[1])
            try need(
                b.rank <= a.rank && zip(a.sizes.suffix(b.rank), b.sizes).allSatisfy { $0 == $1 || $1 == 1 },
                "the second operand broadcasts to the first")
            return (a.dims, nil)
        case .activation, .cast:
            return (operands[0].dims, nil)
        case .rmsNorm, .layerNorm:
            try need(operands.dropFirst().allSatisfy { $0.sizes == operands[0].sizes.suffix(1) }, "weights have size C")
            return (operands[0].dims, nil)
        case .gatedGelu:
            let dims = operands[0].dims
            try need(dims.count >= 2 && dims[dims.count - 2].size == 2, "the last but one dimension is 2")
            return (Array(dims.dropLast(2)) + dims.suffix(1), nil)
        case .modulate:
            let (x, s) = (operands[0], operands[1])
            try need(
                s.rank >= 2 && s.rank <= x.rank + 1 && s.sizes.dropLast(2) == x.sizes.prefix(s.rank - 2)
                    && s.sizes.suffix(2) == [2, x.sizes.last ?? 0], "the second operand is [A…, 2, C]")
            return (x.dims, nil)
        case .sinusoid:
            return (operands[0].dims.dropLast() + [Dim((operands[0].sizes.last ?? 0) * attributes.int("width"))], nil)
        case .reduce:
            let reduced = Set(attributes.ints("dims"))
            try need(reduced.allSatisfy { operands[0].dims.indices.contains($0) }, "reduced dimensions exist")
            return (operands[0].dims.enumerated().filter { !reduced.contains($0.offset) }.map(\.element), .f32)
        case .groupSum, .groupSquares:
            let groups = attributes.int("groups")
            try need(operands[0].rank >= 3 && (operands[0].sizes.last ?? 0) % groups == 0, "groups divide the channels")
            return (operands[0].dims.dropLast(3) + [Dim(groups)], .f32)
        case .groupNormalize:
            return (operands[0].dims, nil)
        case .globalResponseNorm:
            try need(operands[1].sizes.last == operands[0].sizes.last, "squares have size C")
            return (operands[0].dims, nil)
        case .attention:
            let (q, k, v) = (operands[0], operands[1], operands[2])
            let queryDims = attributes.int("queryDims")
            let keyDims = attributes.int("keyDims")
            let lead = q.rank - queryDims - 2
            try need(
                lead >= 0 && k.rank == lead + keyDims + 2 && k.sizes == v.sizes
                    && q.sizes.prefix(lead) == k.sizes.prefix(lead) && q.sizes.suffix(2) == k.sizes.suffix(2),
                "q is [A…, Q…, H, D], k and v are [A…, K…, H, D]")
            return (q.dims, nil)
        case .conv, .depthwiseConv, .spaceToDepth, .depthToSpace:
            return (try picture(opcode, operands, attributes, need), nil)
        case .pixels:
            return (operands[0].dims, .u8)
        case .nearestCode:
            try need(operands[0].sizes.last == operands[1].sizes.last, "codes have the size of z")
            return (operands[0].dims.dropLast() + [Dim(3)], .f32)
        case .guide:
            try need((1...2).contains(operands[0].sizes.first ?? 0), "logits have one or two rows")
            return (Array(operands[0].dims.dropFirst()), .f32)
        case .sumExp:
            return (Array(operands[0].dims.dropLast()), .f32)
        case .choose:
            return (operands[0].dims.dropLast() + [Dim(3)], .f32)
        case .choiceIndex:
            return (Array(operands[0].dims.dropLast()), .i32)
        case .acceptTokens:
            return (operands[0].dims, .i32)
        case .confidence:
            return (operands[0].dims, .f32)
        case .remask:
            return (operands[0].dims, .i32)
        }
    }

    private static func picture(
        _ opcode: Opcode, _ operands: [TensorType], _ attributes: Attributes, _ need: (Bool, String) throws -> Void
    ) throws -> [Dim] {
        try need(operands[0].rank >= 3, "needs a picture […, Y, X, C]")
        let x = operands[0]
        switch opcode {
        case .conv:
            try need(operands[1].rank == 4, "takes x, w[Co, Ci, kh, kw], b[Co]")
            let w = operands[1].sizes
            try need(x.sizes.last == w[1] && operands[2].sizes == [w[0]], "channels agree")
            let stride = attributes.int("stride", default: 1)
            let padding = attributes.int("padLow") + attributes.int("padHigh")
            let upsample = attributes.int("upsample", default: 1)
            let spatial = try zip(x.dims[(x.rank - 3)..<(x.rank - 1)], w.suffix(2)).map { dim, kernel in
                let span = dim.size * upsample + padding - kernel
                try need(span >= 0, "the kernel fits into the padded picture")
                let size = span / stride + 1
                // Granules keep their number: a granule of rows becomes upsample/stride as many rows.
                let granule = dim.granuleCount <= 1 ? size : dim.granule * upsample / stride
                func isWhole() -> Bool {
                    dim.granule * upsample % stride == 0
                        && Dim(size, granule: granule).granuleCount == dim.granuleCount
                }
                try need(dim.granuleCount <= 1 || isWhole(), "granules of rows stay whole under the stride")
                return Dim(size, granule: max(1, granule))
            }
            return Array(x.dims.dropLast(3)) + spatial + [operands[1].dims[0]]
        case .depthwiseConv:
            try need(operands[1].sizes == [x.sizes[x.rank - 1], 3, 3], "takes x, w[C, 3, 3]")
            return x.dims
        case .spaceToDepth:
            let spatial = try x.dims[(x.rank - 3)..<(x.rank - 1)].map { dim in
                try need(dim.size % 2 == 0, "rows and columns are even")
                try need(dim.granuleCount <= 1 || dim.granule % 2 == 0, "granules are even")
                return Dim(dim.size / 2, granule: max(1, dim.granule / 2))
            }
            return Array(x.dims.dropLast(3)) + spatial + Array(x.dims.suffix(1)) + [Dim(2), Dim(2)]
        default:
            try need(x.rank >= 5 && x.sizes[(x.rank - 3)..<(x.rank - 1)] == [2, 2], "takes […, Y, X, 2, 2, C]")
            let spatial = x.dims[(x.rank - 5)..<(x.rank - 3)].map { Dim($0.size * 2, granule: $0.granule * 2) }
            return Array(x.dims.dropLast(5)) + spatial + Array(x.dims.suffix(1))
        }
    }
}
