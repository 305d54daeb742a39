import Program

extension ShardingRule {
    /// Operations that only move elements.
    static func movement(
        _ operation: Program.Operation, _ types: [TensorType], _ builder: inout ShardingRuleBuilder
    ) {
        let attributes = operation.attributes
        let rank = operation.type.rank
        switch operation.opcode {
        case .transpose:
            for (result, dim) in attributes.ints("permutation").enumerated() {
                builder.pass(result: result, [(0, dim)])
            }
        case .broadcast:
            let dims = attributes.ints("dims")
            for result in 0..<rank {
                builder.pass(result: result, dims.indices.filter { dims[$0] == result }.map { (0, $0) })
            }
        case .reshape:
            reshape(operation.type.dims, types[0].dims, &builder)
        case .slice:
            let start = attributes.ints("start")
            let strides = attributes.ints("strides", default: Array(repeating: 1, count: rank))
            for dim in 0..<rank {
                shift(dim, operand: 0, offset: start[dim], stride: strides[dim], operation, types, &builder)
            }
        case .pad:
            for (dim, low) in attributes.ints("low").enumerated() {
                shift(dim, operand: 0, offset: -low, stride: 1, operation, types, &builder)
            }
        case .reverse:
            let reversed = attributes.ints("dims")
            for dim in 0..<rank {
                if reversed.contains(dim) {
                    builder.pass(result: dim, operand: 0, dim: dim, .mirrored(dim), isAligned: false)
                } else {
                    builder.pass(result: dim, [(0, dim)])
                }
            }
        case .concat:
            concat(operation, types, &builder)
        default:
            dynamic(operation, types, &builder)
            return builder.stage(.movement, isCheap: false)
        }
        builder.stage(.movement)
    }

    /// A dimension that is cut, strided or padded.
    private static func shift(
        _ dim: Int, operand: Int, offset: Int, stride: Int, _ operation: Program.Operation, _ types: [TensorType],
        _ builder: inout ShardingRuleBuilder
    ) {
        if offset == 0, stride == 1, types[operand].sizes[dim] == operation.type.sizes[dim] {
            builder.pass(result: dim, [(operand, dim)])
        } else {
            builder.pass(
                result: dim, operand: operand, dim: dim, .strided(dim, offset: offset, stride: stride),
                isAligned: false)
        }
    }

    private static func concat(
        _ operation: Program.Operation, _ types: [TensorType], _ builder: inout ShardingRuleBuilder
    ) {
        let rank = operation.type.rank
        let joined = operation.attributes.int("dim", default: rank - 1)
        for dim in 0..<rank where dim != joined { builder.pass(result: dim, types.indices.map { ($0, dim) }) }
        var offset = 0
        for operand in types.indices {
            builder.pass(
                result: joined, operand: operand, dim: joined, .strided(joined, offset: -offset, stride: 1),
                isAligned: false, joins: true)
            offset += types[operand].sizes[joined]
        }
    }

    /// dynamicSlice and dynamicUpdate: what is cut at run time is whole.
    private static func dynamic(
        _ operation: Program.Operation, _ types: [TensorType], _ builder: inout ShardingRuleBuilder
    ) {
        let isUpdate = operation.opcode == .dynamicUpdate
        for dim in operation.type.dims.indices {
            if isUpdate {
                let isWhole = types[1].sizes[dim] == types[0].sizes[dim]
                builder.pass(result: dim, isWhole ? [(0, dim), (1, dim)] : [(0, dim)])
            } else if types[0].sizes[dim] == operation.type.sizes[dim] {
                builder.pass(result: dim, [(0, dim)])
            } else {
                builder.pass(result: dim, [])
            }
        }
    }

    // MARK: Reshape

    private static func reshape(_ result: [Dim], _ operand: [Dim], _ builder: inout ShardingRuleBuilder) {
        var parts = ReshapeFactors(operand: operand, result: result)
        parts.run()
        var reads = [DimRead](repeating: .whole, count: operand.count)
        for group in ReshapeGroups(from: operand, to: result.map(\.size)).groups {
            for dim in group.operand {
                let isSame = group.operand.count == 1 && group.result.count == 1
                reads[dim] =
                    isSame
                    ? .same(group.result.lowerBound)
                    : .linear(result: group.result, group: group.operand, dim: dim)
            }
        }
        builder.compound(
            factors: parts.counts, operandDims: parts.operandFactors, resultDims: parts.resultFactors, reads: reads)
    }
}

/// The common factors of the two shapes of a reshape, from the outermost dimension in.
struct ReshapeFactors {
    let operand: [Dim]
    let result: [Dim]
    /// Granules along each factor; 1 where it is never split.
    private(set) var counts: [Int] = []
    private(set) var operandFactors: [[Int]]
    private(set) var resultFactors: [[Int]]

    init(operand: [Dim], result: [Dim]) {
        self.operand = operand
        self.result = result
        operandFactors = Array(repeating: [], count: operand.count)
        resultFactors = Array(repeating: [], count: result.count)
    }

    mutating func run() {
        guard !operand.contains(where: { $0.size == 0 }) else { return }
        var (i, j) = (0, 0)
        var (a, b) = (operand.first?.size ?? 1, result.first?.size ?? 1)
        while i < operand.count, j < result.count {
            if a == 1 {
                i += 1
                a = i < operand.count ? operand[i].size : 1
            } else if b == 1 {
                j += 1
                b = j < result.count ? result[j].size : 1
            } else {
                let common = greatestDivisor(a, b)
                // What has no common part stays without a factor, and so does all that is minor to it.
                guard common == min(a, b) || common > 1 else { return }
                (a, b) = (a / common, b / common)
                add(common, operandDim: i, operandMinor: a, resultDim: j, resultMinor: b)
                guard a == 1 || b == 1 else { return }
            }
        }
    }

    private mutating func add(_ size: Int, operandDim: Int, operandMinor: Int, resultDim: Int, resultMinor: Int) {
        // Indices of the factor between two cuts, by the granules of the dimensions on both sides.
        func step(_ dim: Dim, _ minor: Int) -> Int {
            dim.granule <= minor ? 1 : min(size, (dim.granule + minor - 1) / minor)
        }
        let own = max(step(operand[operandDim], operandMinor), step(result[resultDim], resultMinor))
        counts.append((size + own - 1) / own)
        operandFactors[operandDim].append(counts.count - 1)
        resultFactors[resultDim].append(counts.count - 1)
    }
}

/// Greatest common divisor.
func greatestDivisor(_ a: Int, _ b: Int) -> Int { b == 0 ? a : greatestDivisor(b, a % b) }
