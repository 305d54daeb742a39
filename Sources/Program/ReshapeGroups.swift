import Tensor

/// How the dimensions of a reshape belong together: runs of operand dimensions and of result dimensions with the same
/// elements.
///
/// `[6, 4, 5] -> [24, 5]` has the groups `[6, 4] -> [24]` and `[5] -> [5]`. Dimensions of size 1 belong to no group
/// unless they stand inside one.
public struct ReshapeGroups: Sendable, Hashable {
    /// Operand and result dimensions of one group, both contiguous.
    public struct Group: Sendable, Hashable {
        /// Dimensions of the operand.
        public let operand: Range<Int>
        /// Dimensions of the result.
        public let result: Range<Int>
    }

    /// The groups, outermost first.
    public let groups: [Group]
    /// The result's dimensions with the finest granules whose cuts are cuts of the operand too.
    public let dims: [Dim]

    /// Finds the groups; the sizes have the same number of elements.
    public init(from operand: [Dim], to sizes: [Int]) {
        var dims = sizes.map { $0 == 1 ? Dim($0, granule: 1) : Dim($0) }
        var groups: [Group] = []
        var (first, start) = (0, 0)
        if operand.contains(where: { $0.size == 0 }) || sizes.contains(0) {
            (first, start) = (operand.count, sizes.count)
        }
        while first < operand.count || start < sizes.count {
            if first < operand.count, operand[first].size == 1 {
                first += 1
                continue
            }
            if start < sizes.count, sizes[start] == 1 {
                start += 1
                continue
            }
            var (last, end) = (first, start)
            var (mine, theirs) = (1, 1)
            repeat {
                if mine <= theirs, last < operand.count {
                    mine *= operand[last].size
                    last += 1
                } else {
                    theirs *= sizes[end]
                    end += 1
                }
            } while mine != theirs || end == start
            groups.append(Group(operand: first..<last, result: start..<end))
            let granules = Self.granules(of: operand[first..<last], to: sizes[start..<end])
            for (index, granule) in zip(start..<end, granules) { dims[index] = Dim(sizes[index], granule: granule) }
            (first, start) = (last, end)
        }
        self.groups = groups
        self.dims = dims
    }

    /// Granules of the result's dimensions of one group.
    private static func granules(of operand: ArraySlice<Dim>, to sizes: ArraySlice<Int>) -> [Int] {
        // Elements between two cuts: inner dimensions can be cut where outer ones are cut at every index.
        var inner = operand.reduce(1) { $0 * $1.size }
        var step = inner
        for dim in operand {
            inner /= dim.size
            step = min(dim.granule, dim.size) * inner
            if dim.granule > 1 { break }
        }
        var rest = sizes.reduce(1, *)
        var isOpen = true
        return sizes.map { size in
            rest /= size
            guard isOpen else { return max(1, size) }
            let granule = min(size, step / ShapeRule.greatestDivisor(step, rest))
            isOpen = rest % step == 0
            return max(1, granule)
        }
    }
}
