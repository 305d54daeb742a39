/// Lists assignments of mesh axes to factors.
struct CandidateSearch {
    /// Axis lists that operands and result have at factors; factor -1: at a dimension without one.
    let evidence: [(factor: Int, axes: [AxisRef])]
    let factorCount: Int
    /// Factors that any axis may move to.
    let movable: [Int]
    /// Factors that may be split at all.
    let splittable: [Int]
    let granules: [Int]

    /// Assignments, those that evidence suggests first; at most about `limit`.
    func candidates(limit: Int) -> [[[AxisRef]]] {
        let atoms = atoms()
        if atoms.isEmpty { return [] }
        var suggested: [[Int?]] = []
        for atom in atoms {
            let factors = Set(evidence.filter { $0.axes.overlaps(atom) }.map(\.factor))
            suggested.append([nil] + factors.sorted().filter { splittable.contains($0) })
        }
        let wide = suggested.map { list in
            list + movable.filter { !list.contains($0) && splittable.contains($0) }
        }
        let count = wide.reduce(1) { $0 * $1.count }
        let choices = count <= limit ? wide : suggested
        var found: [[[AxisRef]]] = []
        var pick = [Int](repeating: 0, count: atoms.count)
        search: while found.count < limit {
            let choice = pick.indices.map { choices[$0][pick[$0]] }
            if areApart(atoms, choice) { found += ordered(atoms, choice) }
            for index in pick.indices.reversed() {
                pick[index] += 1
                if pick[index] < choices[index].count { continue search }
                pick[index] = 0
            }
            break
        }
        return found
    }

    /// True where no two parts that are used belong to different partings of an axis: 6 devices as 2 times 3 or as 3
    /// times 2.
    private func areApart(_ atoms: [AxisRef], _ choice: [Int?]) -> Bool {
        let used = zip(atoms, choice).filter { $1 != nil }.map(\.0)
        return !used.indices.contains { index in used[..<index].contains { $0.overlaps(used[index]) } }
    }

    /// The parts of axes that occur, cut where any list cuts them.
    private func atoms() -> [AxisRef] {
        var cuts: [Int: Set<Int>] = [:]
        for ref in evidence.flatMap(\.axes) { cuts[ref.axis, default: []].formUnion([ref.preSize, ref.end]) }
        return cuts.sorted { $0.key < $1.key }.flatMap { axis, points in
            let sorted = points.sorted()
            return zip(sorted, sorted.dropFirst()).filter { $1 % $0 == 0 }.map {
                AxisRef(axis: axis, preSize: $0, size: $1 / $0)
            }
        }
    }

    /// The axes of one choice, in every order in which evidence has them.
    private func ordered(_ atoms: [AxisRef], _ choice: [Int?]) -> [[[AxisRef]]] {
        var lists = [[AxisRef]](repeating: [], count: factorCount)
        for (atom, factor) in zip(atoms, choice) {
            if let factor { lists[factor].append(atom) }
        }
        for (factor, list) in lists.enumerated() where list.partCount > granules[factor] {
            // More parts than granules only where that is how things are.
            guard evidence.contains(where: { $0.factor == factor && $0.axes.partCount >= list.partCount }) else {
                return []
            }
        }
        var results = [lists]
        for (factor, list) in lists.enumerated() where list.count > 1 {
            var orders: [[AxisRef]] = []
            for entry in evidence where entry.axes.count > 1 {
                let positions = list.map { atom in entry.axes.firstIndex { $0.overlaps(atom) } }
                let known = zip(list, positions).filter { $0.1 != nil }.sorted {
                    ($0.1 ?? 0, $0.0.preSize) < ($1.1 ?? 0, $1.0.preSize)
                }
                let order = known.map(\.0) + list.filter { atom in !known.contains { $0.0 == atom } }
                if order != list, !orders.contains(order) { orders.append(order) }
            }
            results += results.flatMap { base in
                orders.map { order in
                    var other = base
                    other[factor] = order
                    return other
                }
            }
        }
        return results.map { $0.map(\.merged) }
    }
}
