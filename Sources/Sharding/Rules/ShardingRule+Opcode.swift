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
        // No factors: all operands whole, the result replicated.
        case .constant, .iota, .dotGeneral, .unary, .binary, .compare, .select, .annotate, .broadcast, .transpose,
            .reshape, .slice, .pad, .reverse, .dynamicSlice, .dynamicUpdate, .sort, .convGeneral, .maxPool, .resize,
            .argMax, .topK, .mergeTopK:
            break
        case .concat where operation.attributes.values["dim"] != nil: break
        case .reduce where operation.attributes.text("kind") == "min": break
        case .dot, .gather, .takeRow, .attention: contraction(operation, types, &builder)
        case .add, .multiply, .activation, .cast, .pixels, .acceptTokens, .gatedGelu, .modulate, .concat, .sinusoid,
            .choiceIndex:
            elementwise(operation, types, &builder)
        case .rmsNorm, .layerNorm, .reduce, .groupSum, .groupSquares, .groupNormalize, .globalResponseNorm:
            normalization(operation, types, &builder)
        case .conv, .depthwiseConv, .spaceToDepth, .depthToSpace: picture(operation, types, &builder)
        case .nearestCode, .guide, .sumExp, .choose, .confidence, .remask: sampling(operation, types, &builder)
        }
        return builder.rule
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
            for dim in lead..<(rank - 2) { builder.pass(result: dim, [(0, dim)]) }
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
            builder.elementwise()
        case .activation, .cast, .pixels:
            builder.passLeading(rank, operands: [0])
            builder.elementwise()
        case .acceptTokens:
            builder.passLeading(rank, operands: [0, 1])
            builder.elementwise()
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
            builder.elementwise()
        default:
            // concat and sinusoid mix the last dimension.
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
            if let first = reduced.min() {
                builder.reduce(operation.attributes.text("kind") == "max" ? .max : .sum, [(0, first)])
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

    private static func picture(
        _ operation: Program.Operation, _ types: [TensorType], _ builder: inout ShardingRuleBuilder
    ) {
        let rank = types[0].rank
        switch operation.opcode {
        case .conv, .depthwiseConv:
            let isDepthwise = operation.opcode == .depthwiseConv
            builder.passLeading(rank - 1, operands: [0])
            builder.pass(result: rank - 1, isDepthwise ? [(0, rank - 1), (1, 0)] : [(1, 0), (2, 0)])
            for (index, dim) in [rank - 3, rank - 2].enumerated() {
                builder.window(
                    operand: 0, dim: dim,
                    Window(
                        kernel: isDepthwise ? 3 : types[1].sizes[2 + index],
                        stride: operation.attributes.int("stride", default: 1),
                        padLow: operation.attributes.int("padLow", default: 1),
                        upsample: operation.attributes.int("upsample", default: 1)))
            }
        case .spaceToDepth:
            builder.passLeading(rank, operands: [0])
        default:
            // depthToSpace: [a…, y, x, 2, 2, c] -> [a…, 2y, 2x, c]
            builder.passLeading(rank - 3, operands: [0])
            builder.pass(result: rank - 3, [(0, rank - 1)])
        }
    }

    private static func sampling(
        _ operation: Program.Operation, _ types: [TensorType], _ builder: inout ShardingRuleBuilder
    ) {
        let rank = operation.type.rank
        switch operation.opcode {
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
