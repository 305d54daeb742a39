import Program
import Tensor

/// Brings values into the boxes that somebody reads.
extension Partitioner {
    /// How many operations at most are computed again to save bytes.
    private static let recomputeDepth = 6

    /// The ways to get boxes of a value.
    private enum Way {
        case copy(Int)
        /// A part of what every device has.
        case part(set: Int, buffer: Int)
        case load
        case gather(stored: Int)
        case move(set: Int, buffer: Int)
        case reduce
        /// Computed again from boxes of the operands.
        case recompute([Int])
    }

    /// What it costs to get boxes of a value.
    mutating func price(_ value: Program.ValueID, _ set: Int) -> StrategyCost { way(to: set, of: value, depth: 0).cost }

    /// The buffer that holds boxes of a value; made where there is none.
    mutating func require(
        _ value: Program.ValueID, _ set: Int, _ layout: Layout, scope: String, reads: [DimRead] = [], depth: Int = 0
    ) -> Int {
        let operation = program.operations[value]
        let buffer: Int
        switch way(to: set, of: value, depth: depth).way {
        case .copy(let known): return known
        case .part(_, let source), .move(_, let source):
            buffer = move(source, to: set, operation.type, scope: scope, reads: reads)
        case .load: buffer = load(value, set, layout)
        case .gather(let stored):
            let own = states[value].buffer(of: stored) ?? load(value, stored, Layout(shardings[value].dims.map(\.axes)))
            if states[value].buffer(of: stored) == nil { states[value].copies.append((stored, own)) }
            buffer = move(own, to: set, operation.type, scope: scope, reads: reads)
        case .reduce: return reduce(value, to: set, layout, reads: reads)
        case .recompute(let sets):
            let operands = zip(operation.operands, sets).enumerated().map { index, pair in
                require(
                    pair.0, pair.1, .replicated(rank: program.type(of: pair.0).rank), scope: scope,
                    reads: rules[value].reads[index], depth: depth + 1)
            }
            if operation.opcode == .annotate {
                buffer = operands[0]
            } else {
                buffer = addBuffer(operation.type, set, kind: .arena)
                emit(operation, operands, buffer)
            }
        }
        states[value].copies.append((set, buffer))
        return buffer
    }

    private mutating func way(
        to set: Int, of value: Program.ValueID, depth: Int
    ) -> (way: Way, cost: StrategyCost) {
        let state = states[value]
        if let known = state.buffer(of: set) { return (.copy(known), StrategyCost()) }
        let operation = program.operations[value]
        if isLoaded(value) {
            guard let stored = storedSet(value), !geometry.table.contains(stored, set) else {
                return (.load, StrategyCost())
            }
            // A gathered weight takes memory besides.
            let weight = operation.opcode == .parameter ? 2 : 1
            let bytes = moves.cost(from: stored, to: set, &geometry) * operation.type.dtype.byteCount * weight
            return (.gather(stored: stored), StrategyCost(bytes: bytes, rounds: 1))
        }
        for copy in state.copies where geometry.table.contains(copy.set, set) {
            return (.part(set: copy.set, buffer: copy.buffer), StrategyCost())
        }
        var best: (way: Way, cost: StrategyCost)?
        for copy in state.copies where geometry.table.isComplete(copy.set, dims: operation.type.dims) {
            let bytes = movedByteCount(operation.type, from: copy.set, to: set)
            let cost = StrategyCost(bytes: bytes, rounds: 1)
            if best == nil || cost.bytes < best?.cost.bytes ?? 0 {
                best = (.move(set: copy.set, buffer: copy.buffer), cost)
            }
        }
        if let pending = state.pending {
            let cost = reductionPrice(pending.partial, to: set, operation.type, isFinal: false)
            if best == nil || cost.bytes < best?.cost.bytes ?? 0 { best = (.reduce, cost) }
        }
        // Constants and deferred values are computed where they are read.
        if rules[value].isCheap, best == nil || (depth < Self.recomputeDepth && best?.cost.bytes ?? 0 > 0) {
            let again = recomputation(value, set, depth)
            if best == nil || again.cost.bytes < best?.cost.bytes ?? 0 { best = again }
        }
        guard let best else { preconditionFailure("\(program.describe(value)) is computed before it is used") }
        return best
    }

    private mutating func recomputation(
        _ value: Program.ValueID, _ set: Int, _ depth: Int
    ) -> (way: Way, cost: StrategyCost) {
        let sets = operandSets(value, set, [:])
        var total = StrategyCost()
        for (operand, needed) in zip(program.operations[value].operands, sets) {
            total = total + way(to: needed, of: operand, depth: depth + 1).cost
        }
        return (.recompute(sets), total)
    }

    // MARK: Weights and inputs

    /// True for what comes from a file or the caller: weights, and inputs that no earlier program left.
    func isLoaded(_ value: Program.ValueID) -> Bool {
        switch program.operations[value].opcode {
        case .parameter: true
        case .input: states[value].layout == nil
        default: false
        }
    }

    /// The boxes that a weight or input lies in; nil where any will do.
    mutating func storedSet(_ value: Program.ValueID) -> Int? {
        let operation = program.operations[value]
        let isFree = operation.opcode == .input && options.inputs == .anywhere
        return isFree ? nil : geometry.set(operation.type.dims, Layout(shardings[value].dims.map(\.axes)))
    }

    private mutating func load(_ value: Program.ValueID, _ set: Int, _ layout: Layout) -> Int {
        let operation = program.operations[value]
        let name = operation.attributes.text("name")
        if operation.opcode == .input { return addBuffer(operation.type, set, kind: .input(name: name)) }
        guard let spec = program.parameters[name] else { preconditionFailure("\(name) is declared") }
        let buffer = addBuffer(operation.type, set, kind: .parameter(spec))
        let isKnown = geometry.set(operation.type.dims, layout) == set
        result.parameterLayouts[buffer] = (value, isKnown ? layout : described(set, rank: operation.type.rank))
        return buffer
    }

    /// For people: the axes along which each dimension of a set of boxes differs.
    private mutating func described(_ set: Int, rank: Int) -> Layout {
        let boxes = geometry.table[set].boxes
        let varied = geometry.variedAxes(set)
        return Layout(
            (0..<rank).map { dim in
                varied.filter { ref in
                    boxes.indices.contains { device in
                        var first = geometry.coordinates[device]
                        first[ref.axis] = 0
                        return boxes[device].ranges[dim] != boxes[geometry.mesh.device(at: first)].ranges[dim]
                    }
                }
            })
    }
}
