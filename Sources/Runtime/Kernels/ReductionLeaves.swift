import Program

/// The leaves of a reduction that are computed here, and the tree nodes of the result that they make up.
struct ReductionLeaves {
    /// For each leaf its indices along the reduced dimension, in the operand's part.
    let ranges: [Range<Int>]
    /// For each tree node of the result its leaves, as indices into ``ranges``.
    let nodes: [Range<Int>]

    init(ranges: [Range<Int>], nodes: [Range<Int>]) {
        self.ranges = ranges
        self.nodes = nodes
    }

    init(dimension: Int, operand: Operand, result: Operand, _ context: OperationContext) {
        let dim = operand.buffer.dims[dimension]
        let local = operand.ranges[dimension]
        context.check(
            result.buffer.nodes != nil || operand.isWhole(dimension), "a complete result needs the whole dimension")
        let all = result.buffer.nodes.map { nodes in nodes.map { $0.leaves(of: dim.granuleCount) } }
        var ranges: [Range<Int>] = []
        var nodes: [Range<Int>] = []
        for leaves in all ?? [0..<dim.granuleCount] {
            let first = ranges.count
            for leaf in leaves {
                let elements = dim.elements(leaf..<(leaf + 1))
                context.check(
                    local.lowerBound <= elements.lowerBound && elements.upperBound <= local.upperBound,
                    "the result's tree nodes lie in the operand's part")
                ranges.append((elements.lowerBound - local.lowerBound)..<(elements.upperBound - local.lowerBound))
            }
            nodes.append(first..<ranges.count)
        }
        self.ranges = ranges
        self.nodes = nodes
    }
}
