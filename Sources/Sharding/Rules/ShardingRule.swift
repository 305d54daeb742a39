import Program
import Tensor

/// How a result may be reduced over devices that each saw a part of a dimension.
enum ReductionKind: Sendable, Hashable {
    case sum, max, argMax
    /// Every device gives its own candidates; the best of all are chosen where they are gathered.
    case topK
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
    /// Granules along it.
    var granuleCount: Int
    /// False where the dimensions that carry it have different lengths (slices, concatenations): they are split over
    /// the same axes, but their cuts do not coincide.
    var isAligned = true
    /// True where the leaves of the canonical order of sums are the granules of this factor.
    var isTree = false

    var isReduction: Bool { kind != .passThrough }
}

/// An operation's dimensions in terms of factors: all that propagation and partitioning know about it.
///
/// `dot`, for example, is `([b,t,k],[n,k]) -> [b,t,n]; reduce k`. A dimension carries several factors, major to minor,
/// where a reshape merges or splits dimensions: `[b, (h d)] -> [b, h, d]`. A minor factor is split only where the major
/// ones of its dimension are split down to size 1, so that a device's part stays one contiguous range. A dimension
/// without a factor is needed whole.
struct ShardingRule: Sendable, Hashable {
    var factors: [Factor] = []
    /// Factors of each operand's dimensions.
    var operands: [[[Int]]]
    /// Factors of the result's dimensions.
    var result: [[Int]]
    /// What of each operand's dimensions a part of the result reads.
    var reads: [[DimRead]]
    /// Operations of lower stages propagate first: element-wise ones, then movements, then all others.
    var stage = Stage.other
    /// True where a part of the result may as well be computed again from wider operands.
    var isCheap = false

    enum Stage: Int, Sendable, Hashable, CaseIterable {
        case elementwise, movement, other
    }
}

/// Writes a ``ShardingRule`` dimension by dimension.
struct ShardingRuleBuilder {
    private(set) var rule: ShardingRule
    let operandTypes: [TensorType]
    let resultType: TensorType

    init(_ operands: [TensorType], _ result: TensorType) {
        operandTypes = operands
        resultType = result
        rule = ShardingRule(
            operands: operands.map { Array(repeating: [], count: $0.rank) },
            result: Array(repeating: [], count: result.rank),
            reads: operands.map { Array(repeating: .whole, count: $0.rank) })
    }

    /// A factor that goes through: result dimension `result` and one dimension of some operands.
    ///
    /// Where neither sizes nor granule counts agree the dimensions stay without a factor: they need replication.
    mutating func pass(result: Int, _ operands: [(operand: Int, dim: Int)]) {
        let dim = resultType.dims[result]
        // Size-1 dimensions broadcast and stay whole.
        let carriers = operands.filter { operandTypes[$0.operand].dims[$0.dim].size != 1 || dim.size == 1 }
        guard
            carriers.allSatisfy({
                let other = operandTypes[$0.operand].dims[$0.dim]
                return other.granuleCount == dim.granuleCount || other.size == dim.size
            })
        else { return }
        let factor = append(.passThrough, dim.granuleCount)
        rule.result[result] = [factor]
        for carrier in carriers {
            let size = operandTypes[carrier.operand].dims[carrier.dim].size
            rule.operands[carrier.operand][carrier.dim] = [factor]
            rule.reads[carrier.operand][carrier.dim] = size == dim.size ? .same(result) : .granules(result)
        }
    }

    /// A factor whose dimensions are split alike but read as said: windows, slices and the like.
    mutating func pass(
        result: Int, operand: Int, dim: Int, _ read: DimRead, isAligned: Bool = true, joins: Bool = false
    ) {
        let count = resultType.dims[result].granuleCount
        if !joins || rule.result[result].isEmpty {
            rule.result[result] = [append(.passThrough, count, isAligned: isAligned)]
        }
        rule.operands[operand][dim] = rule.result[result]
        rule.reads[operand][dim] = read
    }

    /// Reads of a dimension that carries no factor of its own.
    mutating func read(operand: Int, dim: Int, _ read: DimRead) { rule.reads[operand][dim] = read }

    /// A factor that is reduced away.
    mutating func reduce(_ kind: ReductionKind, _ operands: [(operand: Int, dim: Int)], isTree: Bool = true) {
        guard let first = operands.first else { return }
        // Equal numbers of granules are not enough: they must lie between the same elements.
        let dim = operandTypes[first.operand].dims[first.dim]
        let count = dim.granuleCount
        guard
            operands.allSatisfy({
                let other = operandTypes[$0.operand].dims[$0.dim]
                return other.granuleCount == count && (count <= 1 || other.granule == dim.granule)
            })
        else { return }
        // Partial sums are f32 and rounded when they are complete; a maximum is one of the values, and needs no rounding.
        guard resultType.dtype == .f32 || ([.sum, .max].contains(kind) && resultType.dtype == .bf16) else { return }
        let factor = append(.reduction(kind), count)
        rule.factors[factor].isTree = isTree
        for carrier in operands {
            rule.operands[carrier.operand][carrier.dim] = [factor]
            rule.reads[carrier.operand][carrier.dim] = .reduced(factor)
        }
    }

    /// Leading dimensions that all the given operands and the result share one by one.
    mutating func passLeading(_ count: Int, operands: [Int]) {
        for dim in 0..<count {
            pass(result: dim, operands.filter { operandTypes[$0].rank > dim }.map { (operand: $0, dim: dim) })
        }
    }

    /// Factors of several dimensions at once: a reshape's.
    mutating func compound(factors: [Int], operandDims: [[Int]], resultDims: [[Int]], reads: [DimRead]) {
        let first = rule.factors.count
        for count in factors { append(.passThrough, count) }
        rule.operands[0] = operandDims.map { $0.map { first + $0 } }
        rule.result = resultDims.map { $0.map { first + $0 } }
        rule.reads[0] = reads
    }

    mutating func stage(_ stage: ShardingRule.Stage, isCheap: Bool = true) {
        rule.stage = stage
        rule.isCheap = isCheap
    }

    @discardableResult
    private mutating func append(_ kind: Factor.Kind, _ count: Int, isAligned: Bool = true) -> Int {
        rule.factors.append(Factor(kind: kind, granuleCount: count, isAligned: isAligned))
        return rule.factors.count - 1
    }
}
