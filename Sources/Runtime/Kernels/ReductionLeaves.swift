import Program

/// The leaves of a reduction that are computed here, and the tree nodes of the result that they make up.
struct ReductionLeaves: BitwiseCopyable {
    /// For each leaf its indices along the reduced dimension, in the operand's part.
    let ranges: List<Stretch>
    /// For each tree node of the result its leaves, as indices into ``ranges``.
    let nodes: List<Stretch>

    init(ranges: [Range<Int>], nodes: [Range<Int>], _ memory: KernelMemory) {
        self.ranges = memory.list(ranges.map(Stretch.init))
        self.nodes = memory.list(nodes.map(Stretch.init))
    }

    init(dimension: Int, operand: Operand, result: Operand, _ context: OperationContext) {
        let dim = operand.buffer.dims[dimension]
        let local = operand.ranges[dimension]
        if result.buffer.isLocalSum {
            // A tree over what is here.
            let leaves =
                local.isEmpty
                ? 0..<0 : (local.lowerBound / dim.granule)..<((local.upperBound - 1) / dim.granule + 1)
            let ranges = leaves.map {
                let elements = dim.elements($0..<($0 + 1)).clamped(to: local)
                return (elements.lowerBound - local.lowerBound)..<(elements.upperBound - local.lowerBound)
            }
            self.init(ranges: ranges, nodes: [0..<ranges.count], context.memory)
            return
        }
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
        self.init(ranges: ranges, nodes: nodes, context.memory)
    }
}
