import Program
import Tensor

/// Builds the exchanges of the named collectives for all devices of a replica group.
///
/// Shards may differ in size, be empty or be missing. Boxes are in the whole value's coordinates; the source buffer of a
/// device holds its shard, the destination buffer what the collective leaves it.
struct CollectiveBuilder: Sendable, Hashable {
    /// The devices that take part; the order decides who serves whom where several hold an element.
    var group: [Int]
    /// Mesh axes the group spans.
    var axes: [String]
    /// Index of the source buffer.
    var source: Int
    /// Index of the destination buffer.
    var destination: Int
    /// Where in the model the collective stands.
    var scope: String

    /// Makes a builder.
    init(group: [Int], axes: [String] = [], source: Int, destination: Int, scope: String = "") {
        precondition(Set(group).count == group.count, "a replica group has different devices")
        self.group = group
        self.axes = axes
        self.source = source
        self.destination = destination
        self.scope = scope
    }

    /// Every device gets the smallest box around all shards.
    func allGather(shards: [Int: Box]) -> [Int: Exchange] {
        let whole = Self.hull(of: group.compactMap { shards[$0] })
        return move(.allGather, held: shards, wanted: whole.map(everywhere) ?? [:])
    }

    /// What is split one way becomes split another way.
    func allToAll(from held: [Int: Box], to wanted: [Int: Box]) -> [Int: Exchange] {
        move(.allToAll, held: held, wanted: wanted)
    }

    /// Every device gets the box that `root` holds.
    func broadcast(_ box: Box, from root: Int) -> [Int: Exchange] {
        move(.broadcast, held: [root: box], wanted: everywhere(box))
    }

    /// Every device gets its own shard and the neighbours' rows around it.
    func haloExchange(shards: [Int: Box], wanted: [Int: Box]) -> [Int: Exchange] {
        move(.haloExchange, held: shards, wanted: wanted)
    }

    /// Shards move: the device `to[d]` gets what device `d` holds.
    ///
    /// Devices that nothing moves to get nothing.
    func permute(shards: [Int: Box], to targets: [Int: Int]) -> [Int: Exchange] {
        precondition(Set(targets.values).count == targets.count, "a permutation moves one shard to a device")
        var wanted: [Int: Box] = [:]
        for (origin, target) in targets { wanted[target] = shards[origin] }
        return move(.permute, held: shards, wanted: wanted)
    }

    /// Every device gets its shard of the sum of all partial results, each of which covers `box`.
    func reduceScatter(
        _ box: Box, contributions: [Int: [ReductionTree.Node]], leafCount: Int, shards: [Int: Box]
    ) -> [Int: Exchange] {
        reduce(.reduceScatter, box, contributions: contributions, leafCount: leafCount, wanted: shards)
    }

    /// Every device gets the whole sum in one exchange, in which each sends everything to everyone (for small messages).
    func allReduce(
        _ box: Box, contributions: [Int: [ReductionTree.Node]], leafCount: Int
    ) -> [Int: Exchange] {
        reduce(.allReduce, box, contributions: contributions, leafCount: leafCount, wanted: everywhere(box))
    }

    /// Every device gets the whole sum in two exchanges, a reduce-scatter and an all-gather (for large messages).
    ///
    /// `shard` is the index of the buffer between the two. It holds the device's part of ``shards(of:)``, already
    /// rounded, so that what is gathered travels in the narrow type.
    func allReduceInTwoPhases(
        _ box: Box, contributions: [Int: [ReductionTree.Node]], leafCount: Int, shard: Int
    ) -> (scatter: [Int: Exchange], gather: [Int: Exchange]) {
        var (first, second) = (self, self)
        first.destination = shard
        second.source = shard
        let shards = shards(of: box)
        return (
            first.reduceScatter(box, contributions: contributions, leafCount: leafCount, shards: shards),
            second.move(.allGather, held: shards, wanted: everywhere(box))
        )
    }

    /// Cuts a box along its outermost dimension that has an element for every device (else along its longest) into
    /// ranges that differ by at most one; devices that nothing is left for get an empty box.
    func shards(of box: Box) -> [Int: Box] {
        guard let longest = box.ranges.indices.max(by: { box.ranges[$0].count < box.ranges[$1].count }) else {
            return group.first.map { [$0: box] } ?? [:]
        }
        let dimension = box.ranges.firstIndex { $0.count >= group.count } ?? longest
        let range = box.ranges[dimension]
        var result: [Int: Box] = [:]
        for (index, device) in group.enumerated() {
            var shard = box
            let lower = range.lowerBound + range.count * index / group.count
            let upper = range.lowerBound + range.count * (index + 1) / group.count
            shard.ranges[dimension] = lower..<upper
            result[device] = shard
        }
        return result
    }

    private func everywhere(_ box: Box) -> [Int: Box] {
        Dictionary(uniqueKeysWithValues: group.map { ($0, box) })
    }

    private func move(_ kind: CollectiveKind, held: [Int: Box], wanted: [Int: Box]) -> [Int: Exchange] {
        var result: [Int: Exchange] = [:]
        for device in group {
            let lists = ExchangePlanner.redistribute(device: device, group: group, held: held, wanted: wanted)
            result[device] = Exchange(
                kind: kind, axes: axes, source: source, destination: destination, sends: lists.sends,
                receives: lists.receives, copies: lists.copies, scope: scope)
        }
        return result
    }

    private func reduce(
        _ kind: CollectiveKind, _ box: Box, contributions: [Int: [ReductionTree.Node]], leafCount: Int,
        wanted: [Int: Box]
    ) -> [Int: Exchange] {
        var result: [Int: Exchange] = [:]
        for device in group {
            let lists = ExchangePlanner.reduce(
                device: device, group: group, contributions: contributions, held: everywhere(box), wanted: wanted)
            result[device] = Exchange(
                kind: kind, axes: axes, source: source, destination: destination, sends: lists.sends,
                receives: lists.receives, copies: lists.copies,
                reduction: .sum(contributors: lists.contributors, leafCount: leafCount), scope: scope)
        }
        return result
    }

    /// The smallest box around boxes that are not empty; nil without any.
    private static func hull(of boxes: [Box]) -> Box? {
        let boxes = boxes.filter { !$0.isEmpty }
        guard let first = boxes.first else { return nil }
        return boxes.dropFirst().reduce(first) { hull, box in
            Box(
                zip(hull.ranges, box.ranges).map {
                    min($0.lowerBound, $1.lowerBound)..<max($0.upperBound, $1.upperBound)
                })
        }
    }
}
