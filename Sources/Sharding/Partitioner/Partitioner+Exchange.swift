import Program
import Tensor

/// Writes collectives.
extension Partitioner {
    /// Moves a complete value into other boxes.
    ///
    /// - Parameters:
    ///   - kind: name of the collective that this is a part of, with the axes it runs over.
    mutating func move(
        _ source: Int, to set: Int, _ type: TensorType, scope: String, reads: [DimRead],
        as kind: CollectiveKind? = nil, over axes: [AxisRef] = []
    ) -> Int {
        let from = result.buffers[source].set
        if from == set { return source }
        let destination = addBuffer(type, set, kind: .arena)
        let transfers = moves.move(from: from, to: set, &geometry)
        let over = kind == nil ? transfers.axes.map { AxisRef($0, of: geometry.mesh) } : axes
        let name = kind ?? self.kind(from: from, to: set, reads)
        add(transfers, source, destination, name, over, scope)
        return destination
    }

    /// Reduces partial results into the boxes of `destination`.
    mutating func combine(_ pending: ValueState.Pending, to destination: Int, _ kind: CollectiveKind) {
        let set = result.buffers[destination].set
        let transfers = moves.reduce(pending.partial, to: set, &geometry)
        add(
            transfers, pending.buffer, destination, kind, pending.partial.axes, pending.scope, partial: pending.partial)
    }

    private mutating func add(
        _ transfers: Moves, _ source: Int, _ destination: Int, _ kind: CollectiveKind, _ axes: [AxisRef],
        _ scope: String, partial: PartialValue? = nil
    ) {
        var names: [String] = []
        for ref in axes.sorted(by: { ($0.axis, $0.preSize) < ($1.axis, $1.preSize) }) {
            let name = ref.text(geometry.mesh)
            if !names.contains(name) { names.append(name) }
        }
        var collective = PartitionedProgram.Collective(
            kind: transfers.isLocal ? .slice : kind, axes: transfers.isLocal ? [] : names, source: source,
            destination: destination, moves: transfers, scope: scope, partial: partial)
        if options.wire == .int8, isActivation(source), result.canTravelAsInt8(collective) { collective.wire = .int8 }
        result.exchanges.append(collective)
        result.steps.append(.exchange(result.exchanges.count - 1))
    }

    /// Bytes that the busiest device sends to bring a computed value from one set of boxes into another, without scales.
    mutating func movedByteCount(_ type: TensorType, from: Int, to: Int) -> Int {
        let elements = moves.cost(from: from, to: to, &geometry)
        guard options.wire == .int8, elements > 0, WireFormat.isWorthInt8(type),
            moves.canTravelAsInt8(from: from, to: to, columns: type.sizes.last ?? 0, &geometry)
        else { return elements * type.dtype.byteCount }
        return elements
    }

    /// False for weights: they are what they are.
    private func isActivation(_ buffer: Int) -> Bool {
        if case .parameter = result.buffers[buffer].kind { false } else { true }
    }

    /// What people call a movement.
    private func kind(from: Int, to: Int, _ reads: [DimRead]) -> CollectiveKind {
        let (held, wanted) = (geometry.table[from].boxes, geometry.table[to].boxes)
        var differing: Set<Int> = []
        for (mine, theirs) in zip(held, wanted) where !theirs.isEmpty {
            for dim in mine.ranges.indices where mine.ranges[dim] != theirs.ranges[dim] { differing.insert(dim) }
        }
        let isHalo = differing.allSatisfy { dim in
            guard reads.indices.contains(dim), case .window = reads[dim] else { return false }
            return true
        }
        if isHalo { return .haloExchange }
        if zip(held, wanted).allSatisfy({ $0.isEmpty || $1.contains($0) }) { return .allGather }
        return Set(held) == Set(wanted) ? .permute : .allToAll
    }
}
