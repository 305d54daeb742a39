import Program

/// Spreads annotations over all values to a fixed point (GSPMD §3.5, Shardy's priorities).
///
/// Annotations of the first user priority spread first. Within a priority element-wise operations go first, so that the
/// inside of a layer agrees before a contraction forces a choice; then movements; then all. An operation whose values
/// changed is visited again, in program order, until nothing changes: linear in the size of the program.
///
/// A factor takes the axes of the strongest dimension that carries it: a closed dimension before an open one, then the
/// longer list, then the larger value, then the earlier one (result, then operands in order). Stronger factors are served
/// first. Closed dimensions never change, and an axis never splits two dimensions of a value.
struct Propagation {
    private let program: Program
    private let rules: [ShardingRule]
    /// Operations that make or read each value.
    private let neighbours: [[Int]]
    /// User priorities of annotations, by value and dimension.
    private let priorities: [[Int]]
    private var level = 0
    private(set) var shardings: [TensorSharding]

    init(_ program: Program, rules: [ShardingRule], annotations: [TensorSharding], priorities: [String: Int]) {
        self.program = program
        self.rules = rules
        shardings = annotations
        var neighbours = [[Int]](repeating: [], count: program.operations.count)
        for (id, operation) in program.operations.enumerated() {
            neighbours[id].append(id)
            for operand in operation.operands where neighbours[operand].last != id { neighbours[operand].append(id) }
        }
        self.neighbours = neighbours
        self.priorities = annotations.map { sharding in
            sharding.dims.map { dim in
                guard case .annotation(let logical) = dim.origin else { return 0 }
                return priorities[logical] ?? 0
            }
        }
    }

    mutating func run() {
        let levels = Set(priorities.flatMap { $0 }).union([0]).sorted()
        for level in levels {
            self.level = level
            for stage in ShardingRule.Stage.allCases { toFixedPoint(upTo: stage) }
        }
    }

    private mutating func toFixedPoint(upTo stage: ShardingRule.Stage) {
        func takesPart(_ id: Int) -> Bool { rules[id].stage.rawValue <= stage.rawValue }
        var waiting = rules.indices.map(takesPart)
        var isForward = true
        while waiting.contains(true) {
            let order = isForward ? Array(rules.indices) : rules.indices.reversed()
            for id in order where waiting[id] {
                waiting[id] = false
                for value in visit(id) {
                    for neighbour in neighbours[value] where neighbour != id && takesPart(neighbour) {
                        waiting[neighbour] = true
                    }
                }
            }
            isForward.toggle()
        }
    }

    /// A place that carries a factor, and how strongly it speaks for its axes.
    private struct Voice {
        var value: Int
        var axes: [AxisRef]
        var rank: [Int]
    }

    /// Makes one operation's dimensions agree as far as they may; the values that changed.
    private mutating func visit(_ id: Int) -> [Int] {
        let rule = rules[id]
        if rule.factors.isEmpty { return [] }
        let values = [id] + program.operations[id].operands
        let carried = [rule.result] + rule.operands
        var voices = [Voice?](repeating: nil, count: rule.factors.count)
        for (position, value) in values.enumerated() {
            for (dim, factors) in carried[position].enumerated() where !factors.isEmpty {
                let sharding = shardings[value].dims[dim]
                if sharding.axes.isEmpty || priorities[value][dim] > level { continue }
                for (factor, axes) in FactorAxes.project(sharding.axes, factors, rule) where !axes.isEmpty {
                    let size = program.type(of: value).elementCount
                    let voice = Voice(value: value, axes: axes, rank: [sharding.isOpen ? 0 : 1, axes.partCount, size])
                    if let known = voices[factor], !known.rank.lexicographicallyPrecedes(voice.rank) { continue }
                    voices[factor] = voice
                }
            }
        }
        if voices.allSatisfy({ $0 == nil }) { return [] }
        var changed: [Int] = []
        for (position, value) in values.enumerated() where !changed.contains(value) {
            if extend(value, carried[position], voices, through: id) { changed.append(value) }
        }
        return changed
    }

    /// Gives a value's open dimensions the axes of their factors; true where that changed something.
    private mutating func extend(
        _ value: Int, _ dims: [[Int]], _ voices: [Voice?], through id: Int
    ) -> Bool {
        let rule = rules[id]
        let strength = dims.indices.sorted { a, b in
            let (x, y) = (
                dims[a].first.flatMap { voices[$0]?.rank } ?? [], dims[b].first.flatMap { voices[$0]?.rank } ?? []
            )
            return x == y ? a < b : y.lexicographicallyPrecedes(x)
        }
        var changed = false
        for dim in strength where shardings[value].dims[dim].isOpen && !dims[dim].isEmpty {
            let mine = shardings[value].dims[dim].axes
            guard let (wanted, from) = joined(dims[dim], voices, value, rule) else { continue }
            guard wanted.partCount > mine.partCount, let added = wanted.rest(after: mine) else { continue }
            let others = shardings[value].dims.indices.filter { $0 != dim }.flatMap { shardings[value].dims[$0].axes }
            let free = Array(added.prefix { !others.overlaps($0) && !mine.overlaps($0) })
            if free.isEmpty || program.type(of: value).dims[dim].granuleCount <= 1 { continue }
            shardings[value].dims[dim] = DimSharding(
                axes: (mine + free).merged, isOpen: true, origin: .propagated(operation: id, from: from))
            changed = true
        }
        return changed
    }

    /// The axes of a dimension from those of its factors: minor factors only below major ones that are split to one.
    private func joined(
        _ factors: [Int], _ voices: [Voice?], _ value: Int, _ rule: ShardingRule
    ) -> (axes: [AxisRef], from: Int)? {
        var axes: [AxisRef] = []
        var from: Int?
        for factor in factors {
            guard let voice = voices[factor] else {
                if rule.factors[factor].granuleCount == 1 { continue }
                break
            }
            let free = voice.axes.prefix { !axes.overlaps($0) }
            axes += free
            if voice.value != value || from == nil { from = voice.value }
            if Array(free).partCount != rule.factors[factor].granuleCount { break }
        }
        return from.map { (axes.merged, $0) }
    }
}
