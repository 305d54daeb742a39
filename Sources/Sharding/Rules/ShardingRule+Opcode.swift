import Program

extension ShardingRule {
    /// The rule of an operation.
    ///
    /// Adding an operation means adding its rule here and its kernel; nothing else.
    static func of(_ operation: Program.Operation, in program: Program) -> ShardingRule {
        let types = operation.operands.map { program.type(of: $0) }
        var builder = ShardingRuleBuilder(types, operation.type)
        switch operation.opcode {
        case .parameter, .input: break
        case .constant, .iota: generated(&builder)
        case .dot, .dotGeneral, .gather, .takeRow, .attention: contraction(operation, types, &builder)
        case .add, .multiply, .activation, .cast, .pixels, .acceptTokens, .gatedGelu, .modulate, .sinusoid,
            .choiceIndex, .unary, .binary, .compare, .select, .annotate:
            elementwise(operation, types, &builder)
        case .broadcast, .transpose, .reshape, .slice, .pad, .reverse, .concat, .dynamicSlice, .dynamicUpdate:
            movement(operation, types, &builder)
        case .rmsNorm, .layerNorm, .reduce, .groupSum, .groupSquares, .groupNormalize, .globalResponseNorm:
            normalization(operation, types, &builder)
        case .conv, .depthwiseConv, .spaceToDepth, .depthToSpace, .convGeneral, .maxPool, .resize:
            picture(operation, types, &builder)
        case .nearestCode, .guide, .sumExp, .choose, .confidence, .remask, .sort, .argMax, .topK, .mergeTopK:
            sampling(operation, types, &builder)
        }
        return builder.rule
    }

    private static func generated(_ builder: inout ShardingRuleBuilder) {
        for dim in builder.resultType.dims.indices { builder.pass(result: dim, []) }
        builder.stage(.elementwise)
    }

    private static func contraction(
        _ operation: Program.Operation, _ types: [TensorType], _ builder: inout ShardingRuleBuilder
    ) {
        switch operation.opcode {
        case .dot:
            // ([a…, k…], [n…, k…]) -> [a…, n…]; reduce the first k.
            let count = operation.attributes.int("contract")
            let lead = types[0].rank - count
            builder.passLeading(lead, operands: [0])
            for dim in 0..<(types[1].rank - count) { builder.pass(result: lead + dim, [(1, dim)]) }
            builder.reduce(.sum, [(0, lead), (1, types[1].rank - count)])
        case .dotGeneral:
            // ([b…, a…, k…], [b…, n…, k…]) -> [b…, a…, n…]; reduce k…, of which the first is the order's.
            let attributes = operation.attributes
            guard let axes = DotAxes(attributes, lhsRank: types[0].rank, rhsRank: types[1].rank) else { return }
            for (dim, pair) in zip(axes.lhsBatch, axes.rhsBatch).enumerated() {
                builder.pass(result: dim, [(0, pair.0), (1, pair.1)])
            }
            let lead = axes.lhsBatch.count
            for (index, dim) in axes.lhsFree.enumerated() { builder.pass(result: lead + index, [(0, dim)]) }
            let next = lead + axes.lhsFree.count
            for (index, dim) in axes.rhsFree.enumerated() { builder.pass(result: next + index, [(1, dim)]) }
            for (index, pair) in zip(axes.lhsContract, axes.rhsContract).enumerated() {
                builder.reduce(.sum, [(0, pair.0), (1, pair.1)], isTree: index == 0)
            }
        case .gather:
            // ([v, d…], [i…]) -> [i…, d…]; reduce v.
            let lead = types[1].rank
            builder.passLeading(lead, operands: [1])
            for dim in 1..<types[0].rank { builder.pass(result: lead + dim - 1, [(0, dim)]) }
            builder.reduce(.sum, [(0, 0)])
        case .takeRow:
            // ([a…, s, d], [a…]) -> [a…, d]
            let lead = types[1].rank
            builder.passLeading(lead, operands: [0, 1])
            builder.pass(result: lead, [(0, lead + 1)])
        default:
            // attention: ([a…, q…, h, d], [a…, k…, h, d], [a…, k…, h, d]) -> [a…, q…, h, d]
            let rank = types[0].rank
            let lead = rank - operation.attributes.int("queryDims") - 2
            builder.passLeading(lead, operands: [0, 1, 2])
            // A causal mask counts queries row by row: those of one device are consecutive.
            let isCausal = operation.attributes.int("causal", default: 0) != 0
            for dim in lead..<(rank - 2) where !isCausal || dim == lead { builder.pass(result: dim, [(0, dim)]) }
            builder.pass(result: rank - 2, [(0, rank - 2), (1, types[1].rank - 2), (2, types[2].rank - 2)])
        }
    }

    private static func elementwise(
        _ operation: Program.Operation, _ types: [TensorType], _ builder: inout ShardingRuleBuilder
    ) {
        let rank = operation.type.rank
        switch operation.opcode {
        case .add, .multiply:
            let offset = types[0].rank - types[1].rank
            for dim in 0..<rank {
                builder.pass(result: dim, dim < offset ? [(0, dim)] : [(0, dim), (1, dim - offset)])
            }
            builder.stage(.elementwise)
        case .activation, .cast, .pixels, .unary, .binary, .compare, .select, .annotate:
            builder.passLeading(rank, operands: Array(types.indices))
            builder.stage(.elementwise, isCheap: operation.opcode != .activation)
        case .acceptTokens:
            builder.passLeading(rank, operands: [0, 1])
            builder.stage(.elementwise, isCheap: false)
        case .choiceIndex:
            builder.passLeading(rank, operands: [0])
        case .gatedGelu:
            builder.passLeading(rank - 1, operands: [0])
            builder.pass(result: rank - 1, [(0, rank)])
        case .modulate:
            // ([a…, b…, c], [a…, 2, c]) -> [a…, b…, c]
            let lead = types[1].rank - 2
            builder.passLeading(lead, operands: [0, 1])
            for dim in lead..<(rank - 1) { builder.pass(result: dim, [(0, dim)]) }
            builder.pass(result: rank - 1, [(0, rank - 1), (1, lead + 1)])
            builder.stage(.elementwise, isCheap: false)
        default:
            // sinusoid mixes the last dimension.
            builder.passLeading(rank - 1, operands: Array(types.indices))
        }
    }

    private static func normalization(
        _ operation: Program.Operation, _ types: [TensorType], _ builder: inout ShardingRuleBuilder
    ) {
        let rank = types[0].rank
        switch operation.opcode {
        case .rmsNorm, .layerNorm:
            builder.passLeading(rank - 1, operands: [0])
        case .reduce:
            let reduced = operation.attributes.ints("dims")
            let kept = (0..<rank).filter { !reduced.contains($0) }
            for (result, dim) in kept.enumerated() { builder.pass(result: result, [(0, dim)]) }
            // A minimum is taken of whole dimensions.
            let kind = operation.attributes.text("kind")
            for dim in reduced.sorted() where kind != "min" {
                builder.reduce(kind == "max" ? .max : .sum, [(0, dim)], isTree: dim == reduced.min())
            }
        case .groupSum, .groupSquares:
            builder.passLeading(rank - 3, operands: Array(types.indices))
            builder.reduce(.sum, [(0, rank - 3)])
        case .groupNormalize:
            for dim in 0..<(rank - 3) { builder.pass(result: dim, [(0, dim), (1, dim), (2, dim)]) }
            builder.pass(result: rank - 3, [(0, rank - 3)])
            builder.pass(result: rank - 2, [(0, rank - 2)])
        default:
            // globalResponseNorm: ([a…, y, x, c], [a…, c], [a…], [c], [c]) -> [a…, y, x, c]
            for dim in 0..<(rank - 3) { builder.pass(result: dim, [(0, dim), (1, dim), (2, dim)]) }
            builder.pass(result: rank - 3, [(0, rank - 3)])
            builder.pass(result: rank - 2, [(0, rank - 2)])
            builder.pass(result: rank - 1, [(0, rank - 1), (1, rank - 3), (3, 0), (4, 0)])
        }
    }

    private static func sampling(
        _ operation: Program.Operation, _ types: [TensorType], _ builder: inout ShardingRuleBuilder
    ) {
        let rank = operation.type.rank
        switch operation.opcode {
        case .sort:
            let sorted = operation.attributes.int("dim")
            for dim in 0..<rank where dim != sorted { builder.pass(result: dim, [(0, dim)]) }
        case .argMax:
            let chosen = operation.attributes.int("dim")
            for (result, dim) in types[0].dims.indices.filter({ $0 != chosen }).enumerated() {
                builder.pass(result: result, [(0, dim)])
            }
            builder.reduce(.argMax, [(0, chosen)])
        case .topK:
            builder.passLeading(rank - 2, operands: [0])
            builder.reduce(.topK, [(0, rank - 2)])
        case .mergeTopK:
            builder.passLeading(rank - 2, operands: [0])
        case .nearestCode:
            builder.passLeading(rank - 1, operands: [0])
            builder.reduce(.argMax, [(1, 0)])
        case .guide:
            builder.pass(result: 0, [(0, 1), (1, 0)])
            for dim in 1..<rank { builder.pass(result: dim, [(0, dim + 1)]) }
        case .sumExp:
            builder.passLeading(rank, operands: [0, 1])
            builder.reduce(.sum, [(0, rank)])
        case .choose:
            // Given noise is an operand of the logits' shape.
            let rows = operation.attributes.text("noise") == "given" ? [0, 1] : [0]
            builder.pass(result: 0, types.indices.map { ($0, 0) })
            for dim in 1..<(rank - 1) { builder.pass(result: dim, rows.map { ($0, dim) }) }
            builder.reduce(.argMax, rows.map { ($0, rank - 1) })
        case .confidence:
            let noise = operation.attributes.text("noise")
            builder.pass(result: 0, types.indices.map { ($0, 0) })
            for dim in 1..<rank {
                builder.pass(result: dim, ([0, 1, 2, 3] + (noise == "given" ? [5] : [])).map { ($0, dim) })
            }
        default:
            // remask looks at a whole picture at once.
            builder.pass(result: 0, [(0, 0), (1, 0), (2, 0)])
        }
    }
}
