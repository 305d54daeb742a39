import Program
import Tensor

/// How a device's part of a contraction is cut: into tree nodes, and those into leaves.
struct DotGeometry: Hashable {
    /// Rows of the second operand that are here.
    let columns: Int
    /// Elements contracted over that are here.
    let depth: Int
    /// Elements of a leaf.
    let segment: Int
    /// For each tree node of the result, the elements of the local depth below it.
    let ranges: [Range<Int>]

    /// Of a dot over `contract` trailing dimensions.
    init(weights: LocalBuffer, result: LocalBuffer, contract: Int) {
        let first = weights.dims.count - contract
        let dim = weights.dims[first]
        let inner = weights.box.dims[(first + 1)...].reduce(1, *)
        let local = weights.box.ranges[first]
        for index in (first + 1)..<max(first + 1, weights.dims.count) {
            precondition(
                result.isLocalSum || weights.box.ranges[index] == 0..<weights.dims[index].size,
                "dot: only the first contracted dimension is split")
        }
        columns = weights.box.ranges[..<first].reduce(1) { $0 * $1.count }
        depth = local.count * inner
        segment = max(1, dim.granule * inner)
        if result.isLocalSum {
            ranges = [0..<depth]
            return
        }
        guard let nodes = result.nodes else {
            precondition(local == 0..<dim.size, "dot: a complete result needs the whole contracted dimension")
            ranges = [0..<depth]
            return
        }
        ranges = nodes.map { node in
            let elements = dim.elements(node.leaves(of: dim.granuleCount))
            precondition(
                elements.lowerBound >= local.lowerBound && elements.upperBound <= local.upperBound,
                "dot: the result's tree nodes lie in the operand's range")
            return
                ((elements.lowerBound - local.lowerBound) * inner)..<((elements.upperBound - local.lowerBound) * inner)
        }
    }

    /// Of a convolution: one matrix product of patches with weights, in leaves of 1024 elements.
    init(convolutionChannels: Int, patch: Int) {
        columns = convolutionChannels
        depth = patch
        segment = 1024
        ranges = [0..<patch]
    }
}

/// The form in which a weight is kept for its kernel.
enum WeightLayout: Hashable {
    /// Dense and row-major, in the slice's element type.
    case plain
    /// bf16 operand of a matrix product, packed node by node; `channelsLast`: a convolution's [Co, kh, kw, Ci].
    case packedBF16(DotGeometry, channelsLast: Bool)
    /// f32 operand of a matrix product.
    case packedF32(DotGeometry, channelsLast: Bool)
}
