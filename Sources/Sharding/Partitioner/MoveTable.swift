import Program
import Tensor

/// How a reduction's partial results lie on the devices; equal where they have one number.
struct PartialValue: Sendable, Hashable {
    /// Counts the partial values of a program, so that they need not be compared device by device.
    var number: Int
    /// Boxes of the result.
    var set: Int
    /// Axes that the reduced dimensions are split over, in the order of partial results.
    var axes: [AxisRef]
    var kind: ReductionKind
    /// Leaves of the tree of a sum.
    var leafCount: Int
    /// Tree nodes of each device; none where it has nothing to give.
    var nodes: [[ReductionTree.Node]]
    /// The one partial result of a device is the sum of all it has.
    var isLocalSum: Bool
    /// Bytes of an element of a partial result on its way.
    var elementByteCount = 4

    /// Most partial results that a device has.
    var partialCount: Int { nodes.reduce(0) { max($0, $1.count) } }
    /// Bytes of all partial results of an element of the result, from the device that has most.
    var byteCountPerElement: Int { partialCount * elementByteCount }

    static func == (a: PartialValue, b: PartialValue) -> Bool { a.number == b.number }

    func hash(into hasher: inout Hasher) { hasher.combine(number) }
}

/// Transfers between sets of boxes, made once for all layers that repeat.
struct MoveTable {
    private var moves: [MoveKey: Moves] = [:]
    private var reductions: [ReductionKey: Moves] = [:]
    private var costs: [MoveKey: Int] = [:]
    private var int8: [MoveKey: Bool] = [:]

    private struct MoveKey: Hashable {
        var from: Int
        var to: Int
    }

    private struct ReductionKey: Hashable {
        var partial: PartialValue
        var to: Int
    }

    /// Elements that the busiest device sends to bring a value from one set of boxes into another.
    ///
    /// On large meshes what the busiest receiver lacks: what devices send and receive is nearly the same there.
    mutating func cost(from: Int, to: Int, _ geometry: inout ShardGeometry) -> Int {
        let key = MoveKey(from: from, to: to)
        if let known = costs[key] { return known }
        let result: Int
        if geometry.mesh.deviceCount <= 32 {
            result = move(from: from, to: to, &geometry).sentMax
        } else {
            let (held, wanted) = (geometry.table[from].boxes, geometry.table[to].boxes)
            result = zip(held, wanted).reduce(0) {
                max($0, $1.1.elementCount - $1.1.intersection($1.0).elementCount)
            }
        }
        costs[key] = result
        return result
    }

    /// True where what ``cost(from:to:_:)`` counts may travel as int8; on large meshes where both sets are whole blocks.
    mutating func canTravelAsInt8(from: Int, to: Int, columns: Int, _ geometry: inout ShardGeometry) -> Bool {
        let key = MoveKey(from: from, to: to)
        if let known = int8[key] { return known }
        let held = geometry.table[from].boxes
        let result: Bool
        if geometry.mesh.deviceCount <= 32 {
            result = move(from: from, to: to, &geometry).canTravelAsInt8(columns: columns, held: held)
        } else {
            result = (held + geometry.table[to].boxes).allSatisfy { WireFormat.isInBlocks($0, columns: columns) }
        }
        int8[key] = result
        return result
    }

    /// The transfers that bring a value from one set of boxes into another.
    mutating func move(from: Int, to: Int, _ geometry: inout ShardGeometry) -> Moves {
        let key = MoveKey(from: from, to: to)
        if let known = moves[key] { return known }
        var result = transfers(from: from, to: to, groups: geometry.groups(along: geometry.variedAxes(from)), geometry)
        // Where some send more than others, and others hold the same, these help.
        let count = geometry.mesh.deviceCount
        if count <= 64, result.sentMax * count > result.sentTotal, geometry.table[from].distinctCount < count {
            let shared = transfers(from: from, to: to, groups: [Array(0..<count)], geometry)
            if shared.sentMax * 8 <= result.sentMax * 7 { result = shared }
        }
        moves[key] = result
        return result
    }

    private func transfers(from: Int, to: Int, groups: [[Int]], _ geometry: ShardGeometry) -> Moves {
        let (held, wanted) = (geometry.table[from].boxes, geometry.table[to].boxes)
        var sides = [Moves.Side](repeating: Moves.Side(), count: geometry.mesh.deviceCount)
        for group in groups {
            let parts = ExchangePlanner.redistribute(
                group: group, held: group.map { held[$0] }, wanted: group.map { wanted[$0] })
            for (device, part) in zip(group, parts) {
                sides[device] = .init(sends: part.sends, receives: part.receives, copies: part.copies)
            }
        }
        return Moves(sides, number: moves.count + reductions.count, coordinates: geometry.coordinates)
    }

    /// The transfers that reduce partial results into boxes inside those they lie in.
    mutating func reduce(_ partial: PartialValue, to: Int, _ geometry: inout ShardGeometry) -> Moves {
        let key = ReductionKey(partial: partial, to: to)
        if let known = reductions[key] { return known }
        let (held, wanted) = (geometry.table[partial.set].boxes, geometry.table[to].boxes)
        var sides = [Moves.Side](repeating: Moves.Side(), count: geometry.mesh.deviceCount)
        for group in geometry.groups(along: partial.axes) {
            // Without a tree over granules every member that has something gives one result: a leaf of its own.
            let isTree = partial.kind == .sum && !partial.isLocalSum
            var leaves = 0
            let nodes = group.map { device -> [ReductionTree.Node] in
                if isTree || partial.nodes[device].isEmpty { return partial.nodes[device] }
                leaves += 1
                return [ReductionTree.Node(first: leaves - 1, level: 0)]
            }
            let parts = ExchangePlanner.reduce(
                group: group, contributions: nodes, held: group.map { held[$0] }, wanted: group.map { wanted[$0] })
            for (device, part) in zip(group, parts) {
                let reduction: Exchange.Reduction =
                    switch partial.kind {
                    case .sum: .sum(contributors: part.contributors, leafCount: isTree ? partial.leafCount : leaves)
                    case .max: .max
                    case .argMax, .topK: .argMax
                    }
                sides[device] = .init(
                    sends: part.sends, receives: part.receives, copies: part.copies, reduction: reduction)
            }
        }
        let result = Moves(sides, number: moves.count + reductions.count, coordinates: geometry.coordinates)
        reductions[key] = result
        return result
    }
}
