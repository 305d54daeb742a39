public import Tensor

/// The same derivations for all devices of a group at once, in time proportional to the transfers.
extension ExchangePlanner {
    /// What ``redistribute(device:group:held:wanted:)`` gives for every member, by position in the group.
    ///
    /// - Parameters:
    ///   - held: by position in the group; empty where a member holds nothing.
    ///   - wanted: likewise.
    public static func redistribute(group: [Int], held: [Box], wanted: [Box]) -> [Redistribution] {
        let holders = BoxHolders(held)
        var receives = [[(peer: Int, order: Int, box: Box)]](repeating: [], count: group.count)
        var sends = receives
        var copies = [[Exchange.LocalCopy]](repeating: [], count: group.count)
        for (position, target) in wanted.enumerated() where !target.isEmpty {
            for (order, part) in holders.sources(of: target, at: position).enumerated() {
                if part.holder == position {
                    copies[position].append(
                        Exchange.LocalCopy(
                            from: part.box.relative(to: held[position]), to: part.box.relative(to: target)))
                } else {
                    receives[position].append((group[part.holder], order, part.box.relative(to: target)))
                    sends[part.holder].append((group[position], order, part.box.relative(to: held[part.holder])))
                }
            }
        }
        func transfers(_ list: [(peer: Int, order: Int, box: Box)]) -> [Exchange.Transfer] {
            list.sorted { ($0.peer, $0.order) < ($1.peer, $1.order) }
                .map { Exchange.Transfer(peer: $0.peer, box: $0.box) }
        }
        return group.indices.map {
            Redistribution(sends: transfers(sends[$0]), receives: transfers(receives[$0]), copies: copies[$0])
        }
    }

    /// What ``reduce(device:group:contributions:held:wanted:)`` gives for every member, by position in the group.
    ///
    /// - Parameter contributions: each member's tree nodes, none where it has nothing to give; for a combination without
    ///   a tree, one node each.
    public static func reduce(
        group: [Int], contributions: [[ReductionTree.Node]], held: [Box], wanted: [Box]
    ) -> [Reduction] {
        let contributors = group.indices.filter { !contributions[$0].isEmpty }
            .map { Exchange.Contributor(device: group[$0], nodes: contributions[$0]) }
            .sorted { $0.nodes[0].first < $1.nodes[0].first }
        let firsts = contributors.flatMap { $0.nodes.map(\.first) }
        precondition(
            zip(firsts, firsts.dropFirst()).allSatisfy { $0 < $1 },
            "each leaf of a reduction is given once, and every device's nodes are in leaf order")
        let ascending = group.indices.sorted { group[$0] < group[$1] }
        let wholes = wanted.map { $0.relative(to: $0) }
        return group.indices.map { position in
            let mine = held[position]
            let count = contributions[position].count
            var result = Reduction(sends: [], receives: [], copies: [], contributors: contributors)
            for peer in ascending where peer != position {
                if count > 0, !wanted[peer].isEmpty {
                    precondition(
                        mine.contains(wanted[peer]), "what is wanted of a reduction lies inside what contributors hold")
                    let box = wanted[peer].relative(to: mine)
                    result.sends.append(Exchange.Transfer(peer: group[peer], box: box, partials: count))
                }
                if !wanted[position].isEmpty, !contributions[peer].isEmpty {
                    result.receives.append(
                        Exchange.Transfer(
                            peer: group[peer], box: wholes[position], partials: contributions[peer].count))
                }
            }
            if count > 0, !wanted[position].isEmpty {
                result.copies = [
                    Exchange.LocalCopy(from: wanted[position].relative(to: mine), to: wholes[position])
                ]
            }
            return result
        }
    }
}

/// Who of a group holds what; finds the holders of a box's parts.
private struct BoxHolders {
    private let held: [Box]
    private let distinct: [Box]
    /// Positions that hold each distinct box, ascending.
    private let positions: [[Int]]
    private let grid: BoxGrid?

    init(_ held: [Box]) {
        self.held = held
        var numbers: [Box: Int] = [:]
        var distinct: [Box] = []
        var positions: [[Int]] = []
        for (position, box) in held.enumerated() where !box.isEmpty {
            if let number = numbers[box] {
                positions[number].append(position)
            } else {
                numbers[box] = distinct.count
                distinct.append(box)
                positions.append([position])
            }
        }
        self.distinct = distinct
        self.positions = positions
        grid = BoxGrid(distinct)
    }

    /// Disjoint parts of a box and who gives each: the member itself where it can, else the next holder after it.
    func sources(of target: Box, at position: Int) -> [(holder: Int, box: Box)] {
        let own = target.intersection(held[position])
        if own == target { return [(position, target)] }
        if let grid {
            return grid.overlapping(target).map { number in
                (next(positions[number], after: position), target.intersection(distinct[number]))
            }
        }
        var missing = [target]
        var result: [(holder: Int, box: Box)] = []
        for offset in held.indices where !missing.isEmpty {
            let holder = (position + offset) % held.count
            let box = held[holder]
            if box.isEmpty { continue }
            for part in missing.map({ $0.intersection(box) }) where !part.isEmpty { result.append((holder, part)) }
            missing = missing.flatMap { $0.subtracting(box) }
        }
        precondition(missing.isEmpty, "every element that a device wants is held by a member of its group")
        return result
    }

    private func next(_ holders: [Int], after position: Int) -> Int {
        holders.first { $0 >= position } ?? holders[0]
    }
}

/// Disjoint boxes that stand in rows and columns.
private struct BoxGrid {
    /// Along each dimension, the ranges between cuts, ascending.
    private var ranges: [[Range<Int>]]
    private var cells: [Int: Int] = [:]

    /// Nil where the boxes form no grid without holes.
    init?(_ boxes: [Box]) {
        guard let rank = boxes.first?.ranges.count else { return nil }
        ranges = (0..<rank).map { dim in
            Set(boxes.map { $0.ranges[dim] }).sorted { $0.lowerBound < $1.lowerBound }
        }
        guard ranges.allSatisfy({ zip($0, $0.dropFirst()).allSatisfy { $0.upperBound <= $1.lowerBound } }),
            ranges.reduce(1, { $0 * $1.count }) == boxes.count
        else { return nil }
        for (number, box) in boxes.enumerated() {
            var cell = 0
            for (dim, range) in box.ranges.enumerated() {
                cell = cell * ranges[dim].count + Self.first(in: ranges[dim], endingAfter: range.lowerBound)
            }
            cells[cell] = number
        }
    }

    /// The boxes that have something in common with a box, in row-major order.
    func overlapping(_ box: Box) -> [Int] {
        var found = [0]
        for (dim, range) in box.ranges.enumerated() {
            let first = Self.first(in: ranges[dim], endingAfter: range.lowerBound)
            var last = first
            while last < ranges[dim].count, ranges[dim][last].lowerBound < range.upperBound { last += 1 }
            found = found.flatMap { cell in (first..<max(first, last)).map { cell * ranges[dim].count + $0 } }
        }
        return found.compactMap { cells[$0] }
    }

    private static func first(in ranges: [Range<Int>], endingAfter index: Int) -> Int {
        var (low, high) = (0, ranges.count)
        while low < high {
            let middle = (low + high) / 2
            if ranges[middle].upperBound <= index { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
