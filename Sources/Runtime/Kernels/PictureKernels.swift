import CKernels
import Program
import Tensor

/// Depthwise convolution and the moves between pixels and channels.
enum PictureKernels {
    static func depthwise(_ context: OperationContext) -> Kernel {
        let (x, weights, out) = (context.operands[0], context.operands[1], context.result)
        let rank = x.rank
        let (width, channels) = (x.shape[rank - 2], x.shape[rank - 1])
        context.check(x.isWhole(rank - 2), "a picture is split by rows only")
        context.check(
            weights.shape[0] == channels && out.shape[rank - 1] == channels && out.shape[rank - 2] == width,
            "weights and result fit the operand")
        context.scratch.reserve(shared: channels * 9 * 4)
        let (height, rows) = (x.sizes[rank - 3], out.shape[rank - 3])
        let (first, lower) = (out.ranges[rank - 3].lowerBound, x.ranges[rank - 3].lowerBound)
        let upper = x.ranges[rank - 3].upperBound
        context.check(
            rows == 0 || (lower <= max(0, first - 1) && min(height, first + rows + 1) <= upper),
            "the operand holds the rows around the result's")
        let pictures = out.shape.dropLast(3).reduce(1, *)
        let pictureBytes = x.shape.suffix(3).reduce(1, *) * x.dtype.byteCount
        let rowBytes = width * channels * out.dtype.byteCount
        let (pool, scratch, filters) = (context.pool, context.scratch.places, weights.place)
        let shape = (rows, rowBytes, pictureBytes, lower, height, width, channels, first)
        let captures = (x.place, out.place, scratch, shape)
        return {
            let floats = scratch.shared.assumingMemoryBound(to: Float.self)
            tk_depthwise_weights(floats, filters.pointer, filters.real, channels)
            pool.parallelFor(pictures * rows, captures) { captured, index, _ in
                let (x, out, scratch, shape) = captured.pointee
                let (rows, rowBytes, pictureBytes, lower, height, width, channels, first) = shape
                let floats = scratch.shared.assumingMemoryBound(to: Float.self)
                tk_depthwise_row(
                    out.pointer + index * rowBytes, out.real, x.pointer + index / rows * pictureBytes, x.real, lower,
                    height, width, channels, first + index % rows, floats)
            }
        }
    }

    static func spaceToDepth(_ context: OperationContext) -> Kernel {
        let (x, out, pool) = (context.operands[0], context.result, context.pool)
        let rank = x.rank
        let (width, channels) = (x.shape[rank - 2], x.shape[rank - 1])
        context.check(
            x.count == out.count && x.isWhole(rank - 2)
                && x.ranges[rank - 3].lowerBound == 2 * out.ranges[rank - 3].lowerBound,
            "the operand holds two rows for each of the result's")
        let rowBytes = 2 * width * channels * x.dtype.byteCount
        let outBytes = 2 * width * channels * out.dtype.byteCount
        let rows = x.count / max(1, 2 * width * channels)
        let captures = (x.place, out.place, rowBytes, outBytes, width, channels)
        return {
            pool.parallelFor(rows, captures) { captured, row, _ in
                let (x, out, rowBytes, outBytes, width, channels) = captured.pointee
                tk_space_to_depth_row(
                    out.pointer + row * outBytes, out.real, x.pointer + row * rowBytes, x.real, width, channels)
            }
        }
    }

    static func depthToSpace(_ context: OperationContext) -> Kernel {
        let (x, out, pool) = (context.operands[0], context.result, context.pool)
        let rank = x.rank
        let (width, channels) = (x.shape[rank - 4], x.shape[rank - 1])
        context.check(
            x.count == out.count && x.isWhole(rank - 4) && x.isWhole(rank - 3) && x.isWhole(rank - 2)
                && 2 * x.ranges[rank - 5].lowerBound == out.ranges[out.rank - 3].lowerBound,
            "the result holds two rows for each of the operand's")
        let rowBytes = 4 * width * channels * x.dtype.byteCount
        let outBytes = 4 * width * channels * out.dtype.byteCount
        let rows = x.count / max(1, 4 * width * channels)
        let captures = (x.place, out.place, rowBytes, outBytes, width, channels)
        return {
            pool.parallelFor(rows, captures) { captured, row, _ in
                let (x, out, rowBytes, outBytes, width, channels) = captured.pointee
                tk_depth_to_space_row(
                    out.pointer + row * outBytes, out.real, x.pointer + row * rowBytes, x.real, width, channels)
            }
        }
    }
}
