import CKernels
import Glibc
import Program
import Tensor

/// Reads a slice of a weight out of a file's tensor, or draws it: reshape, permutation and box become strides.
struct WeightReader {
    let slice: ParameterSlice
    /// Bytes of the dense result.
    let byteCount: Int
    private let channelsLast: Bool
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
        self.init(checked: slice, channelsLast: channelsLast)
    }

    private init(checked slice: ParameterSlice, channelsLast: Bool) {
        let spec = slice.spec
        self.slice = slice
        self.channelsLast = channelsLast
        byteCount = slice.box.elementCount * slice.dtype.byteCount
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
        try open(source) { read($0, into: destination) }
    }

    /// Calls `body` with the values while they can be read; not at all where the slice is empty.
    func open(_ source: ParameterSource, _ body: (OpenWeight) -> Void) throws(WeightError) {
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
            try MappedTensor.with(
                tensor: slice.spec.name, path: path, offset: offset, byteCount: size
            ) { body(.mapped($0, type, elementByteCount: dtype.byteCount)) }
        case .generated(let seed):
            body(.generated(seed: seed, hash: fnv1a64(slice.spec.name)))
        }
    }

    /// Writes rows of the slice, which is seen as a matrix of `count` rows: its outer dimensions.
    func read(_ values: OpenWeight, rows: Range<Int>, of count: Int, into destination: UnsafeMutableRawPointer) {
        var destination = destination
        for box in slice.box.parts(rows: rows, of: count) {
            var part = slice
            part.box = box
            let reader = WeightReader(checked: part, channelsLast: channelsLast)
            reader.read(values, into: destination)
            destination += reader.byteCount
        }
    }

    private func read(_ values: OpenWeight, into destination: UnsafeMutableRawPointer) {
        let out = slice.dtype == .bf16 ? TK_BF16 : TK_F32
        let size = slice.dtype.byteCount
        let (mean, scale) = (Float(slice.spec.generatedMean), Float(slice.spec.generatedScale))
        walk(0, source: first, destination: 0) { start, target, count, step in
            let place = destination + target * size
            switch values {
            case .mapped(let base, let type, let width):
                tk_read_weights(place, out, step, base + start * width, type, count)
            case .generated(let seed, let hash):
                tk_generate_weights(place, out, step, seed, hash, UInt64(start), count, mean, scale)
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

/// A weight's values, ready to be read.
enum OpenWeight {
    /// A mapped tensor's first byte.
    case mapped(UnsafeRawPointer, tk_file_dtype, elementByteCount: Int)
    /// What tells its numbers from others.
    case generated(seed: UInt64, hash: UInt64)
}

extension Box {
    /// The boxes that hold rows of this one, in order, where it is a matrix of `count` rows: the product of its outer
    /// dimensions.
    func parts(rows: Range<Int>, of count: Int) -> [Box] {
        if rows == 0..<count { return [self] }
        guard let dimension = ranges.firstIndex(where: { $0.count != 1 }) else {
            preconditionFailure("a box has as many rows as its outer dimensions together")
        }
        let (range, inner) = (ranges[dimension], count / ranges[dimension].count)
        precondition(inner * range.count == count, "a row is a part of the outer dimensions")
        var parts: [Box] = []
        var row = rows.lowerBound
        while row < rows.upperBound {
            var part = self
            let index = range.lowerBound + row / inner
            let whole = row % inner == 0 ? (rows.upperBound - row) / inner : 0
            part.ranges[dimension] = index..<(index + max(1, whole))
            let first = row % inner
            let end = whole > 0 ? inner : min(inner, first + rows.upperBound - row)
            parts += whole > 0 ? [part] : part.parts(rows: first..<end, of: inner)
            row += whole > 0 ? whole * inner : end - first
        }
        return parts
    }
}

/// FNV-1a, 64 bits, of a name's UTF-8: the counter words that tell weights apart.
func fnv1a64(_ text: String) -> UInt64 {
    text.utf8.reduce(0xCBF2_9CE4_8422_2325) { ($0 ^ UInt64($1)) &* 0x0000_0100_0000_01B3 }
}
