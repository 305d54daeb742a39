import Program

extension ShardingRule {
    /// Operations on pictures `[…, Y, X, C]`.
    ///
    /// Rows, and columns where kernels take a part of them, are read through windows. The others' columns carry no
    /// factor: they are whole.
    static func picture(
        _ operation: Program.Operation, _ types: [TensorType], _ builder: inout ShardingRuleBuilder
    ) {
        let rank = types[0].rank
        let attributes = operation.attributes
        switch operation.opcode {
        case .conv, .depthwiseConv:
            let isDepthwise = operation.opcode == .depthwiseConv
            builder.passLeading(rank - 3, operands: [0])
            builder.pass(result: rank - 1, isDepthwise ? [(0, rank - 1), (1, 0)] : [(1, 0), (2, 0)])
            let window = Window(
                kernel: isDepthwise ? 3 : types[1].sizes[2],
                stride: attributes.int("stride", default: 1), padLow: attributes.int("padLow", default: 1),
                upsample: attributes.int("upsample", default: 1))
            builder.pass(result: rank - 3, operand: 0, dim: rank - 3, .window(rank - 3, window))
        case .spaceToDepth:
            builder.passLeading(rank - 3, operands: [0])
            let blocks = Window(kernel: 2, stride: 2)
            builder.pass(result: rank - 3, operand: 0, dim: rank - 3, .window(rank - 3, blocks))
            builder.pass(result: rank - 1, [(0, rank - 1)])
        case .depthToSpace:
            // [a…, y, x, 2, 2, c] -> [a…, 2y, 2x, c]
            builder.passLeading(rank - 5, operands: [0])
            let blocks = Window(kernel: 1, upsample: 2)
            builder.pass(result: rank - 5, operand: 0, dim: rank - 5, .window(rank - 5, blocks))
            builder.pass(result: rank - 3, [(0, rank - 1)])
        case .resize:
            builder.passLeading(rank - 3, operands: [0])
            let window = Window(kernel: 1, upsample: attributes.int("factor"))
            for dim in [rank - 3, rank - 2] {
                let isAligned = types[0].dims[dim].granuleCount == operation.type.dims[dim].granuleCount
                builder.pass(result: dim, operand: 0, dim: dim, .window(dim, window), isAligned: isAligned)
            }
            builder.pass(result: rank - 1, [(0, rank - 1)])
            builder.stage(.movement)
        default:
            windowed(operation, types, &builder)
        }
    }

    /// convGeneral and maxPool.
    private static func windowed(
        _ operation: Program.Operation, _ types: [TensorType], _ builder: inout ShardingRuleBuilder
    ) {
        let rank = types[0].rank
        let attributes = operation.attributes
        let isPool = operation.opcode == .maxPool
        let kernel = isPool ? attributes.ints("window") : Array(types[1].sizes.prefix(2))
        let dilation = attributes.ints("dilation", default: [1, 1])
        builder.passLeading(rank - 3, operands: [0])
        for (index, dim) in [rank - 3, rank - 2].enumerated() {
            let window = Window(
                kernel: kernel[index], stride: attributes.ints("strides")[index],
                padLow: attributes.ints("padLow")[index], dilation: dilation[index])
            let isAligned = types[0].dims[dim].granuleCount == operation.type.dims[dim].granuleCount
            builder.pass(result: dim, operand: 0, dim: dim, .window(dim, window), isAligned: isAligned)
        }
        if isPool { return builder.pass(result: rank - 1, [(0, rank - 1)]) }
        let groups = attributes.int("groups")
        builder.pass(result: rank - 1, [(1, 3)])
        if groups == 1 {
            builder.reduce(.sum, [(0, rank - 1), (1, 2)])
            return
        }
        let (into, out) = (types[0].sizes[rank - 1] / groups, operation.type.sizes[rank - 1] / groups)
        let isAligned = types[0].dims[rank - 1].granuleCount == operation.type.dims[rank - 1].granuleCount
        builder.pass(
            result: rank - 1, operand: 0, dim: rank - 1, .blocks(rank - 1, from: out, to: into), isAligned: isAligned,
            joins: true)
    }
}
