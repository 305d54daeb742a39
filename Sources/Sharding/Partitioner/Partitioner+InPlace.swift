import Program
import Tensor

/// Results that only the caller reads may lie wherever their elements are.
extension Partitioner {
    /// The assignment in which every device makes of a movement's result what it has the elements of; nil where that is
    /// no box or not everything.
    mutating func inPlace(_ id: Program.ValueID) -> Assignment? {
        let operation = program.operations[id]
        guard isFinal[id], operation.opcode == .slice || operation.opcode == .reverse,
            !shardings[id].dims.contains(where: { !$0.isOpen })
        else { return nil }
        let (operand, reads) = (operation.operands[0], rules[id].reads[0])
        let dims = program.type(of: operand).dims
        guard operation.type.rank > 0, let source = completeSet(operand) else { return nil }
        let boxes = geometry.table[source].boxes.map { held in
            Box(
                operation.type.dims.indices.map { dim in
                    reads[dim].image(of: held.ranges[dim], operand: dims[dim], size: operation.type.sizes[dim])
                })
        }
        let set = geometry.table.intern(boxes)
        guard geometry.table.isComplete(set, dims: operation.type.dims) else { return nil }
        let needed = operandSets(id, set, [:])
        guard geometry.table.contains(source, needed[0]) else { return nil }
        let whole = Layout.replicated(rank: operation.type.rank)
        return Assignment(
            axes: rules[id].factors.map { _ in [] }, layout: whole, set: set, operands: needed,
            operandLayouts: [.replicated(rank: dims.count)], candidates: false)
    }
}

extension Partitioner {
    /// Boxes in which all of a value lies; nil where it lies nowhere yet.
    private mutating func completeSet(_ value: Program.ValueID) -> Int? {
        if isLoaded(value) { return storedSet(value) }
        let dims = program.type(of: value).dims
        return states[value].copies.first { geometry.table.isComplete($0.set, dims: dims) }?.set
    }
}

extension DimRead {
    /// The indices of the result that can be read from a range of the operand.
    fileprivate func image(of held: Range<Int>, operand: Dim, size: Int) -> Range<Int> {
        switch self {
        case .same: return held
        case .mirrored: return (size - held.upperBound)..<(size - held.lowerBound)
        case .strided(_, let offset, let stride):
            func first(atLeast index: Int) -> Int { max(0, index - offset + stride - 1) / stride }
            let lower = min(first(atLeast: held.lowerBound), size)
            return lower..<max(lower, min(size, first(atLeast: held.upperBound)))
        default: return held.count == operand.size ? 0..<size : 0..<0
        }
    }
}
