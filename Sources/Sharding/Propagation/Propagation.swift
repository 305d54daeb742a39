import Program

/// Spreads annotations over all values to a fixed point (GSPMD §3.5, Shardy's basic strategy).
///
/// Element-wise operations go first, so that the inside of a layer agrees before a contraction forces a choice; then all.
/// Within a priority: forward, then backward, until nothing changes. A factor takes the longest axis list that one of
/// its dimensions has; where two lists conflict, a closed dimension wins over an open one, then the larger value, then
/// the earlier operand. Closed dimensions never change; an axis never splits two dimensions of a value.
struct Propagation {
    private let program: Program
    private let rules: [ShardingRule]
    private(set) var shardings: [TensorSharding]

    init(_ program: Program, rules: [ShardingRule], annotations: [TensorSharding]) {
        self.program = program
        self.rules = rules
        shardings = annotations
    }

    mutating func run() {
        let elementwise = rules.indices.filter { rules[$0].isElementwise }
        toFixedPoint(elementwise)
        toFixedPoint(Array(rules.indices))
    }

    private mutating func toFixedPoint(_ operations: [Int]) {
        var changed = true
        while changed {
            changed = false
            for operation in operations where visit(operation) { changed = true }
            for operation in operations.reversed() where visit(operation) { changed = true }
        }
    }

    /// A place that carries a factor.
    private struct Carrier {
        var value: Int
        var dim: Int
    }

    /// Makes one operation's dimensions agree as far as they may; true where something changed.
    private mutating func visit(_ id: Int) -> Bool {
        let rule = rules[id]
        var changed = false
        for factor in rule.factors.indices where rule.factors[factor].granuleCount > 1 {
            var carriers: [Carrier] = []
            for (dim, owner) in rule.result.enumerated() where owner == factor {
                carriers.append(Carrier(value: id, dim: dim))
            }
            for (operand, dims) in rule.operands.enumerated() {
                for (dim, owner) in dims.enumerated() where owner == factor {
                    carriers.append(Carrier(value: program.operations[id].operands[operand], dim: dim))
                }
            }
            guard let source = strongest(carriers) else { continue }
            for carrier in carriers where extend(carrier, from: source, through: id) { changed = true }
        }
        return changed
    }

    private func strongest(_ carriers: [Carrier]) -> Carrier? {
        var best: (carrier: Carrier, rank: [Int])?
        for carrier in carriers {
            let dim = shardings[carrier.value].dims[carrier.dim]
            if dim.axes.isEmpty { continue }
            let rank = [dim.isOpen ? 0 : 1, dim.axes.count, program.type(of: carrier.value).elementCount]
            if let current = best, !current.rank.lexicographicallyPrecedes(rank) { continue }
            best = (carrier, rank)
        }
        return best?.carrier
    }

    private mutating func extend(_ carrier: Carrier, from source: Carrier, through operation: Int) -> Bool {
        let target = shardings[carrier.value].dims[carrier.dim]
        let axes = shardings[source.value].dims[source.dim].axes
        guard target.isOpen, axes.count > target.axes.count, axes.starts(with: target.axes) else { return false }
        var free: [Int] = target.axes
        for axis in axes.dropFirst(target.axes.count) {
            if shardings[carrier.value].usedAxes.contains(axis) { break }
            free.append(axis)
        }
        guard free.count > target.axes.count else { return false }
        shardings[carrier.value].dims[carrier.dim] = DimSharding(
            axes: free, isOpen: true, origin: .propagated(operation: operation, from: source.value))
        return true
    }
}
