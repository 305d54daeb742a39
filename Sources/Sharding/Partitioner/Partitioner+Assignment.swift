import Program
import Tensor

/// From axes of factors to boxes of operands and results.
extension Partitioner {
    /// What axes of an operation's factors mean; nil where they cannot be (a minor factor split before a major one).
    mutating func assignment(_ id: Program.ValueID, _ axes: [[AxisRef]]) -> Assignment? {
        let key = AssignmentKey(operation: classes[id], axes: axes)
        if let known = assignments[key] { return known }
        let rule = rules[id]
        let dims = program.type(of: id).dims
        guard let layout = layout(rule.result, axes, rule) else { return nil }
        let set = geometry.set(dims, layout)
        var reduced: [Int: [Range<Int>]] = [:]
        var split: [Int] = []
        for (factor, list) in axes.enumerated() where rule.factors[factor].isReduction && !list.isEmpty {
            reduced[factor] = geometry.granules(rule.factors[factor].granuleCount, axes: list)
            split.append(factor)
        }
        let operands = operandSets(id, set, reduced)
        let layouts = rule.operands.map { self.layout($0, axes, rule) ?? .replicated(rank: $0.count) }
        var result = Assignment(
            axes: axes, layout: layout, set: set, operands: operands, operandLayouts: layouts, candidates: false)
        if let first = split.first, case .reduction(let kind) = rule.factors[first].kind {
            result.partial = partial(kind, set, split, axes, reduced, rule, program.type(of: id))
            result.candidates = kind == .topK
        }
        assignments[key] = result
        return result
    }

    /// Boxes of each operand that boxes of the result read.
    mutating func operandSets(_ id: Program.ValueID, _ set: Int, _ reduced: [Int: [Range<Int>]]) -> [Int] {
        let rule = rules[id]
        let operation = program.operations[id]
        let boxes = geometry.table[set].boxes
        return operation.operands.enumerated().map { index, operand in
            let dims = program.type(of: operand).dims
            let reads = rule.reads[index]
            if reads.allSatisfy({ $0 == .whole }) { return geometry.set(dims, .replicated(rank: dims.count)) }
            if reads == dims.indices.map({ .same($0) }), dims.count == operation.type.rank { return set }
            let needed = boxes.indices.map { device in
                let ranges = reduced.mapValues { $0[device] }
                return Box(
                    reads.enumerated().map { dim, read in
                        read.range(
                            of: dims, at: dim, result: boxes[device], resultDims: operation.type.dims, reduced: ranges)
                    })
            }
            return geometry.table.intern(needed)
        }
    }

    private func layout(_ dims: [[Int]], _ axes: [[AxisRef]], _ rule: ShardingRule) -> Layout? {
        var result: [Layout.DimCut] = []
        for factors in dims {
            guard let last = factors.lastIndex(where: { !axes[$0].isEmpty }) else {
                result.append(.init())
                continue
            }
            // A minor factor is split only where all before it are split down to one index.
            guard factors[..<last].allSatisfy({ axes[$0].partCount == rule.factors[$0].granuleCount }) else {
                return nil
            }
            let units = factors[...last].reduce(1) { $0 * rule.factors[$1].granuleCount }
            result.append(
                .init(axes: factors.flatMap { axes[$0] }.merged, units: factors.count > 1 ? units : nil))
        }
        return Layout(dims: result)
    }

    /// What each device has of a reduction.
    private mutating func partial(
        _ kind: ReductionKind, _ set: Int, _ split: [Int], _ axes: [[AxisRef]], _ reduced: [Int: [Range<Int>]],
        _ rule: ShardingRule, _ type: TensorType
    ) -> PartialValue {
        let refs = split.flatMap { axes[$0] }
        let boxes = geometry.table[set].boxes
        let isTree = kind == .sum && options.reductionOrder == .canonical
        let leafCount = isTree ? rule.factors[split[0]].granuleCount : refs.partCount
        let nodes = boxes.indices.map { device -> [ReductionTree.Node] in
            let ranges = split.map { reduced[$0]?[device] ?? 0..<0 }
            if ranges.contains(where: \.isEmpty) { return [] }
            if isTree { return ReductionTree.maximalNodes(of: ranges[0], leafCount: leafCount) }
            return [ReductionTree.Node(first: geometry.position(of: device, refs), level: 0)]
        }
        partialCount += 1
        return PartialValue(
            number: partialCount, set: set, axes: refs, kind: kind, leafCount: leafCount, nodes: nodes,
            isLocalSum: kind == .sum && !isTree,
            elementByteCount: kind == .sum ? sumByteCount(type, boxes) : type.dtype.byteCount)
    }

    /// Bytes of an element of a partial sum on its way.
    private func sumByteCount(_ type: TensorType, _ boxes: [Box]) -> Int {
        let columns = type.sizes.last ?? 0
        if options.wire == .int8, WireFormat.isWorthInt8(type),
            boxes.allSatisfy({ WireFormat.isInBlocks($0, columns: columns) })
        {
            return 1
        }
        return options.partialSums == .f32 ? 4 : type.dtype.byteCount
    }
}
