import Program
import Tensor

/// Which indices of an operand's dimension a box of the result reads.
///
/// All collectives follow from these ranges: a device fetches what its part of the result reads and does not hold.
enum DimRead: Sendable, Hashable {
    /// All of them.
    case whole
    /// The same as in a dimension of the result.
    case same(Int)
    /// The same granules as in a dimension of the result of another size.
    case granules(Int)
    /// The part of a reduced factor that the device takes.
    case reduced(Int)
    /// The rows that a window reads.
    case window(Int, Window)
    /// `offset + stride · i` for index i of a dimension of the result; indices outside of the operand are not read.
    case strided(Int, offset: Int, stride: Int)
    /// `size - 1 - i`.
    case mirrored(Int)
    /// Blocks of `from` indices of a dimension of the result read blocks of `to` (channels of a grouped convolution).
    case blocks(Int, from: Int, to: Int)
    /// A reshape: the elements of a run of dimensions of the result, in row-major order, in dimension `dim` of the
    /// operand's run of dimensions `group`.
    case linear(result: Range<Int>, group: Range<Int>, dim: Int)
}

/// Which rows of an operand a range of result rows reads: convolutions, pools, enlargements.
struct Window: Sendable, Hashable {
    var kernel: Int
    var stride = 1
    var padLow = 0
    /// Every row stands so many times (nearest).
    var upsample = 1
    /// Rows stand so far apart, with zeros between (transposed convolutions).
    var dilation = 1

    /// Operand rows for result rows, cut at the picture.
    func operandRows(for rows: Range<Int>, size: Int) -> Range<Int> {
        if rows.isEmpty { return 0..<0 }
        let lower = max(0, rows.lowerBound * stride - padLow)
        let upper = max(0, (rows.upperBound - 1) * stride - padLow + kernel)
        if dilation > 1 {
            let first = (lower + dilation - 1) / dilation
            let last = min(size, upper == 0 ? 0 : (upper - 1) / dilation + 1)
            return min(first, last)..<last
        }
        // Row r of the enlarged picture is row r / upsample of the operand.
        let first = lower / upsample
        let last = min(size, (upper + upsample - 1) / upsample)
        return min(first, last)..<last
    }
}

extension DimRead {
    /// Dimensions of the result that decide what is read.
    var resultDims: [Int] {
        switch self {
        case .whole, .reduced: []
        case .same(let dim), .granules(let dim), .window(let dim, _), .strided(let dim, _, _), .mirrored(let dim),
            .blocks(let dim, _, _):
            [dim]
        case .linear(let dims, _, _): Array(dims)
        }
    }

    /// The range that is read, given the result's box and the ranges of the reduced factors in granules.
    func range(
        of dims: [Dim], at index: Int, result: Box, resultDims: [Dim], reduced: [Int: Range<Int>]
    ) -> Range<Int> {
        let dim = dims[index]
        switch self {
        case .whole:
            return 0..<dim.size
        case .reduced(let factor):
            return reduced[factor].map { dim.elements($0) } ?? 0..<dim.size
        case .same(let r):
            return result.ranges[r]
        case .granules(let r):
            let (range, other) = (result.ranges[r], resultDims[r])
            if range.isEmpty { return 0..<0 }
            return dim.elements((range.lowerBound / other.granule)..<((range.upperBound - 1) / other.granule + 1))
        case .window(let r, let window):
            // A whole result reads the whole operand, so that kernels of unsplit pictures see unsplit pictures.
            if result.ranges[r] == 0..<resultDims[r].size { return 0..<dim.size }
            return window.operandRows(for: result.ranges[r], size: dim.size)
        case .strided(let r, let offset, let stride):
            let range = result.ranges[r]
            if range.isEmpty { return 0..<0 }
            let lower = min(max(0, offset + stride * range.lowerBound), dim.size)
            let upper = min(max(0, offset + stride * (range.upperBound - 1) + 1), dim.size)
            return lower < upper ? lower..<upper : 0..<0
        case .mirrored(let r):
            let range = result.ranges[r]
            return (dim.size - range.upperBound)..<(dim.size - range.lowerBound)
        case .blocks(let r, let from, let to):
            let range = result.ranges[r]
            if range.isEmpty { return 0..<0 }
            return (range.lowerBound / from * to)..<(((range.upperBound - 1) / from + 1) * to)
        case .linear(let run, let group, let position):
            return Self.linear(dims, group, position, result, resultDims, run)
        }
    }

    /// The hull of a run of row-major elements, in one of the operand's dimensions.
    private static func linear(
        _ dims: [Dim], _ group: Range<Int>, _ position: Int, _ result: Box, _ resultDims: [Dim], _ run: Range<Int>
    ) -> Range<Int> {
        var (first, last) = (0, 0)
        for dim in run {
            let range = result.ranges[dim]
            if range.isEmpty { return 0..<0 }
            first = first * resultDims[dim].size + range.lowerBound
            last = last * resultDims[dim].size + range.upperBound - 1
        }
        var stride = dims[group].reduce(1) { $0 * $1.size }
        var isSingle = true
        for dim in group {
            stride /= dims[dim].size
            let (lower, upper) = (first / stride % dims[dim].size, last / stride % dims[dim].size)
            let range = isSingle ? lower..<(upper + 1) : 0..<dims[dim].size
            if dim == position { return range }
            isSingle = isSingle && lower == upper
        }
        return 0..<dims[position].size
    }
}
