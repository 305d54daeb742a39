import Program
import Testing

@Suite("Reduction tree")
struct ReductionTreeTests {
    /// Sum of leaves by the definition.
    private func tree(_ leaves: [Float], first: Int, level: Int) -> Float? {
        if first >= leaves.count { return nil }
        if level == 0 { return leaves[first] }
        let left = tree(leaves, first: first, level: level - 1)
        guard let right = tree(leaves, first: first + (1 << (level - 1)), level: level - 1) else { return left }
        return (left ?? 0) + right
    }

    @Test("Maximal nodes tile any range, and combining all devices' nodes gives the root bit for bit")
    func combine() {
        for count in 1...20 {
            let leaves: [Float] = (0..<count).map { leaf in
                let square = Float(leaf * leaf + 1)
                return square * 0.1 + Float(leaf) * 0.0001
            }
            let root = tree(leaves, first: 0, level: ReductionTree.rootLevel(leafCount: count))
            for first in 0...count {
                for second in first...count {
                    let nodes = [0..<first, first..<second, second..<count].flatMap {
                        ReductionTree.maximalNodes(of: $0, leafCount: count)
                    }
                    #expect(nodes.flatMap { Array($0.leaves(of: count)) } == Array(0..<count))
                    // Combine equal neighbours as they arrive, then fold what is left from the right.
                    var stack: [(value: Float, level: Int)] = []
                    for node in nodes {
                        var value = tree(leaves, first: node.first, level: node.level) ?? .nan
                        var level = node.level
                        while let last = stack.last, last.level == level {
                            value = last.value + value
                            level += 1
                            stack.removeLast()
                        }
                        stack.append((value, level))
                    }
                    var total = stack.popLast()?.value
                    while let next = stack.popLast() { total = next.value + (total ?? 0) }
                    #expect(total?.bitPattern == root?.bitPattern, "\(count) leaves cut at \(first), \(second)")
                }
            }
        }
    }
}
