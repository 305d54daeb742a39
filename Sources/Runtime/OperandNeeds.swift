import Program
import Tensor

/// Which part of each operand a kernel reads to make its part of the result.
///
/// The new operations' boxes are checked against it before a pointer is made, and operands that hold more are narrowed
/// to it. Attributes and whole shapes were checked before.
struct OperandNeeds {
    let compute: ComputeInstruction
    let operands: [LocalBuffer]
    let result: LocalBuffer

    init(_ compute: ComputeInstruction, _ buffers: [LocalBuffer]) {
        self.compute = compute
        operands = compute.operands.map { buffers[$0] }
        result = buffers[compute.result]
    }

    private var attributes: Attributes { compute.attributes }
    private var ranges: [Range<Int>] { result.box.ranges }

    /// The boxes; nil where the operation's kernel looks after itself.
    func boxes() -> [Box]? {
        switch compute.opcode {
        case .constant, .iota: return []
        case .unary, .binary, .compare, .select, .cast, .annotate:
            return operands.map { _ in result.box }
        case .concat, .broadcast, .transpose, .slice, .pad, .reverse, .dynamicSlice, .dynamicUpdate:
            return movement()
        case .dotGeneral: return product()
        case .reduce:
            let reduced = attributes.ints("dims")
            return [inserting(reduced) { reducedRange($0, isLeaf: $0 == reduced.min()) }]
        case .argMax:
            return [inserting([attributes.int("dim")]) { operands[0].box.ranges[$0] }]
        case .sort:
            var box = result.box
            box.ranges[attributes.int("dim")] = whole(0, attributes.int("dim"))
            return [box]
        case .topK:
            return [Box(ranges.dropLast(2) + [operands[0].box.ranges[ranges.count - 2]])]
        case .mergeTopK:
            return [Box(ranges.dropLast(2) + [whole(0, ranges.count - 2), 0..<2])]
        case .convGeneral, .maxPool, .resize: return picture()
        default: return nil
        }
    }

    /// The dimension whose granules are the leaves of the result's reduction tree; nil where the result is no sum.
    var leafDimension: Dim? {
        let attributes = compute.attributes
        switch compute.opcode {
        case .dot: return operands[1].dims[operands[1].dims.count - attributes.int("contract")]
        case .gather: return operands[0].dims[0]
        case .dotGeneral: return attributes.ints("lhsContract").first.map { operands[0].dims[$0] }
        case .reduce where !["max", "min"].contains(attributes.text("kind")):
            return attributes.ints("dims").min().map { operands[0].dims[$0] }
        case .sumExp: return operands[0].dims.last
        case .groupSum, .groupSquares: return operands[0].dims[operands[0].dims.count - 3]
        case .convGeneral where attributes.int("groups") == 1: return operands[0].dims.last
        default: return nil
        }
    }

    // MARK: Sums

    private func whole(_ operand: Int, _ dim: Int) -> Range<Int> { 0..<operands[operand].dims[dim].size }

    /// The range of a reduced dimension of operand 0 that is summed here.
    private func reducedRange(_ dim: Int, isLeaf: Bool) -> Range<Int> {
        let isSum = leafDimension != nil
        if result.isLocalSum || !isSum { return operands[0].box.ranges[dim] }
        guard isLeaf, let nodes = result.nodes else { return whole(0, dim) }
        return Self.elements(below: nodes, operands[0].dims[dim])
    }

    /// The elements below tree nodes, which are in leaf order.
    static func elements(below nodes: [ReductionTree.Node], _ dim: Dim) -> Range<Int> {
        guard let first = nodes.first, let last = nodes.last else { return 0..<0 }
        return dim.elements(first.first..<max(first.first, last.leaves(of: dim.granuleCount).upperBound))
    }

    /// The result's ranges with those of removed dimensions put back in.
    private func inserting(_ dims: [Int], _ range: (Int) -> Range<Int>) -> Box {
        var kept = ranges[...]
        return Box(operands[0].dims.indices.map { dims.contains($0) ? range($0) : kept.popFirst() ?? 0..<0 })
    }

    private func product() -> [Box]? {
        let (a, b) = (operands[0], operands[1])
        guard let axes = DotAxes(attributes, lhsRank: a.dims.count, rhsRank: b.dims.count) else { return nil }
        var (left, right) = (a.box, b.box)
        for (index, (l, r)) in zip(axes.lhsBatch, axes.rhsBatch).enumerated() {
            left.ranges[l] = ranges[index]
            right.ranges[r] = ranges[index]
        }
        let lead = axes.lhsBatch.count
        for (index, dim) in axes.lhsFree.enumerated() { left.ranges[dim] = ranges[lead + index] }
        for (index, dim) in axes.rhsFree.enumerated() {
            right.ranges[dim] = ranges[lead + axes.lhsFree.count + index]
        }
        for (index, (l, r)) in zip(axes.lhsContract, axes.rhsContract).enumerated() {
            var range = reducedRange(l, isLeaf: index == 0)
            if result.isLocalSum {
                let other = b.box.ranges[r]
                let lower = max(range.lowerBound, other.lowerBound)
                range = lower..<max(lower, min(range.upperBound, other.upperBound))
            }
            left.ranges[l] = range
            right.ranges[r] = range
        }
        return [left, right]
    }

    // MARK: Movement

    private func movement() -> [Box]? {
        let x = operands[0]
        switch compute.opcode {
        case .broadcast:
            let (sizes, dims) = (attributes.ints("sizes"), attributes.ints("dims"))
            return [Box(x.dims.indices.map { x.dims[$0].size == sizes[dims[$0]] ? ranges[dims[$0]] : 0..<1 })]
        case .transpose:
            var box = x.box
            for (index, dim) in attributes.ints("permutation").enumerated() { box.ranges[dim] = ranges[index] }
            return [box]
        case .slice:
            let start = attributes.ints("start")
            let strides = attributes.ints("strides", default: start.map { _ in 1 })
            return [
                Box(
                    ranges.indices.map {
                        let first = start[$0] + ranges[$0].lowerBound * strides[$0]
                        return first..<max(first, first + (ranges[$0].count - 1) * strides[$0] + 1)
                    })
            ]
        case .pad:
            return [Self.inside(ranges, x, low: attributes.ints("low"))]
        case .concat:
            let dim = attributes.int("dim", default: x.dims.count - 1)
            var next = 0
            return operands.map { operand in
                var low = ranges.map { _ in 0 }
                low[dim] = next
                next += operand.dims[dim].size
                return Self.inside(ranges, operand, low: low)
            }
        case .reverse:
            let reversed = attributes.ints("dims")
            return [
                Box(
                    ranges.enumerated().map { index, range in
                        let size = x.dims[index].size
                        return reversed.contains(index) ? (size - range.upperBound)..<(size - range.lowerBound) : range
                    })
            ]
        case .dynamicSlice:
            let sizes = attributes.ints("sizes")
            let box = Box(
                ranges.indices.map { ranges[$0].lowerBound..<(ranges[$0].upperBound + x.dims[$0].size - sizes[$0]) })
            return [box] + operands.dropFirst().map { _ in Box([]) }
        default:
            let update = operands[1]
            let box = Box(
                ranges.indices.map { update.dims[$0].size == x.dims[$0].size ? ranges[$0] : whole(1, $0) })
            return [result.box, box] + operands.dropFirst(2).map { _ in Box([]) }
        }
    }

    /// What of an operand that stands `low` elements into the result lies in the result's ranges.
    static func inside(_ ranges: [Range<Int>], _ operand: LocalBuffer, low: [Int]) -> Box {
        Box(
            ranges.indices.map { index in
                let size = operand.dims[index].size
                let lower = min(size, max(0, ranges[index].lowerBound - low[index]))
                return lower..<max(lower, min(size, ranges[index].upperBound - low[index]))
            })
    }

    // MARK: Pictures

    private func picture() -> [Box] {
        let x = operands[0]
        let first = x.dims.count - 3
        var box = Box(ranges.prefix(first) + x.box.ranges.suffix(3))
        if compute.opcode == .resize {
            let factor = attributes.int("factor")
            for dim in first..<(first + 2) where !ranges[dim].isEmpty {
                box.ranges[dim] = (ranges[dim].lowerBound / factor)..<((ranges[dim].upperBound - 1) / factor + 1)
            }
            box.ranges[first + 2] = ranges[first + 2]
            return [box]
        }
        let isPool = compute.opcode == .maxPool
        let window = isPool ? attributes.ints("window") : operands[1].dims.prefix(2).map(\.size)
        let (strides, low) = (attributes.ints("strides"), attributes.ints("padLow"))
        let dilation = attributes.ints("dilation", default: [1, 1])
        for axis in 0..<2 {
            let (range, size) = (ranges[first + axis], x.dims[first + axis].size)
            let from = max(0, range.lowerBound * strides[axis] - low[axis])
            let to = (range.upperBound - 1) * strides[axis] - low[axis] + window[axis] - 1
            let lower = min(size, (from + dilation[axis] - 1) / dilation[axis])
            let upper = range.isEmpty || to < 0 ? lower : min(size, to / dilation[axis] + 1)
            box.ranges[first + axis] = lower..<max(lower, upper)
        }
        if isPool {
            box.ranges[first + 2] = ranges[first + 2]
            return [box]
        }
        let w = operands[1]
        var weights = Box(covering: w.dims.map(\.size))
        weights.ranges[3] = ranges[first + 2]
        let groups = attributes.int("groups")
        if groups == 1 {
            var channels = reducedRange(first + 2, isLeaf: true)
            if result.isLocalSum { channels = channels.clamped(to: w.box.ranges[2]) }
            box.ranges[first + 2] = channels
            weights.ranges[2] = channels
        } else {
            let (each, perGroup) = (w.dims[2].size, w.dims[3].size / groups)
            let out = ranges[first + 2]
            box.ranges[first + 2] =
                out.isEmpty
                ? 0..<0 : (out.lowerBound / perGroup * each)..<(((out.upperBound - 1) / perGroup + 1) * each)
        }
        return [box, weights]
    }
}
