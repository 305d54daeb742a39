public import Tensor

/// Derives the transfers of collectives from boxes: who holds which part of a value, and who wants which.
///
/// All boxes given are in the whole value's coordinates; all boxes returned are relative to buffers, as ``Exchange``
/// wants them. A device that is missing from a dictionary has, or wants, nothing. Every device computes the lists of
/// all, so what one sends and the other expects agree without talking. The order of transfers between a pair of devices
/// is the same on both sides.
public enum ExchangePlanner {
    /// One device's side of a movement of data.
    public struct Redistribution: Sendable, Hashable {
        /// Messages to peers, ascending by peer.
        public var sends: [Exchange.Transfer]
        /// Messages from peers, ascending by peer.
        public var receives: [Exchange.Transfer]
        /// Parts taken from the device's own buffer.
        public var copies: [Exchange.LocalCopy]
        /// Bundles the lists.
        public init(sends: [Exchange.Transfer], receives: [Exchange.Transfer], copies: [Exchange.LocalCopy]) {
            self.sends = sends
            self.receives = receives
            self.copies = copies
        }
    }

    /// One device's side of a reduction.
    public struct Reduction: Sendable, Hashable {
        /// Messages to peers, ascending by peer; each carries all of the sender's partial results.
        public var sends: [Exchange.Transfer]
        /// Messages from peers, ascending by peer.
        public var receives: [Exchange.Transfer]
        /// The device's own contribution: at most one entry.
        public var copies: [Exchange.LocalCopy]
        /// The devices that give something, in leaf order; the same on all devices.
        public var contributors: [Exchange.Contributor]
        /// Bundles the lists.
        public init(
            sends: [Exchange.Transfer], receives: [Exchange.Transfer], copies: [Exchange.LocalCopy],
            contributors: [Exchange.Contributor]
        ) {
            self.sends = sends
            self.receives = receives
            self.copies = copies
            self.contributors = contributors
        }
    }

    /// The transfers that turn `held` into `wanted` inside a group of devices which together hold the value.
    ///
    /// A device takes what it holds itself from its own buffer. Where several peers hold an element, the one that sends
    /// least so far sends it, of equal ones the next after the receiver in the order of `group` (cyclically); what only
    /// one can send is dealt out before. No element travels twice to one device. Every wanted element must be held by a
    /// member of the group.
    public static func redistribute(
        device: Int, group: [Int], held: [Int: Box], wanted: [Int: Box]
    ) -> Redistribution {
        guard let position = group.firstIndex(of: device) else {
            return Redistribution(sends: [], receives: [], copies: [])
        }
        let rank = held.values.first?.ranges.count ?? 0
        let nothing = Box(Array(repeating: 0..<0, count: max(1, rank)))
        return redistribute(
            group: group, held: group.map { held[$0] ?? nothing }, wanted: group.map { wanted[$0] ?? nothing })[
                position]
    }

    /// The transfers that sum partial results over a group and leave each device the part that it wants.
    ///
    /// `contributions` says which nodes of the ``ReductionTree`` each device has; no leaf may be given twice. All
    /// contributors hold their partial results for the same box. Devices without nodes send nothing; a device may want
    /// nothing. A wanted box must lie inside the held one.
    public static func reduce(
        device: Int, group: [Int], contributions: [Int: [ReductionTree.Node]], held: [Int: Box], wanted: [Int: Box]
    ) -> Reduction {
        let contributors = group.compactMap { member -> Exchange.Contributor? in
            guard let nodes = contributions[member], !nodes.isEmpty else { return nil }
            return Exchange.Contributor(device: member, nodes: nodes)
        }.sorted { $0.nodes[0].first < $1.nodes[0].first }
        let firsts = contributors.flatMap { $0.nodes.map(\.first) }
        precondition(
            zip(firsts, firsts.dropFirst()).allSatisfy { $0 < $1 },
            "each leaf of a reduction is given once, and every device's nodes are in leaf order")
        let partials = Dictionary(uniqueKeysWithValues: contributors.map { ($0.device, $0.nodes.count) })
        let lists = combine(device: device, group: group, partials: partials, held: held, wanted: wanted)
        return Reduction(
            sends: lists.sends, receives: lists.receives, copies: lists.copies, contributors: contributors)
    }

    /// The transfers of an element-wise maximum or arg-max over a group: ``reduce(device:group:contributions:held:wanted:)``
    /// for values without a tree, to which every member that holds something contributes one message.
    public static func combine(
        device: Int, group: [Int], held: [Int: Box], wanted: [Int: Box]
    ) -> Redistribution {
        let partials = held.filter { group.contains($0.key) && !$0.value.isEmpty }.mapValues { _ in 1 }
        return combine(device: device, group: group, partials: partials, held: held, wanted: wanted)
    }

    /// Sends the wanted part of this device's partial results to all, and expects the same of all contributors.
    private static func combine(
        device: Int, group: [Int], partials: [Int: Int], held: [Int: Box], wanted: [Int: Box]
    ) -> Redistribution {
        let peers = group.filter { $0 != device }.sorted()
        var result = Redistribution(sends: [], receives: [], copies: [])
        if let count = partials[device] {
            guard let mine = held[device] else { preconditionFailure("a contributor to a reduction holds a box") }
            for peer in peers {
                guard let box = wanted[peer], !box.isEmpty else { continue }
                precondition(mine.contains(box), "what is wanted of a reduction lies inside what contributors hold")
                result.sends.append(Exchange.Transfer(peer: peer, box: box.relative(to: mine), partials: count))
            }
        }
        guard let target = wanted[device], !target.isEmpty else { return result }
        let whole = target.relative(to: target)
        for peer in peers {
            guard let count = partials[peer] else { continue }
            result.receives.append(Exchange.Transfer(peer: peer, box: whole, partials: count))
        }
        if partials[device] != nil, let mine = held[device] {
            precondition(mine.contains(target), "what is wanted of a reduction lies inside what contributors hold")
            result.copies.append(Exchange.LocalCopy(from: target.relative(to: mine), to: whole))
        }
        return result
    }
}

extension Box {
    /// The parts of this box outside `other`, as disjoint boxes that are cut along the outermost dimensions first.
    public func subtracting(_ other: Box) -> [Box] {
        let common = intersection(other)
        if isEmpty { return [] }
        if common.isEmpty { return [self] }
        var rest: [Box] = []
        var core = self
        for index in ranges.indices {
            let (whole, inner) = (core.ranges[index], common.ranges[index])
            for part in [whole.lowerBound..<inner.lowerBound, inner.upperBound..<whole.upperBound] where !part.isEmpty {
                var box = core
                box.ranges[index] = part
                rest.append(box)
            }
            core.ranges[index] = inner
        }
        return rest
    }
}
