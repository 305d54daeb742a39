import CKernels
import Program
import Tensor

/// Normalisation over channels, over groups of channels, and over a picture's responses.
enum NormalizationKernels {
    static func rows(_ context: OperationContext) -> Kernel {
        let (x, weight, out) = (context.operands[0], context.operands[1], context.result)
        let bias = context.operands.count > 2 ? context.operands[2] : nil
        let count = x.shape.last ?? 0
        let rows = x.count / max(1, count)
        context.check(
            x.shape == out.shape && x.isWhole(x.rank - 1) && weight.count == count && (bias?.count ?? count) == count,
            "weights have the size of a row, which is whole")
        let eps = Float(context.attributes.float("eps"))
        let isRMS = context.opcode == .rmsNorm
        let (pool, grain) = (context.pool, context.grain(rowElements: count))
        let captures = (x.place, weight.place, bias?.place, out.place, isRMS, count, eps)
        return {
            pool.blocks(rows, grain: grain, captures) { captured, part, _ in
                let (x, weight, bias, out, isRMS, count, eps) = captured.pointee
                if isRMS {
                    tk_rms_norm(
                        out.pointer, out.real, x.pointer, x.real, weight.pointer, weight.real, part.lowerBound,
                        part.upperBound, count, eps)
                } else {
                    tk_layer_norm(
                        out.pointer, out.real, x.pointer, x.real, weight.pointer, weight.real, bias?.pointer,
                        bias?.real ?? TK_F32, part.lowerBound, part.upperBound, count, eps)
                }
            }
        }
    }

    /// groupSum and groupSquares: leaf by leaf along the rows of the picture, then the tree.
    static func groupLeaves(_ context: OperationContext) -> Kernel {
        let (x, out) = (context.operands[0], context.result)
        let sums = context.operands.count > 1 ? context.operands[1] : nil
        let rank = x.rank
        let (width, channels) = (x.shape[rank - 2], x.shape[rank - 1])
        let groups = context.attributes.int("groups")
        context.check(
            x.isWhole(rank - 2) && x.isWhole(rank - 1) && channels % groups == 0, "pictures are split by rows only")
        let pictures = x.shape.dropLast(3).reduce(1, *)
        context.check(
            out.count == pictures * groups && (sums?.count ?? out.count) == out.count && out.dtype == .f32
                && (sums?.dtype ?? .f32) == .f32, "sums have a value a group, in f32")
        let leaves = ReductionLeaves(dimension: rank - 3, operand: x, result: out, context)
        let divisor = context.opcode == .groupSquares ? Float(context.attributes.float("count")) : 1
        let (leafCount, rowElements) = (leaves.ranges.count, width * channels)
        let pictureElements = x.shape[rank - 3] * rowElements
        context.scratch.reserve(shared: pictures * leafCount * groups * 4, perThread: (3 * channels + groups) * 4)
        let (pool, scratch) = (context.pool, context.scratch.places)
        let shape = (width, channels, groups, leafCount, rowElements, pictureElements)
        let captures = (x.place, sums?.place, leaves, scratch, shape, divisor)
        let result = out.place
        return {
            let partials = scratch.shared.assumingMemoryBound(to: Float.self)
            pool.parallelFor(pictures * leafCount, captures) { captured, index, thread in
                let (x, sums, leaves, scratch, shape, divisor) = captured.pointee
                let (width, channels, groups, leafCount, rowElements, pictureElements) = shape
                let partials = scratch.shared.assumingMemoryBound(to: Float.self)
                let (picture, leaf) = (index / leafCount, index % leafCount)
                let rows = leaves.ranges[leaf]
                let own = scratch.ofThread(thread).assumingMemoryBound(to: Float.self)
                let means = own + 3 * channels
                if let sums {
                    for group in 0..<groups { means[group] = sums.floats[picture * groups + group] / divisor }
                }
                tk_group_leaf(
                    partials + index * groups, x.pointer, x.real,
                    picture * pictureElements + rows.lowerBound * rowElements, rows.count * width, width, channels,
                    groups, sums == nil ? nil : means, own)
            }
            for picture in 0..<pictures {
                for node in 0..<leaves.nodes.count {
                    let part = leaves.nodes[node]
                    let first = partials + (picture * leafCount + part.lowerBound) * groups
                    tk_tree_fold(first, part.count, groups, groups)
                    (result.floats + (node * pictures + picture) * groups).update(from: first, count: groups)
                }
            }
        }
    }

    static func groupNormalize(_ context: OperationContext) -> Kernel {
        let (x, out) = (context.operands[0], context.result)
        let (sums, squares) = (context.operands[1], context.operands[2])
        let (weight, bias) = (context.operands[3], context.operands[4])
        let channels = x.shape[x.rank - 1]
        let pixels = x.shape[x.rank - 3] * x.shape[x.rank - 2]
        let pictures = x.shape.dropLast(3).reduce(1, *)
        let groups = context.attributes.int("groups")
        context.check(
            x.shape == out.shape && x.isWhole(x.rank - 1) && weight.count == channels && bias.count == channels
                && sums.count == pictures * groups && squares.count == sums.count && sums.dtype == .f32
                && squares.dtype == .f32, "sums and weights fit the operand")
        let count = Float(context.attributes.float("count"))
        let eps = Float(context.attributes.float("eps"))
        let activation = ElementwiseKernels.kind(context.attributes.text("activation", default: "none"))
        context.check(activation == TK_SILU || activation == TK_NO_ACTIVATION, "the activation is silu or none")
        context.scratch.reserve(perThread: 2 * channels * 4)
        let (pool, grain) = (context.pool, 4 * context.grain(rowElements: channels))
        let (size, outSize) = (pixels * channels * x.dtype.byteCount, pixels * channels * out.dtype.byteCount)
        let places = (x.place, sums.place, squares.place, weight.place, bias.place, out.place)
        let numbers = (channels, groups, count, eps, activation, size, outSize, context.scratch.places)
        return {
            for picture in 0..<pictures {
                pool.blocks(pixels, grain: grain, (places, numbers, picture)) { captured, part, thread in
                    let ((x, sums, squares, weight, bias, out), numbers, picture) = captured.pointee
                    let (channels, groups, count, eps, activation, size, outSize, scratch) = numbers
                    tk_group_normalize(
                        out.pointer + picture * outSize, out.real, x.pointer + picture * size, x.real,
                        sums.floats + picture * groups, squares.floats + picture * groups, weight.pointer, weight.real,
                        bias.pointer, bias.real, part.lowerBound, part.upperBound, channels, groups, count, eps,
                        activation, scratch.ofThread(thread).assumingMemoryBound(to: Float.self))
                }
            }
        }
    }

    static func responseNorm(_ context: OperationContext) -> Kernel {
        let (x, out) = (context.operands[0], context.result)
        let (squares, norms) = (context.operands[1], context.operands[2])
        let (gamma, beta) = (context.operands[3], context.operands[4])
        let channels = x.shape[x.rank - 1]
        let pixels = x.shape[x.rank - 3] * x.shape[x.rank - 2]
        let pictures = x.shape.dropLast(3).reduce(1, *)
        context.check(
            x.shape == out.shape && squares.count == pictures * channels && norms.count == pictures
                && gamma.count == channels && beta.count == channels && squares.dtype == .f32 && norms.dtype == .f32,
            "squares, norms and weights fit the operand")
        let allChannels = Float(context.attributes.float("channels"))
        let eps = Float(context.attributes.float("eps"))
        context.scratch.reserve(perThread: 3 * channels * 4)
        let (pool, grain) = (context.pool, 4 * context.grain(rowElements: channels))
        let (size, outSize) = (pixels * channels * x.dtype.byteCount, pixels * channels * out.dtype.byteCount)
        let places = (x.place, squares.place, norms.place, gamma.place, beta.place, out.place)
        let numbers = (channels, allChannels, eps, size, outSize, context.scratch.places)
        return {
            for picture in 0..<pictures {
                pool.blocks(pixels, grain: grain, (places, numbers, picture)) { captured, part, thread in
                    let ((x, squares, norms, gamma, beta, out), numbers, picture) = captured.pointee
                    let (channels, allChannels, eps, size, outSize, scratch) = numbers
                    tk_response_norm(
                        out.pointer + picture * outSize, out.real, x.pointer + picture * size, x.real,
                        squares.floats + picture * channels, norms.floats[picture], gamma.pointer, gamma.real,
                        beta.pointer, beta.real, part.lowerBound, part.upperBound, channels, allChannels, eps,
                        scratch.ofThread(thread).assumingMemoryBound(to: Float.self))
                }
            }
        }
    }
}
