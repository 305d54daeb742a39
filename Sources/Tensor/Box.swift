/// A rectangular part of a tensor: one half-open range per dimension.
public struct Box: Sendable, Hashable {
    /// One range per dimension, outermost first.
    public var ranges: [Range<Int>]

    /// Wraps ranges.
    public init(_ ranges: [Range<Int>]) { self.ranges = ranges }

    /// The box that covers a whole tensor.
    public init(covering dims: [Int]) { ranges = dims.map { 0..<$0 } }

    /// Sizes of the ranges.
    public var dims: [Int] { ranges.map(\.count) }
    /// Product of the sizes.
    public var elementCount: Int { ranges.reduce(1) { $0 * $1.count } }
    /// True where nothing is inside.
    public var isEmpty: Bool { ranges.contains { $0.isEmpty } }

    /// The common part; empty where there is none.
    public func intersection(_ other: Box) -> Box {
        precondition(ranges.count == other.ranges.count, "boxes of one tensor have one rank")
        return Box(
            zip(ranges, other.ranges).map { mine, theirs in
                let lower = max(mine.lowerBound, theirs.lowerBound)
                return lower..<max(lower, min(mine.upperBound, theirs.upperBound))
            })
    }

    /// The same box in coordinates that start at `origin`'s lower corner.
    public func relative(to origin: Box) -> Box {
        Box(zip(ranges, origin.ranges).map { ($0.lowerBound - $1.lowerBound)..<($0.upperBound - $1.lowerBound) })
    }

    /// True where `other` lies completely inside.
    public func contains(_ other: Box) -> Bool {
        zip(ranges, other.ranges).allSatisfy { $0.lowerBound <= $1.lowerBound && $1.upperBound <= $0.upperBound }
    }
}
