import Program
import Tensor

/// Which factors of an operation get which mesh axes.
extension Partitioner {
    /// The cheapest assignment of those that the plan and the operands suggest; of equal ones the plan's.
    mutating func choose(_ id: Program.ValueID) -> Assignment {
        let operation = program.operations[id]
        let demand = demand(id)
        let key = ChoiceKey(
            operation: classes[id],
            operands: operation.operands.map { operand in
                .init(
                    copies: states[operand].copies.map(\.set), partial: states[operand].pending?.partial,
                    planned: shardings[operand].dims.map(\.axes), opcode: program.operations[operand].opcode)
            }, planned: shardings[id].dims.map(\.axes), demand: demand, isFinal: isFinal[id],
            isLookingAhead: isLookingAhead)
        if let axes = chosen[key], let known = assignment(id, axes) { return known }
        let planned = plannedAxes(id)
        guard var best = assignment(id, planned) ?? assignment(id, rules[id].factors.map { _ in [] }) else {
            preconditionFailure("an operation can be computed whole")
        }
        var least = cost(id, best, demand)
        if least.bytes > 0 {
            var ranked = [(assignment: best, price: least)]
            // Bytes are saved by sending less, not by every device doing the work of all.
            let most = work(id, best)
            // Where operands agree the plan stands unless another assignment sends less than half.
            if operandPrice(id, best).bytes == 0 { least.bytes /= 2 }
            for axes in candidates(id) where axes != best.axes {
                guard let other = assignment(id, axes), work(id, other) <= most else { continue }
                let limit = StrategyCost(bytes: least.bytes * 2, rounds: least.rounds)
                let price = cost(id, other, demand, below: mayLookAhead ? limit : least)
                if mayLookAhead { ranked.append((other, price)) }
                if price < least { (best, least) = (other, price) }
            }
            if least.bytes > 0, let local = inPlace(id) { return local }
            if least.bytes > 0, mayLookAhead, ranked.count > 1 {
                if let first = ranked.firstIndex(where: { $0.assignment.axes == best.axes }) { ranked.swapAt(0, first) }
                best = lookAhead(id, ranked)
            }
        }
        chosen[key] = best.axes
        return best
    }

    // MARK: Candidates

    /// The plan's own assignment: reductions follow their operands, the rest the result's sharding.
    private func plannedAxes(_ id: Program.ValueID) -> [[AxisRef]] {
        let rule = rules[id]
        let operation = program.operations[id]
        var axes = [[AxisRef]](repeating: [], count: rule.factors.count)
        var used: [AxisRef] = []
        func claim(_ factor: Int, _ wanted: [AxisRef]) {
            guard axes[factor].isEmpty, canSplit(factor, rule) else { return }
            let free = Array(wanted.prefix { !used.overlaps($0) })
            axes[factor] = free
            used += free
        }
        for factor in rule.factors.indices where rule.factors[factor].isReduction {
            claim(factor, operandAxes(operation, rule, factor).axes)
        }
        for (dim, factors) in rule.result.enumerated() {
            let planned = FactorAxes.project(shardings[id].dims[dim].axes, factors, rule)
            for (factor, list) in planned where !list.isEmpty { claim(factor, list) }
            for factor in factors where axes[factor].isEmpty {
                // The result is to be whole: compute on shards and gather the result where that moves less.
                let (current, bytes) = operandAxes(operation, rule, factor)
                let resultBytes = operation.type.elementCount * operation.type.dtype.byteCount
                if !current.isEmpty, bytes >= resultBytes, shardings[id].dims[dim].axes.isEmpty {
                    claim(factor, current)
                }
            }
        }
        return axes
    }

    private func canSplit(_ factor: Int, _ rule: ShardingRule) -> Bool {
        let entry = rule.factors[factor]
        guard entry.granuleCount > 1 else { return false }
        guard case .reduction(.sum) = entry.kind else { return true }
        return entry.isTree || options.reductionOrder == .sharded
    }

    /// Axes that split a factor in what the operands are now, and the size of the operand that says so.
    private func operandAxes(
        _ operation: Program.Operation, _ rule: ShardingRule, _ factor: Int
    ) -> (axes: [AxisRef], bytes: Int) {
        var best: (axes: [AxisRef], rank: [Int], bytes: Int) = ([], [-1], 0)
        for (index, operand) in operation.operands.enumerated() {
            let type = program.type(of: operand)
            let bytes = type.elementCount * type.dtype.byteCount
            for (dim, factors) in rule.operands[index].enumerated() where factors.contains(factor) {
                let current =
                    FactorAxes.project(current(operand, dim), factors, rule)
                    .first { $0.factor == factor }?.axes ?? []
                // Computed values lie where they lie; weights and inputs come in any layout for free.
                let rank = [states[operand].layout == nil ? 0 : 1, bytes]
                if !current.isEmpty, best.rank.lexicographicallyPrecedes(rank) { best = (current, rank, bytes) }
            }
        }
        return (best.axes, best.bytes)
    }

    private func current(_ value: Program.ValueID, _ dim: Int) -> [AxisRef] {
        states[value].layout?.dims[dim].axes ?? shardings[value].dims[dim].axes
    }

    /// Assignments worth a price: each part of an axis at one of the factors that somebody has it at, or at none; and at
    /// any other where operands would have to move anyway.
    private mutating func candidates(_ id: Program.ValueID) -> [[[AxisRef]]] {
        let rule = rules[id]
        var evidence: [(factor: Int, axes: [AxisRef])] = []
        func note(_ axes: [AxisRef], _ factors: [Int]) {
            for (factor, list) in FactorAxes.project(axes, factors, rule) where !list.isEmpty {
                evidence.append((factor, list))
            }
        }
        for (dim, factors) in rule.result.enumerated() { note(shardings[id].dims[dim].axes, factors) }
        for (index, operand) in program.operations[id].operands.enumerated() {
            for (dim, factors) in rule.operands[index].enumerated() {
                note(current(operand, dim), factors)
                // What is not split there may still be split in the operand: it can move.
                if factors.isEmpty { evidence.append((-1, current(operand, dim))) }
            }
            // Partial results may be combined into pieces.
            if let partial = states[operand].pending?.partial { evidence.append((-1, partial.axes)) }
        }
        // What only the caller reads may be split over any axis.
        if isFinal[id], geometry.mesh.axes.count <= 3 {
            let mesh = geometry.mesh
            for axis in mesh.axes.indices where mesh.axes[axis].size > 1 {
                evidence.append((-1, [AxisRef(axis, of: mesh)]))
            }
        }
        let search = CandidateSearch(
            evidence: evidence, factorCount: rule.factors.count,
            movable: rule.factors.indices.filter { !rule.factors[$0].isReduction && rule.factors[$0].granuleCount > 1 },
            splittable: rule.factors.indices.filter { canSplit($0, rule) },
            granules: rule.factors.map(\.granuleCount))
        return search.candidates(limit: geometry.mesh.deviceCount > 64 ? 48 : 400)
    }

    /// Multiplications of the busiest device, where an operation is mostly multiplications; 0 for others.
    private func work(_ id: Program.ValueID, _ assignment: Assignment) -> Int {
        let operation = program.operations[id]
        let attributes = operation.attributes
        let depth: (Box) -> Int
        switch operation.opcode {
        case .dot: depth = { $0.dims.suffix(attributes.int("contract")).reduce(1, *) }
        case .dotGeneral:
            let contracted = attributes.ints("rhsContract")
            depth = { box in contracted.reduce(1) { $0 * box.ranges[$1].count } }
        case .conv: depth = { $0.dims.dropFirst().reduce(1, *) }
        case .convGeneral: depth = { $0.dims.prefix(3).reduce(1, *) }
        case .attention: depth = { $0.dims.dropLast(2).suffix(attributes.int("keyDims")).reduce(1, *) }
        default: return 0
        }
        let (results, weights) = (geometry.table[assignment.set].boxes, geometry.table[assignment.operands[1]].boxes)
        return zip(results, weights).reduce(0) { max($0, $1.0.elementCount * depth($1.1)) }
    }

    // MARK: Prices

    /// What it sends to bring the operands where an assignment reads them.
    private mutating func operandPrice(_ id: Program.ValueID, _ assignment: Assignment) -> StrategyCost {
        var total = StrategyCost()
        var seen: Set<[Int]> = []
        for (operand, set) in zip(program.operations[id].operands, assignment.operands)
        where seen.insert([operand, set]).inserted {
            var cost = price(operand, set)
            if cost.bytes > 0 { cost.bytes /= sharers(of: operand, from: id) }
            total = total + cost
        }
        return total
    }

    /// Operations like this one that will read a value too (queries, keys and values of one input): what is brought for
    /// one of them serves all.
    private func sharers(of value: Program.ValueID, from id: Program.ValueID) -> Int {
        let operation = program.operations[id]
        guard operation.opcode == .dot || operation.opcode == .dotGeneral else { return 1 }
        let place = operation.operands.firstIndex(of: value)
        return readers[value].count { reader in
            reader >= id && program.operations[reader].opcode == operation.opcode
                && program.operations[reader].operands.firstIndex(of: value) == place
        }
    }

    /// What an assignment sends: operands, the reduction, and the way to where the result is wanted.
    private mutating func cost(
        _ id: Program.ValueID, _ assignment: Assignment, _ demand: Layout?, below: StrategyCost? = nil
    ) -> StrategyCost {
        let operation = program.operations[id]
        let total = operandPrice(id, assignment)
        if let below, below < total { return total }
        let wanted = demand ?? (isFinal[id] ? nil : Layout(shardings[id].dims.map(\.axes)))
        let target = wanted.map { geometry.set(operation.type.dims, $0) }
        if assignment.candidates {
            let k = operation.attributes.int("k")
            let rows = geometry.table[assignment.set].largest / max(1, k * 2)
            let parts = assignment.partial?.axes.partCount ?? 1
            return total + StrategyCost(bytes: (parts - 1) * rows * k * 8 / (isFinal[id] ? parts : 1), rounds: 1)
        }
        if let partial = assignment.partial {
            return total + reductionPrice(partial, to: target, operation.type, isFinal: wanted == nil)
        }
        guard let target, target != assignment.set, !geometry.table.contains(assignment.set, target) else {
            return total
        }
        var back = movedByteCount(operation.type, from: assignment.set, to: target)
        if demand == nil, let bound = reducedBytes(id) { back = min(back, bound) }
        return total + StrategyCost(bytes: back, rounds: 1)
    }

    /// Bytes of what the readers of a value make of it, twice, where all of them reduce it; nil where one does not.
    private func reducedBytes(_ id: Program.ValueID) -> Int? {
        var bytes = 0
        for reader in readers[id] {
            let operation = program.operations[reader]
            switch operation.opcode {
            case .reduce, .argMax, .choose, .topK: bytes += 2 * operation.type.elementCount * 4
            default: return nil
            }
        }
        return bytes
    }

    /// Where a value is wanted for certain: by its own annotation, by an annotation that reads it, or by readers whose
    /// plan reached it.
    private func demand(_ id: Program.ValueID) -> Layout? {
        let planned = Layout(shardings[id].dims.map(\.axes))
        if let own = demanded(id, from: planned) { return own }
        if readers[id].count == 1, program.operations[readers[id][0]].opcode == .annotate {
            if let layout = demanded(readers[id][0], from: planned) { return layout }
        }
        let isReached = shardings[id].dims.contains { dim in
            if case .propagated(let operation, _) = dim.origin { return operation != id }
            return false
        }
        return isReached ? planned : nil
    }
}

/// Axes of a dimension, told apart by the factors that it carries.
enum FactorAxes {
    /// Axes of each factor of a dimension; what does not divide stays with the factor it comes to.
    static func project(
        _ axes: [AxisRef], _ factors: [Int], _ rule: ShardingRule
    ) -> [(factor: Int, axes: [AxisRef])] {
        var rest = axes
        var result: [(factor: Int, axes: [AxisRef])] = []
        for (index, factor) in factors.enumerated() where !rest.isEmpty {
            let count = rule.factors[factor].granuleCount
            if factors.count == 1 {
                result.append((factor, rest))
                rest = []
            } else if let (major, minor) = rest.split(parts: count) {
                result.append((factor, major))
                rest = minor
            } else {
                let isEven = rest.partCount < count && count % rest.partCount == 0
                if isEven || index == factors.count - 1 { result.append((factor, rest)) }
                rest = []
            }
        }
        return result
    }
}
