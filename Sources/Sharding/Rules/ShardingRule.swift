import Program

/// How a result may be reduced over devices that each saw a part of a dimension.
enum ReductionKind: Sendable, Hashable {
    case sum, max, argMax
}

/// An einsum index of an operation: the dimensions that carry the same one are split alike.
struct Factor: Sendable, Hashable {
    enum Kind: Sendable, Hashable {
        /// Appears in the result: splitting it splits the work.
        case passThrough
        /// Does not appear in the result: splitting it leaves partial results.
        case reduction(ReductionKind)
    }

    var kind: Kind
    /// Granules along it; equal in every dimension that carries it.
    var granuleCount: Int
}

/// Which rows of an operand a range of result rows reads (convolutions): the halo.
struct Window: Sendable, Hashable {
    var kernel: Int
    var stride: Int
    var padLow: Int
    var upsample: Int

    /// Operand rows for result rows, cut at the picture.
    func operandRows(for rows: Range<Int>, size: Int) -> Range<Int> {
        if rows.isEmpty { return 0..<0 }
        let lower = rows.lowerBound * stride - padLow
        let upper = (rows.upperBound - 1) * stride - padLow + kernel
        // Row r of the enlarged picture is row r / upsample of the operand.
        let first = max(0, lower) / upsample
        let last = min(size, (max(0, upper) + upsample - 1) / upsample)
        return min(first, last)..<last
    }
}

/// An operation's dimensions in terms of factors: all that propagation and partitioning know about it.
///
/// `dot`, for example, is `([b,t,k],[n,k]) -> [b,t,n]; reduce k`. A dimension without a factor needs replication.
struct ShardingRule: Sendable, Hashable {
    var factors: [Factor]
    /// Factor of each operand's dimensions.
    var operands: [[Int?]]
    /// Factor of the result's dimensions.
    var result: [Int?]
    /// Halos, by operand and dimension.
    var windows: [[Int]: Window] = [:]
    /// True for element-wise operations: they propagate first.
    var isElementwise = false
}

/// Writes a ``ShardingRule`` dimension by dimension.
struct ShardingRuleBuilder {
    private(set) var rule: ShardingRule
    private let operandTypes: [TensorType]
    private let resultType: TensorType

    init(_ operands: [TensorType], _ result: TensorType) {
        operandTypes = operands
        resultType = result
        rule = ShardingRule(
            factors: [], operands: operands.map { Array(repeating: nil, count: $0.rank) },
            result: Array(repeating: nil, count: result.rank))
    }

    /// A factor that goes through: result dimension `result` and one dimension of some operands.
    ///
    /// Where the granule counts differ the dimensions stay without a factor: they need replication.
    mutating func pass(result: Int, _ operands: [(operand: Int, dim: Int)]) {
        let count = resultType.dims[result].granuleCount
        let size = resultType.dims[result].size
        // Size-1 dimensions broadcast and stay whole.
        let carriers = operands.filter {
            operandTypes[$0.operand].dims[$0.dim].size != 1 || size == 1
        }
        guard carriers.allSatisfy({ operandTypes[$0.operand].dims[$0.dim].granuleCount == count }) else { return }
        rule.result[result] = append(.passThrough, count)
        for carrier in carriers { rule.operands[carrier.operand][carrier.dim] = rule.factors.count - 1 }
    }

    /// A factor that is reduced away.
    mutating func reduce(_ kind: ReductionKind, _ operands: [(operand: Int, dim: Int)]) {
        guard let first = operands.first else { return }
        let count = operandTypes[first.operand].dims[first.dim].granuleCount
        guard operands.allSatisfy({ operandTypes[$0.operand].dims[$0.dim].granuleCount == count }) else { return }
        let factor = append(.reduction(kind), count)
        for carrier in operands { rule.operands[carrier.operand][carrier.dim] = factor }
    }

    /// Leading dimensions that all the given operands and the result share one by one.
    mutating func passLeading(_ count: Int, operands: [Int]) {
        for dim in 0..<count {
            pass(result: dim, operands.filter { operandTypes[$0].rank > dim }.map { (operand: $0, dim: dim) })
        }
    }

    mutating func window(operand: Int, dim: Int, _ window: Window) { rule.windows[[operand, dim]] = window }

    mutating func elementwise() { rule.isElementwise = true }

    private mutating func append(_ kind: Factor.Kind, _ count: Int) -> Int {
        rule.factors.append(Factor(kind: kind, granuleCount: count))
        return rule.factors.count - 1
    }
}
