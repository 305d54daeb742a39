/// The fixed order in which the segments of a reduction are combined, whoever computes them.
///
/// The leaves are the granules `0..<leafCount` of the reduced dimension. A node of level L covers the aligned block
/// `[i·2^L, (i+1)·2^L)`, cut at `leafCount`; its value is the f32 sum of its left and right child (left operand first),
/// or the left child's where the right one is empty. A range of leaves is a sequence of maximal nodes; combining the
/// sequences of all devices in leaf order gives the root, bit for bit what one device computes.
public enum ReductionTree {
    /// A node: the aligned block of `1 << level` leaves that starts at `first`.
    public struct Node: Sendable, Hashable {
        /// First leaf.
        public let first: Int
        /// Binary logarithm of the block's length before the cut at the leaf count.
        public let level: Int

        /// Makes a node.
        public init(first: Int, level: Int) {
            self.first = first
            self.level = level
        }

        /// The leaves below, cut at the leaf count.
        public func leaves(of leafCount: Int) -> Range<Int> { first..<min(leafCount, first + (1 << level)) }
    }

    /// Level of the root of a tree with so many leaves: the least L with `2^L >= leafCount`.
    public static func rootLevel(leafCount: Int) -> Int {
        leafCount <= 1 ? 0 : Int.bitWidth - (leafCount - 1).leadingZeroBitCount
    }

    /// The fewest nodes that cover exactly `range`, in leaf order; none for an empty range.
    public static func maximalNodes(of range: Range<Int>, leafCount: Int) -> [Node] {
        precondition(
            range.lowerBound >= 0 && range.upperBound <= leafCount, "a range of leaves lies inside its tree")
        let top = rootLevel(leafCount: leafCount)
        var nodes: [Node] = []
        var first = range.lowerBound
        while first < range.upperBound {
            var level = 0
            while level < top {
                let next = level + 1
                guard first % (1 << next) == 0, min(leafCount, first + (1 << next)) <= range.upperBound else { break }
                level = next
            }
            nodes.append(Node(first: first, level: level))
            first = min(leafCount, first + (1 << level))
        }
        return nodes
    }

    /// True where the nodes are just the root, so that the value is complete.
    public static func isComplete(_ nodes: [Node], leafCount: Int) -> Bool {
        nodes.count == 1 && nodes[0].first == 0 && nodes[0].leaves(of: leafCount).count == leafCount
    }
}
