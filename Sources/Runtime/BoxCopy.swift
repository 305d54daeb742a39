import CKernels
import Tensor

/// A prepared copy of a box out of one dense row-major block into another.
struct BoxCopy {
    /// Byte offset of the first element in the source.
    let sourceOffset: Int
    /// Byte offset of the first element in the destination.
    let destinationOffset: Int
    /// Bytes that are contiguous on both sides.
    let runByteCount: Int
    /// Sizes of the loops around a run, outermost first.
    let extents: [Int]
    let sourceStrides: [Int]
    let destinationStrides: [Int]

    /// Copies `from` of a block of shape `sourceShape` to `to` of a block of shape `destinationShape`.
    init(from: Box, sourceShape: [Int], to: Box, destinationShape: [Int], elementByteCount: Int) {
        precondition(from.dims == to.dims, "a copy keeps the shape")
        let source = Self.strides(sourceShape, elementByteCount)
        let destination = Self.strides(destinationShape, elementByteCount)
        sourceOffset = zip(from.ranges, source).reduce(0) { $0 + $1.0.lowerBound * $1.1 }
        destinationOffset = zip(to.ranges, destination).reduce(0) { $0 + $1.0.lowerBound * $1.1 }
        var run = elementByteCount
        var dims = from.dims
        var sourceStrides = source
        var destinationStrides = destination
        while let size = dims.last, let s = sourceStrides.last, let d = destinationStrides.last {
            guard size == 1 || (s == run && d == run) else { break }
            run *= size
            dims.removeLast()
            sourceStrides.removeLast()
            destinationStrides.removeLast()
        }
        if from.isEmpty { run = 0 }
        runByteCount = run
        let kept = dims.indices.filter { dims[$0] != 1 }
        extents = kept.map { dims[$0] }
        self.sourceStrides = kept.map { sourceStrides[$0] }
        self.destinationStrides = kept.map { destinationStrides[$0] }
    }

    /// True where it is one run: the bytes can be used in place.
    var isContiguous: Bool { extents.isEmpty }

    /// Bytes copied.
    var byteCount: Int { extents.reduce(runByteCount, *) }

    /// Copies.
    func run(from source: UnsafeRawPointer, to destination: UnsafeMutableRawPointer) {
        guard runByteCount > 0 else { return }
        tk_copy_box(
            destination + destinationOffset, source + sourceOffset, runByteCount, extents.count, extents,
            sourceStrides, destinationStrides)
    }

    private static func strides(_ shape: [Int], _ elementByteCount: Int) -> [Int] {
        var strides = [Int](repeating: elementByteCount, count: shape.count)
        for index in shape.indices.dropLast().reversed() { strides[index] = strides[index + 1] * shape[index + 1] }
        return strides
    }
}
