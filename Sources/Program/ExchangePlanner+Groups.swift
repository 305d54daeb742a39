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
        var load = [Int](repeating: 0, count: group.count)
        func give(_ box: Box, from holder: Int, to position: Int, _ order: Int) {
            load[holder] += box.elementCount
            receives[position].append((group[holder], order, box.relative(to: wanted[position])))
            sends[holder].append((group[position], order, box.relative(to: held[holder])))
        }
        var open: [(position: Int, order: Int, part: BoxHolders.Part)] = []
        for (position, target) in wanted.enumerated() where !target.isEmpty {
            for (order, part) in holders.parts(of: target, at: position).enumerated() {
                if part.isOwn {
                    copies[position].append(
                        Exchange.LocalCopy(
                            from: part.box.relative(to: held[position]), to: part.box.relative(to: target)))
                } else if holders.positions[part.number].count == 1 {
                    give(part.box, from: holders.positions[part.number][0], to: position, order)
                } else {
                    open.append((position, order, part))
                }
            }
        }
        for (position, order, part) in open {
            let least = holders.positions[part.number].min { a, b in
                (load[a], holders.distance(from: position, to: a)) < (load[b], holders.distance(from: position, to: b))
            }
            if let least { give(part.box, from: least, to: position, order) }
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
    /// A part of a wanted box.
    struct Part {
        /// Number of the held box that it lies in.
        var number: Int
        var box: Box
        /// The device that wants it has it.
        var isOwn: Bool
    }

    /// Positions that hold each distinct box, ascending.
    private(set) var positions: [[Int]] = []
    private let held: [Box]
    /// Number of each position's box; nil where it holds nothing.
    private let numbers: [Int?]
    private let distinct: [Box]
    private let grid: BoxGrid?

    init(_ held: [Box]) {
        self.held = held
        var known: [Box: Int] = [:]
        var distinct: [Box] = []
        var numbers = [Int?](repeating: nil, count: held.count)
        for (position, box) in held.enumerated() where !box.isEmpty {
            let number = known[box] ?? distinct.count
            if number == distinct.count {
                known[box] = number
                distinct.append(box)
                positions.append([])
            }
            positions[number].append(position)
            numbers[position] = number
        }
        self.numbers = numbers
        self.distinct = distinct
        grid = BoxGrid(distinct)
    }

    /// Steps from a position to a holder, forward around the group.
    func distance(from position: Int, to holder: Int) -> Int { (holder - position + held.count) % held.count }

    /// Disjoint parts of a box, each inside one held box: what the device has itself comes from there.
    func parts(of target: Box, at position: Int) -> [Part] {
        if let own = numbers[position], held[position].contains(target) {
            return [Part(number: own, box: target, isOwn: true)]
        }
        if let grid {
            return grid.overlapping(target).map { number in
                Part(number: number, box: target.intersection(distinct[number]), isOwn: number == numbers[position])
            }
        }
        var missing = [target]
        var result: [Part] = []
        var seen = Set<Int>()
        for offset in held.indices where !missing.isEmpty {
            guard let number = numbers[(position + offset) % held.count], seen.insert(number).inserted else { continue }
            let box = distinct[number]
            for part in missing.map({ $0.intersection(box) }) where !part.isEmpty {
                result.append(Part(number: number, box: part, isOwn: number == numbers[position]))
            }
            missing = missing.flatMap { $0.subtracting(box) }
        }
        precondition(missing.isEmpty, "every element that a device wants is held by a member of its group")
        return result
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
