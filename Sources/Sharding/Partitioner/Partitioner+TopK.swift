import Program
import Tensor

/// Top-k over a split dimension: every device chooses among its part, then all choose among the candidates.
extension Partitioner {
    mutating func lowerTopK(
        _ id: Program.ValueID, _ operation: Program.Operation, _ assignment: Assignment
    ) {
        guard let partial = assignment.partial else { preconditionFailure("a split dimension gives candidates") }
        let operand = require(
            operation.operands[0], assignment.operands[0], assignment.operandLayouts[0], scope: operation.scope)
        let k = operation.attributes.int("k")
        let rank = operation.type.rank
        let parts = partial.axes.partCount
        var dims = operation.type.dims
        dims[rank - 2] = Dim(parts * k, granule: k)
        let type = TensorType(.f32, dims)
        // Where only the caller reads the result, and may have it anywhere, every device merges some rows.
        let isFree = isFinal[id] && !shardings[id].dims.contains { !$0.isOpen }
        let target = isFree ? rowPieces(assignment, partial) : assignment.set
        let rows = geometry.table[assignment.set].boxes
        let own = rows.indices.map { device in
            var box = rows[device]
            let position = geometry.position(of: device, partial.axes)
            box.ranges[rank - 2] = (position * k)..<((position + 1) * k)
            return box
        }
        let all = geometry.table[target].boxes.map { box in
            var box = box
            box.ranges[rank - 2] = 0..<(parts * k)
            return box
        }
        let candidates = addBuffer(type, geometry.table.intern(own), kind: .arena)
        emit(operation, [operand], candidates)
        let gathered = move(candidates, to: geometry.table.intern(all), type, scope: operation.scope, reads: [])
        let buffer = addBuffer(operation.type, target, kind: .arena)
        result.steps.append(
            .compute(
                ComputeInstruction(
                    opcode: .mergeTopK, operands: [gathered], result: buffer, attributes: ["k": .int(k)],
                    scope: operation.scope)))
        place(id, assignment.layout, target, buffer)
        settle(id, operation)
    }

    /// Rows of the result cut among the devices that share them.
    private mutating func rowPieces(_ assignment: Assignment, _ partial: PartialValue) -> Int {
        var boxes = geometry.table[assignment.set].boxes
        for group in geometry.groups(along: partial.axes) {
            for (index, device) in group.enumerated() {
                let dims = Array(boxes[device].dims.dropLast(2))
                guard let longest = dims.indices.max(by: { dims[$0] < dims[$1] }) else { continue }
                let range = boxes[device].ranges[longest]
                let lower = range.lowerBound + range.count * index / group.count
                let upper = range.lowerBound + range.count * (index + 1) / group.count
                boxes[device].ranges[longest] = lower..<upper
            }
        }
        return geometry.table.intern(boxes)
    }
}
