import Program
import Tensor

/// Collectives: everything that moves a value between layouts or combines partial values.
extension Partitioner {
    /// Reductions up to this many bytes go to every device at once (one latency); larger ones are reduced in pieces and
    /// the pieces gathered (fewest bytes).
    ///
    /// 64 KiB: above, the wire costs more than a second round.
    static let oneShotByteCount = 64 << 10

    /// Moves a complete value into another layout.
    mutating func redistribute(_ source: Int, _ from: Layout, to layout: Layout, scope: String) -> Int {
        let type = result.buffers[source].type
        let destination = addBuffer(type, layout, kind: .arena)
        let held = result.buffers[source].boxes
        let wanted = result.buffers[destination].boxes
        let kind = kind(from: from, to: layout)
        addExchange(source, destination, kind: kind, along: from.axes, scope: scope) { device, group in
            let moves = ExchangePlanner.redistribute(
                device: device, group: group, held: dictionary(held, group), wanted: dictionary(wanted, group))
            return (moves.sends, moves.receives, moves.copies, nil)
        }
        return destination
    }

    /// Combines partial values over `axes` into the layout that the value is planned in, or into whole shards.
    mutating func reduce(
        _ value: Program.ValueID, _ operation: Program.Operation, from source: Int, _ layout: Layout, over axes: [Int],
        _ kind: ReductionKind
    ) {
        // Reduce-scatter where the plan splits the result over (some of) the reduced axes.
        var scattered = layout
        for (dim, planned) in shardings[value].dims.enumerated() where planned.axes.starts(with: layout.dims[dim]) {
            let added = planned.axes.dropFirst(layout.dims[dim].count)
            if added.allSatisfy({ axes.contains($0) && !scattered.axes.contains($0) }) {
                scattered.dims[dim] += added
            }
        }
        let members = geometry.groups(along: axes).first?.count ?? 1
        let largest = result.buffers[source].boxes.map(\.elementCount).max() ?? 0
        let partials = result.buffers[source].nodes?.map(\.count).max() ?? 1
        if scattered != layout {
            let destination = addBuffer(operation.type, scattered, kind: .arena)
            combine(source, destination, .reduceScatter, axes, kind, operation.scope)
            place(value, scattered, destination)
        } else if kind != .sum || largest * 4 * partials <= Self.oneShotByteCount || members == 1 {
            let destination = addBuffer(operation.type, layout, kind: .arena)
            combine(source, destination, .allReduce, axes, kind, operation.scope)
            place(value, layout, destination)
        } else {
            let pieces = addBuffer(operation.type, layout, kind: .arena)
            result.buffers[pieces].boxes = pieceBoxes(of: result.buffers[source].boxes, along: axes)
            result.buffers[pieces].axes = (layout.axes + axes).sorted()
            combine(source, pieces, .allReduce, axes, kind, operation.scope)
            let destination = addBuffer(operation.type, layout, kind: .arena)
            let held = result.buffers[pieces].boxes
            let wanted = result.buffers[destination].boxes
            addExchange(pieces, destination, kind: .allReduce, along: axes, scope: operation.scope) { device, group in
                let moves = ExchangePlanner.redistribute(
                    device: device, group: group, held: dictionary(held, group), wanted: dictionary(wanted, group))
                return (moves.sends, moves.receives, moves.copies, nil)
            }
            place(value, layout, destination)
        }
    }

    /// One exchange that reduces `source` into the boxes of `destination`.
    private mutating func combine(
        _ source: Int, _ destination: Int, _ kind: CollectiveKind, _ axes: [Int], _ reduction: ReductionKind,
        _ scope: String
    ) {
        let buffer = result.buffers[source]
        let wanted = result.buffers[destination].boxes
        addExchange(source, destination, kind: kind, along: axes, scope: scope) { device, group in
            let held = dictionary(buffer.boxes, group)
            let targets = dictionary(wanted, group)
            guard reduction == .sum, let nodes = buffer.nodes else {
                let moves = ExchangePlanner.combine(device: device, group: group, held: held, wanted: targets)
                return (moves.sends, moves.receives, moves.copies, reduction == .max ? .max : .argMax)
            }
            let moves = ExchangePlanner.reduce(
                device: device, group: group,
                contributions: Dictionary(uniqueKeysWithValues: group.map { ($0, nodes[$0]) }), held: held,
                wanted: targets)
            return (
                moves.sends, moves.receives, moves.copies,
                .sum(contributors: moves.contributors, leafCount: buffer.leafCount)
            )
        }
    }

    private typealias Moves = (
        sends: [Exchange.Transfer], receives: [Exchange.Transfer], copies: [Exchange.LocalCopy],
        reduction: Exchange.Reduction?
    )

    /// Adds one exchange to every device's program; `plan` gives one device's side within its group.
    private mutating func addExchange(
        _ source: Int, _ destination: Int, kind: CollectiveKind, along axes: [Int], scope: String,
        plan: (_ device: Int, _ group: [Int]) -> Moves
    ) {
        var sides: [Exchange?] = Array(repeating: nil, count: geometry.mesh.deviceCount)
        let names = Array(Set(axes)).sorted().map { geometry.mesh.axes[$0].name }
        for group in geometry.groups(along: axes) {
            for device in group {
                let moves = plan(device, group)
                sides[device] = Exchange(
                    kind: kind, axes: names, source: source, destination: destination, sends: moves.sends,
                    receives: moves.receives, copies: moves.copies, reduction: moves.reduction, scope: scope)
            }
        }
        var all = sides.compactMap { $0 }
        if all.allSatisfy({ $0.sends.isEmpty && $0.reduction == nil }) {
            for index in all.indices {
                all[index].kind = .slice
                all[index].axes = []
            }
        }
        result.exchanges.append(all)
        result.steps.append(.exchange(result.exchanges.count - 1))
    }

    private func kind(from: Layout, to: Layout) -> CollectiveKind {
        if !to.windows.isEmpty { return .haloExchange }
        let gathered = zip(from.dims, to.dims).allSatisfy { $0.starts(with: $1) }
        if gathered { return .allGather }
        return Set(from.axes) == Set(to.axes) && from.dims.map(\.count) == to.dims.map(\.count) ? .permute : .allToAll
    }

    /// Cuts each device's box into one piece for every member of its group, along the longest dimension.
    private mutating func pieceBoxes(of boxes: [Box], along axes: [Int]) -> [Box] {
        var pieces = boxes
        for group in geometry.groups(along: axes) {
            for (index, device) in group.enumerated() {
                let dims = boxes[device].dims
                guard let longest = dims.indices.max(by: { dims[$0] < dims[$1] }) else { continue }
                let range = boxes[device].ranges[longest]
                let lower = range.lowerBound + range.count * index / group.count
                let upper = range.lowerBound + range.count * (index + 1) / group.count
                pieces[device].ranges[longest] = lower..<upper
            }
        }
        return pieces
    }
}

private func dictionary(_ boxes: [Box], _ group: [Int]) -> [Int: Box] {
    Dictionary(uniqueKeysWithValues: group.map { ($0, boxes[$0]) })
}
