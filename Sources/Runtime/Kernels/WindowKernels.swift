import CKernels
import Program
import Tensor

/// Operations that slide a window over a picture, and enlargement.
enum WindowKernels {
    private static func window(_ context: OperationContext, _ kernel: [Int]) -> tk_sliding {
        let (x, attributes) = (context.operands[0], context.attributes)
        let first = x.rank - 3
        let (strides, low) = (attributes.ints("strides"), attributes.ints("padLow"))
        let dilation = attributes.ints("dilation", default: [1, 1])
        return tk_sliding(
            held: (x.shape[first], x.shape[first + 1]),
            first: (x.ranges[first].lowerBound, x.ranges[first + 1].lowerBound), channels: x.shape[first + 2],
            kernel: (kernel[0], kernel[1]), strides: (strides[0], strides[1]), pad_low: (low[0], low[1]),
            dilation: (dilation[0], dilation[1]))
    }

    /// The rows of all pictures of the result's part.
    private struct Rows: BitwiseCopyable {
        let pictures: Int
        let rows: Int
        let columns: Int
        let firstRow: Int
        let firstColumn: Int
        let channels: Int
        /// Elements of a picture of the operand.
        let pictureCount: Int

        init(_ context: OperationContext) {
            let (x, out) = (context.operands[0], context.result)
            let first = out.rank - 3
            pictures = out.shape[..<first].reduce(1, *)
            (rows, columns, channels) = (out.shape[first], out.shape[first + 1], out.shape[first + 2])
            (firstRow, firstColumn) = (out.ranges[first].lowerBound, out.ranges[first + 1].lowerBound)
            pictureCount = x.shape.suffix(3).reduce(1, *)
        }

        /// Element offset of a row in the result.
        func offset(_ index: Int) -> Int { index * columns * channels }
    }

    static func maxPool(_ context: OperationContext) -> Kernel {
        let (x, out, pool) = (context.operands[0], context.result, context.pool)
        let window = window(context, context.attributes.ints("window"))
        let rows = Rows(context)
        let size = x.dtype.byteCount
        let captures = (x.place, out.place, window, rows, size)
        return {
            pool.parallelFor(rows.pictures * rows.rows, captures) { captured, index, _ in
                let (x, out, window, rows, size) = captured.pointee
                withUnsafePointer(to: window) { window in
                    tk_max_pool(
                        window, out.pointer, out.real, rows.offset(index),
                        x.pointer + index / rows.rows * rows.pictureCount * size, x.real,
                        rows.firstRow + index % rows.rows, rows.firstColumn, rows.columns)
                }
            }
        }
    }

    static func resize(_ context: OperationContext) -> Kernel {
        let (x, out, pool) = (context.operands[0], context.result, context.pool)
        let rows = Rows(context)
        let factor = context.attributes.int("factor")
        let pixel = rows.channels * x.dtype.byteCount
        let first = x.rank - 3
        let (held, columns) = (x.ranges[first], x.shape[first + 1])
        let lower = x.ranges[first + 1].lowerBound
        let captures = (x.place, out.place, rows, Stretch(held), columns, pixel, factor, lower)
        return {
            pool.parallelFor(rows.pictures * rows.rows, captures) { captured, index, _ in
                let (x, out, rows, held, columns, pixel, factor, lower) = captured.pointee
                let row = (rows.firstRow + index % rows.rows) / factor - held.lowerBound
                let picture = index / rows.rows
                tk_enlarge_row(
                    out.pointer + index * rows.columns * pixel,
                    x.pointer + (picture * held.count + row) * columns * pixel, pixel, rows.firstColumn, rows.columns,
                    factor, lower)
            }
        }
    }

    // MARK: Convolution

    private static let columnBlock = Int(TK_DOT_F32_COLUMNS)

    /// Result channels that read the same input channels: a matrix product of their own.
    private struct Group: BitwiseCopyable {
        /// Columns of the local result.
        let columns: Stretch
        /// First channel of the local operand.
        let channel: Int
        /// Byte offset of the packed weights.
        let offset: Int
    }

    static func convolution(_ context: OperationContext) -> Kernel {
        let (x, w, out) = (context.operands[0], context.operands[1], context.result)
        let count = context.attributes.int("groups")
        let window = window(context, w.sizes)
        if count > 1, w.sizes[2] == 1, w.sizes[3] == count { return depthwise(context, window) }
        let taps = w.sizes[0] * w.sizes[1]
        let channels = count == 1 ? x.shape[x.rank - 1] : w.sizes[2]
        let depth = taps * channels
        let dim = x.buffer.dims[x.rank - 1]
        let granule = count == 1 ? dim.granule : max(1, channels)
        var groups: [Group] = []
        var packedByteCount = 0
        let (own, each) = (out.ranges[out.rank - 1], w.sizes[3] / count)
        for group in (own.lowerBound / each)..<((own.upperBound - 1) / each + 1) {
            let columns = ((group * each)..<((group + 1) * each)).clamped(to: own)
            groups.append(
                Group(
                    columns: Stretch((columns.lowerBound - own.lowerBound)..<(columns.upperBound - own.lowerBound)),
                    channel: count == 1 ? 0 : group * channels - x.ranges[x.rank - 1].lowerBound,
                    offset: packedByteCount))
            packedByteCount += aligned(tk_dot_f32_packed_bytes(columns.count, depth))
        }
        var nodes = [0..<depth]
        if count == 1, !out.buffer.isLocalSum, let held = out.buffer.nodes {
            let lower = x.ranges[x.rank - 1].lowerBound
            nodes = held.map { node in
                let elements = dim.elements(node.leaves(of: dim.granuleCount))
                return ((elements.lowerBound - lower) * taps)..<((elements.upperBound - lower) * taps)
            }
        }
        let rows = Rows(context)
        context.scratch.reserve(
            shared: packedByteCount, perThread: max(rows.columns, Int(TK_DOT_F32_COLUMNS)) * depth * 4)
        let lists = (context.memory.list(groups), context.memory.list(nodes.map(Stretch.init)))
        let (pool, scratch) = (context.pool, context.scratch.places)
        let weights = Weights(
            place: w.place, columns: w.shape[3], groups: lists.0, taps: taps, channels: channels, granule: granule,
            scratch: scratch)
        let captures = (x.place, out.place, window, rows, lists, depth, channels, granule, granule * taps, context.isa)
        return {
            pack(weights, pool)
            pool.parallelFor(rows.pictures * rows.rows, (captures, scratch)) { captured, index, thread in
                let (captures, scratch) = captured.pointee
                let (x, out, window, rows, (groups, parts), depth, channels, granule, segment, isa) = captures
                let patches = scratch.ofThread(thread).assumingMemoryBound(to: Float.self)
                let picture = x.pointer + index / rows.rows * rows.pictureCount * x.dtype.byteCount
                for number in 0..<groups.count {
                    let group = groups[number]
                    withUnsafePointer(to: window) { window in
                        tk_patches(
                            window, patches, picture, x.real, rows.firstRow + index % rows.rows, rows.firstColumn,
                            rows.columns, group.channel, channels, granule)
                    }
                    for node in 0..<parts.count {
                        let part = parts[node]
                        let place = node * out.count + rows.offset(index) + group.columns.lowerBound
                        tk_dot_f32(
                            isa, 0, rows.columns, 0, group.columns.count, depth, part.lowerBound, part.upperBound,
                            max(1, segment), patches + part.lowerBound, depth,
                            (scratch.shared + group.offset).assumingMemoryBound(to: Float.self),
                            out.pointer + place * out.dtype.byteCount, rows.channels, out.real)
                    }
                }
            }
        }
    }

    /// Weights [kh, kw, Ci, Co] of a convolution, and how they are packed.
    private struct Weights: BitwiseCopyable {
        let place: Place
        let columns: Int
        let groups: List<Group>
        let taps, channels, granule: Int
        let scratch: Scratch.Places
    }

    private static func pack(_ weights: Weights, _ pool: ThreadPool) {
        for number in 0..<weights.groups.count {
            let blocks = (weights.groups[number].columns.count + columnBlock - 1) / columnBlock
            pool.parallelFor(blocks, (weights, number)) { captured, index, thread in
                let (weights, number) = captured.pointee
                let (scratch, group, depth) = (
                    weights.scratch, weights.groups[number], weights.taps * weights.channels
                )
                let packed = (scratch.shared + group.offset).assumingMemoryBound(to: Float.self)
                let rows = scratch.ofThread(thread).assumingMemoryBound(to: Float.self)
                let columns = group.columns
                let (first, end) = (index * columnBlock, min(columns.count, (index + 1) * columnBlock))
                tk_patch_weights(
                    rows, weights.place.pointer, weights.place.real, weights.taps, weights.channels, weights.columns,
                    max(1, weights.granule), columns.lowerBound + first, columns.lowerBound + end)
                tk_dot_f32_pack(rows, TK_F32, depth, first, end, columns.count, depth, packed)
            }
        }
    }

    /// One input channel and one result channel a group: no matrix product.
    private static func depthwise(_ context: OperationContext, _ window: tk_sliding) -> Kernel {
        let (x, w, out) = (context.operands[0], context.operands[1], context.result)
        let (pool, scratch, size) = (context.pool, context.scratch.places, x.dtype.byteCount)
        let rows = Rows(context)
        context.scratch.reserve(shared: w.count * 4)
        let (filters, captures) = (w.place, (x.place, out.place, window, rows, size, scratch))
        return {
            tk_convert(scratch.shared, TK_F32, filters.pointer, filters.real, filters.count)
            pool.parallelFor(rows.pictures * rows.rows, captures) { captured, index, _ in
                let (x, out, window, rows, size, scratch) = captured.pointee
                withUnsafePointer(to: window) { window in
                    tk_depthwise(
                        window, out.pointer, out.real, rows.offset(index),
                        x.pointer + index / rows.rows * rows.pictureCount * size, x.real,
                        scratch.shared.assumingMemoryBound(to: Float.self), rows.firstRow + index % rows.rows,
                        rows.firstColumn, rows.columns)
                }
            }
        }
    }
}
