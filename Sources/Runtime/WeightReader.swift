import CKernels
import Glibc
import Program
import Tensor

/// Reads a slice of a weight out of a file's tensor, or draws it: reshape, permutation and box become strides.
struct WeightReader {
    let slice: ParameterSlice
    /// Bytes of the dense result.
    let byteCount: Int
    /// The loops over the slice in the order of the source, the innermost last.
    private let loops: [Loop]
    /// Source element of the slice's first.
    private let first: Int

    private struct Loop {
        let count: Int
        let sourceStride: Int
        let destinationStride: Int
    }

    /// - Parameter channelsLast: writes a convolution's [Co, Ci, kh, kw] as [Co, kh, kw, Ci].
    init(slice: ParameterSlice, channelsLast: Bool) throws(WeightError) {
        let spec = slice.spec
        self.slice = slice
        byteCount = slice.box.elementCount * slice.dtype.byteCount
        func need(_ condition: Bool, _ reason: String) throws(WeightError) {
            if !condition { throw .wrongShape(tensor: spec.name, reason: reason) }
        }
        try need(
            spec.fileDims.allSatisfy { $0 >= 0 } && spec.view.allSatisfy { $0 >= 0 }
                && spec.fileDims.reduce(1, *) == spec.view.reduce(1, *),
            "the view \(spec.view) has not as many elements as the file's \(spec.fileDims)")
        try need(
            spec.permutation.sorted() == Array(spec.view.indices), "\(spec.permutation) is no permutation of its view")
        try need(
            slice.box.ranges.count == spec.dims.count && Box(covering: spec.dims).contains(slice.box),
            "the slice \(slice.box.ranges) does not lie inside \(spec.dims)")
        try need(slice.dtype == .f32 || slice.dtype == .bf16, "weights are kept in f32 or bf16, not \(slice.dtype)")
        var viewStrides = [Int](repeating: 1, count: spec.view.count)
        for index in spec.view.indices.dropLast().reversed() {
            viewStrides[index] = viewStrides[index + 1] * spec.view[index + 1]
        }
        let dims = slice.box.dims
        var strides = [Int](repeating: 1, count: dims.count)
        let order = channelsLast && dims.count == 4 ? [0, 2, 3, 1] : Array(dims.indices)
        for (inner, outer) in zip(order.reversed(), order.reversed().dropFirst()) {
            strides[outer] = strides[inner] * dims[inner]
        }
        first = dims.indices.reduce(0) { $0 + slice.box.ranges[$1].lowerBound * viewStrides[spec.permutation[$1]] }
        var loops = dims.indices.filter { dims[$0] != 1 }.map { index in
            Loop(
                count: dims[index], sourceStride: viewStrides[spec.permutation[index]],
                destinationStride: strides[index])
        }
        loops.sort { $0.sourceStride > $1.sourceStride }
        self.loops = Self.merged(loops)
    }

    /// Joins neighbouring loops that are one on both sides; the innermost has a source stride of 1.
    private static func merged(_ loops: [Loop]) -> [Loop] {
        var result: [Loop] = []
        for loop in loops {
            if let last = result.last, last.sourceStride == loop.sourceStride * loop.count,
                last.destinationStride == loop.destinationStride * loop.count
            {
                result[result.count - 1] = Loop(
                    count: last.count * loop.count, sourceStride: loop.sourceStride,
                    destinationStride: loop.destinationStride)
            } else {
                result.append(loop)
            }
        }
        if result.last?.sourceStride != 1 { result.append(Loop(count: 1, sourceStride: 1, destinationStride: 1)) }
        return result
    }

    /// Writes the slice, dense, in its element type.
    func read(_ source: ParameterSource, into destination: UnsafeMutableRawPointer) throws(WeightError) {
        guard byteCount > 0 else { return }
        switch source {
        case .file(let path, let offset, let dtype):
            let type: tk_file_dtype
            switch dtype {
            case .f32: type = TK_FILE_F32
            case .bf16: type = TK_FILE_BF16
            case .f16: type = TK_FILE_F16
            case .i32, .u8: throw .unsupportedType(tensor: slice.spec.name, dtype: dtype.rawValue)
            }
            let size = slice.spec.fileDims.reduce(1, *) * dtype.byteCount
            let out = outType
            let outSize = slice.dtype.byteCount
            try MappedTensor.with(
                tensor: slice.spec.name, path: path, offset: offset, byteCount: size
            ) { base in
                walk(0, source: first, destination: 0) { start, target, count, step in
                    tk_read_weights(
                        destination + target * outSize, out, step, base + start * dtype.byteCount, type, count)
                }
            }
        case .generated(let seed):
            draw(seed, into: destination)
        }
    }

    private var outType: tk_dtype { slice.dtype == .bf16 ? TK_BF16 : TK_F32 }

    private func draw(_ seed: UInt64, into destination: UnsafeMutableRawPointer) {
        let hash = fnv1a64(slice.spec.name)
        let chunk = 4096
        withUnsafeTemporaryAllocation(of: Float.self, capacity: chunk) { values in
            guard let values = values.baseAddress else { return }
            walk(0, source: first, destination: 0) { start, target, count, step in
                for begin in stride(from: 0, to: count, by: chunk) {
                    let length = min(chunk, count - begin)
                    tk_generate_normal(
                        values, seed, hash, UInt64(start + begin), length, Float(slice.spec.generatedMean),
                        Float(slice.spec.generatedScale))
                    tk_place_weights(
                        destination + (target + begin * step) * slice.dtype.byteCount, outType, step, values, length)
                }
            }
        }
    }

    /// Calls `run` for every contiguous stretch of the source: its start, where it goes, its length and the step there.
    private func walk(
        _ depth: Int, source: Int, destination: Int, _ run: (Int, Int, Int, Int) -> Void
    ) {
        let loop = loops[depth]
        if depth == loops.count - 1 { return run(source, destination, loop.count, loop.destinationStride) }
        for index in 0..<loop.count {
            walk(
                depth + 1, source: source + index * loop.sourceStride,
                destination: destination + index * loop.destinationStride, run)
        }
    }
}

/// FNV-1a, 64 bits, of a name's UTF-8: the counter words that tell weights apart.
func fnv1a64(_ text: String) -> UInt64 {
    text.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01B3 }
}
