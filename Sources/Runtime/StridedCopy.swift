import CKernels

/// A prepared move of a block of elements between two buffers with any strides.
struct StridedCopy: BitwiseCopyable {
    /// Byte offset of the first element in the source.
    let sourceOffset: Int
    /// Byte offset of the first element in the destination.
    let destinationOffset: Int
    /// Bytes that are contiguous on both sides.
    private let run: Int
    private let extents: List<Int>
    private let sourceStrides: List<Int>
    private let destinationStrides: List<Int>
    private let isEmpty: Bool
    private let parts: List<Part>

    /// What one thread moves at a time.
    private struct Part: BitwiseCopyable {
        let sourceOffset: Int
        let destinationOffset: Int
        let run: Int
        let extents: List<Int>
    }

    /// Bytes worth a thread of their own.
    private static let partByteCount = 64 << 10

    /// - Parameters:
    ///   - extents: sizes of the block, outermost first; strides in bytes, the source's may be 0 or negative.
    ///   - memory: keeps what the copy reads.
    ///   - threads: how many work on ``run(_:from:to:sourceDelta:)``.
    init(
        extents: [Int], sourceStrides: [Int], destinationStrides: [Int], sourceOffset: Int = 0,
        destinationOffset: Int = 0, elementByteCount: Int, memory: KernelMemory, threads: Int = 1
    ) {
        self.sourceOffset = sourceOffset
        self.destinationOffset = destinationOffset
        isEmpty = extents.contains(0)
        var dims: [(extent: Int, source: Int, destination: Int)] = []
        for index in extents.indices where extents[index] != 1 {
            let (extent, source, destination) = (extents[index], sourceStrides[index], destinationStrides[index])
            if let last = dims.last, last.source == extent * source, last.destination == extent * destination {
                dims[dims.count - 1] = (last.extent * extent, source, destination)
            } else {
                dims.append((extent, source, destination))
            }
        }
        var run = elementByteCount
        if let last = dims.last, last.source == run, last.destination == run {
            run *= last.extent
            dims.removeLast()
        } else if let index = dims.indices.dropLast(2).last(where: { dims[$0].source == elementByteCount }) {
            // Next to the innermost loop, so that the two are a matrix that is transposed tile by tile.
            dims.insert(dims.remove(at: index), at: dims.count - 1)
        }
        self.run = run
        self.extents = memory.list(dims.map(\.extent))
        self.sourceStrides = memory.list(dims.map(\.source))
        self.destinationStrides = memory.list(dims.map(\.destination))
        parts = memory.list(isEmpty ? [] : Self.parts(run, dims, threads, memory))
    }

    private static func parts(
        _ run: Int, _ dims: [(extent: Int, source: Int, destination: Int)], _ threads: Int, _ memory: KernelMemory
    ) -> [Part] {
        let extents = dims.map(\.extent)
        let byteCount = extents.reduce(run, *)
        let wanted = threads == 1 ? 1 : min(4 * threads, byteCount / partByteCount)
        guard wanted > 1 else {
            return [Part(sourceOffset: 0, destinationOffset: 0, run: run, extents: memory.list(extents))]
        }
        guard let widest = dims.indices.max(by: { extents[$0] < extents[$1] }) else {
            let step = (run / wanted + 63) / 64 * 64
            return stride(from: 0, to: run, by: step).map {
                Part(sourceOffset: $0, destinationOffset: $0, run: min(step, run - $0), extents: memory.list([]))
            }
        }
        let step = max(1, (extents[widest] + wanted - 1) / wanted)
        return stride(from: 0, to: extents[widest], by: step).map { first in
            var part = extents
            part[widest] = min(step, extents[widest] - first)
            return Part(
                sourceOffset: first * dims[widest].source, destinationOffset: first * dims[widest].destination,
                run: run, extents: memory.list(part))
        }
    }

    /// Moves; `sourceDelta` bytes are added to the source's offset.
    func run(
        _ pool: ThreadPool, from source: UnsafeRawPointer, to destination: UnsafeMutableRawPointer,
        sourceDelta: Int = 0
    ) {
        let from = source + sourceOffset + sourceDelta
        let to = destination + destinationOffset
        pool.parallelFor(parts.count, (self, from, to)) { captured, index, _ in
            let (copy, from, to) = captured.pointee
            let part = copy.parts[index]
            tk_move(
                to + part.destinationOffset, from + part.sourceOffset, part.run, part.extents.count,
                part.extents.baseAddress, copy.sourceStrides.baseAddress, copy.destinationStrides.baseAddress)
        }
    }

    /// Moves on the calling thread; for use inside a loop over threads.
    func run(from source: UnsafeRawPointer, to destination: UnsafeMutableRawPointer) {
        if isEmpty { return }
        tk_move(
            destination + destinationOffset, source + sourceOffset, run, extents.count, extents.baseAddress,
            sourceStrides.baseAddress, destinationStrides.baseAddress)
    }

    /// Strides in bytes of a dense row-major block.
    static func strides(_ shape: [Int], _ elementByteCount: Int) -> [Int] {
        var strides = [Int](repeating: elementByteCount, count: shape.count)
        for index in shape.indices.dropLast().reversed() { strides[index] = strides[index + 1] * shape[index + 1] }
        return strides
    }
}
