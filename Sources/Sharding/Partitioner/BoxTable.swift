import Program
import Tensor

/// One box a device, and what follows from them.
struct BoxSet {
    let boxes: [Box]
    /// Elements of the largest box.
    let largest: Int
    /// Boxes that differ.
    let distinctCount: Int
    /// Mesh axes along which the boxes differ, once asked for.
    var varied: [AxisRef]?
    /// True where every element of a value of so many elements is in some box; once asked for.
    var isComplete: [Int: Bool] = [:]

    init(_ boxes: [Box]) {
        self.boxes = boxes
        largest = boxes.map(\.elementCount).max() ?? 0
        distinctCount = Set(boxes).count
    }
}

/// Sets of boxes by number: equal sets have one number, so that layers which repeat share everything derived from them.
struct BoxTable {
    private var sets: [BoxSet] = []
    private var numbers: [[Box]: Int] = [:]
    private var containments: [Pair: Bool] = [:]

    private struct Pair: Hashable {
        var outer: Int
        var inner: Int
    }

    mutating func intern(_ boxes: [Box]) -> Int {
        if let known = numbers[boxes] { return known }
        sets.append(BoxSet(boxes))
        numbers[boxes] = sets.count - 1
        return sets.count - 1
    }

    subscript(number: Int) -> BoxSet {
        get { sets[number] }
        _modify { yield &sets[number] }
    }

    /// True where every device's box of `inner` lies in its box of `outer`.
    mutating func contains(_ outer: Int, _ inner: Int) -> Bool {
        if outer == inner { return true }
        let key = Pair(outer: outer, inner: inner)
        if let known = containments[key] { return known }
        let result = zip(sets[outer].boxes, sets[inner].boxes).allSatisfy { $1.isEmpty || $0.contains($1) }
        containments[key] = result
        return result
    }

    /// True where the boxes together are the whole value.
    ///
    /// Overlapping boxes that differ are only recognised where one of them is everything.
    mutating func isComplete(_ number: Int, dims: [Dim]) -> Bool {
        let whole = dims.reduce(1) { $0 * $1.size }
        if let known = sets[number].isComplete[whole] { return known }
        let distinct = Set(sets[number].boxes.filter { !$0.isEmpty })
        let result =
            whole == 0 || distinct.contains { $0.elementCount == whole } || isPartition(Array(distinct), whole)
        sets[number].isComplete[whole] = result
        return result
    }

    private func isPartition(_ boxes: [Box], _ whole: Int) -> Bool {
        boxes.reduce(0) { $0 + $1.elementCount } == whole && Self.areDisjoint(boxes)
    }

    /// True where no two of some different boxes have an element in common.
    private static func areDisjoint(_ boxes: [Box]) -> Bool {
        guard let rank = boxes.first?.ranges.count else { return true }
        // Boxes of a grid differ in a dimension, and the ranges of each dimension do not overlap.
        let isGrid = (0..<rank).allSatisfy { dim in
            let ranges = Set(boxes.map { $0.ranges[dim] }).sorted { $0.lowerBound < $1.lowerBound }
            return zip(ranges, ranges.dropFirst()).allSatisfy { $0.upperBound <= $1.lowerBound }
        }
        return isGrid
            || !boxes.indices.contains { i in
                boxes[(i + 1)...].contains { !boxes[i].intersection($0).isEmpty }
            }
    }
}
