import CKernels
import Program
import Tensor
import Testing

/// `tk_tree_combine` on arrays, to f32.
func combine(_ parts: [[Float]], nodes: [ReductionTree.Node], leafCount: Int) -> [Float] {
    var out = [Float](repeating: .nan, count: parts[0].count)
    withPointers(parts) { pointers in
        tk_tree_combine(
            pointers, nodes.map { UInt8($0.level) }, nodes.map(\.first), nodes.count, leafCount, out.count, &out, TK_F32
        )
    }
    return out
}

/// Calls the body with a pointer to each array.
private func withPointers(_ arrays: [[Float]], _ body: ([UnsafePointer<Float>?]) -> Void) {
    func collect(_ index: Int, _ pointers: [UnsafePointer<Float>?]) {
        guard index < arrays.count else { return body(pointers) }
        arrays[index].withUnsafeBufferPointer { collect(index + 1, pointers + [$0.baseAddress]) }
    }
    collect(0, [])
}

@Suite struct TreeTests {
    @Test(
        "leaves split over any two or three devices combine to the same bits", arguments: [1, 2, 3, 5, 6, 7, 8, 13, 16])
    func splits(leafCount: Int) {
        let elements = 133
        var numbers = KernelNumbers(seed: UInt64(leafCount))
        let leaves = (0..<leafCount).map { _ in numbers.floats(elements) }
        let expected = (0..<elements).map { element in treeSum(0..<leafCount) { leaves[$0][element] } }
        for first in 0...leafCount {
            for second in first...leafCount {
                let nodes = [0..<first, first..<second, second..<leafCount].flatMap {
                    ReductionTree.maximalNodes(of: $0, leafCount: leafCount)
                }
                let parts = nodes.map { node in
                    (0..<elements).map { element in treeSum(node.leaves(of: leafCount)) { leaves[$0][element] } }
                }
                #expect(combine(parts, nodes: nodes, leafCount: leafCount) == expected, "\(first) \(second)")
            }
        }
    }

    @Test("a bf16 result is rounded once, to nearest even; NaN stays NaN")
    func rounding() {
        let left: [Float] = [1, 1.00390625, 1.01171875, -.infinity, .nan, 0x1p-140]
        let right: [Float] = [0.00390625, 0, 0, 1, 1, 0]
        var out = [UInt16](repeating: 0, count: 6)
        withPointers([left, right]) { tk_tree_combine($0, [0, 0], [0, 1], 2, 2, 6, &out, TK_BF16) }
        for i in 0..<6 { #expect(out[i] == BFloat16(left[i] + right[i]).bitPattern) }
        #expect(BFloat16(bitPattern: out[4]).float.isNaN)
    }

    @Test("the result may replace the first node")
    func inPlace() {
        var numbers = KernelNumbers(seed: 5)
        var left = numbers.floats(200)
        let right = numbers.floats(200)
        let expected = zip(left, right).map { $0 + $1 }
        left.withUnsafeMutableBufferPointer { left in
            right.withUnsafeBufferPointer { right in
                let pointers: [UnsafePointer<Float>?] = [UnsafePointer(left.baseAddress), right.baseAddress]
                tk_tree_combine(pointers, [0, 0], [0, 1], 2, 2, 200, left.baseAddress, TK_F32)
            }
        }
        #expect(left == expected)
    }
}
