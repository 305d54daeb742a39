import CKernels
import Program
import Tensor

/// Operations that only move elements: every index of the operand is a scaled and shifted index of the result.
enum MovementKernels {
    /// Index along an operand's dimension: `scale · (result's index along dim) + offset`.
    struct Index {
        var dim: Int
        var scale = 1
        var offset = 0
    }

    static func make(_ context: OperationContext) -> Kernel {
        let (x, out, attributes) = (context.operands[0], context.result, context.attributes)
        let same = (0..<out.rank).map { Index(dim: $0) }
        var map = same
        switch context.opcode {
        case .concat: return concat(context)
        case .pad: return pad(context)
        case .dynamicSlice: return dynamicSlice(context)
        case .dynamicUpdate: return dynamicUpdate(context)
        case .broadcast:
            let dims = attributes.ints("dims")
            // A dimension of size 1 stays at index 0.
            map = dims.indices.map { Index(dim: dims[$0], scale: x.sizes[$0] == out.sizes[dims[$0]] ? 1 : 0) }
        case .transpose:
            for (index, dim) in attributes.ints("permutation").enumerated() { map[dim] = Index(dim: index) }
        case .slice:
            let start = attributes.ints("start")
            let strides = attributes.ints("strides", default: start.map { _ in 1 })
            map = start.indices.map { Index(dim: $0, scale: strides[$0], offset: start[$0]) }
        case .reverse:
            for dim in attributes.ints("dims") { map[dim] = Index(dim: dim, scale: -1, offset: x.sizes[dim] - 1) }
        default: break
        }
        let copy = copy(of: out.buffer.box, x, map, context)
        let (pool, from, to) = (context.pool, x.place, out.place)
        return { copy.run(pool, from: from.pointer, to: to.pointer) }
    }

    /// Fills a region of the result (in whole-value indices) from an operand.
    private static func copy(
        of region: Box, _ x: Operand, _ map: [Index], _ context: OperationContext, memory: KernelMemory? = nil
    ) -> StridedCopy {
        let (out, size) = (context.result, x.dtype.byteCount)
        let from = StridedCopy.strides(x.shape, size)
        let to = StridedCopy.strides(out.shape, size)
        var strides = [Int](repeating: 0, count: out.rank)
        var offset = 0
        for (dim, index) in map.enumerated() {
            strides[index.dim] += index.scale * from[dim]
            let first = index.scale * region.ranges[index.dim].lowerBound + index.offset
            offset += (first - x.ranges[dim].lowerBound) * from[dim]
        }
        let start = zip(region.ranges, out.ranges).map { $0.lowerBound - $1.lowerBound }
        return StridedCopy(
            extents: region.dims, sourceStrides: strides, destinationStrides: to, sourceOffset: offset,
            destinationOffset: zip(start, to).reduce(0) { $0 + $1.0 * $1.1 }, elementByteCount: size,
            memory: memory ?? context.memory, threads: context.pool.threadCount)
    }

    /// The region of the result that an operand standing `low` elements into it fills, and the copy.
    private static func shifted(
        _ x: Operand, low: [Int], _ context: OperationContext, memory: KernelMemory? = nil
    ) -> (Box, StridedCopy) {
        let inside = OperandNeeds.inside(context.result.ranges, x.buffer, low: low)
        let region = Box(
            zip(inside.ranges, low).map { ($0.lowerBound + $1)..<($0.upperBound + $1) })
        let map = low.indices.map { Index(dim: $0, offset: -low[$0]) }
        return (region, copy(of: region, x, map, context, memory: memory))
    }

    private static func pad(_ context: OperationContext) -> Kernel {
        let (x, out, pool) = (context.operands[0], context.result, context.pool)
        let (region, copy) = shifted(x, low: context.attributes.ints("low"), context)
        let byteCount = out.count * out.dtype.byteCount
        let isCovered = region == out.buffer.box
        let (from, to) = (x.place, out.place)
        return {
            if !isCovered { to.pointer.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount) }
            copy.run(pool, from: from.pointer, to: to.pointer)
        }
    }

    private static func concat(_ context: OperationContext) -> Kernel {
        let (out, pool, scratch) = (context.result, context.pool, context.scratch.places)
        let dim = context.attributes.int("dim", default: out.rank - 1)
        var next = 0
        var moves: [(x: Place, copy: StridedCopy)] = []
        for x in context.operands {
            var low = [Int](repeating: 0, count: out.rank)
            low[dim] = next
            next += x.sizes[dim]
            if x.dtype == out.dtype {
                moves.append((x.place, shifted(x, low: low, context).1))
            } else {
                // Converted as a whole, then moved from scratch.
                context.scratch.reserve(shared: x.count * out.dtype.byteCount)
                var buffer = x.buffer
                buffer.dtype = out.dtype
                let converted = Operand(index: x.index, buffer: buffer, table: x.table)
                moves.append((x.place, shifted(converted, low: low, context).1))
            }
        }
        let (list, to) = (context.memory.list(moves), out.place)
        return {
            for index in 0..<list.count {
                let (x, copy) = list[index]
                if x.dtype == to.dtype {
                    copy.run(pool, from: x.pointer, to: to.pointer)
                } else {
                    tk_convert(scratch.shared, to.real, x.pointer, x.real, x.count)
                    copy.run(pool, from: scratch.shared, to: to.pointer)
                }
            }
        }
    }

    // MARK: Indices known at run time

    /// An index that a call gives, and its bound; so that what is cut lies inside.
    private struct Start: BitwiseCopyable {
        let index: Place
        let most: Int

        var value: Int { min(max(0, Int(index.integers[0])), most) }
    }

    private static func dynamicSlice(_ context: OperationContext) -> Kernel {
        let (x, out, pool) = (context.operands[0], context.result, context.pool)
        let indices = context.operands.dropFirst()
        let most = zip(x.sizes, context.attributes.ints("sizes")).map { $0 - $1 }
        let copy = copy(of: out.buffer.box, x, (0..<out.rank).map { Index(dim: $0) }, context)
        let strides = context.memory.list(StridedCopy.strides(x.shape, x.dtype.byteCount))
        let starts = context.memory.list(zip(indices, most).map { Start(index: $0.place, most: $1) })
        let (from, to) = (x.place, out.place)
        return {
            var delta = 0
            for dim in 0..<starts.count { delta += starts[dim].value * strides[dim] }
            copy.run(pool, from: from.pointer, to: to.pointer, sourceDelta: delta)
        }
    }

    private static func dynamicUpdate(_ context: OperationContext) -> Kernel {
        let (x, update, out, pool) = (context.operands[0], context.operands[1], context.result, context.pool)
        let indices = context.operands.dropFirst(2)
        let most = zip(x.sizes, update.sizes).map { $0 - $1 }
        let copy = copy(of: out.buffer.box, x, (0..<out.rank).map { Index(dim: $0) }, context)
        let starts = zip(indices, most).map { Start(index: $0.place, most: $1) }
        let (from, to) = (x.place, out.place)
        return {
            copy.run(pool, from: from.pointer, to: to.pointer)
            // The one kernel that allocates: which part of the update is here follows from where it goes.
            let memory = KernelMemory()
            let part = shifted(update, low: starts.map(\.value), context, memory: memory).1
            withExtendedLifetime(memory) { part.run(pool, from: update.place.pointer, to: to.pointer) }
        }
    }

    // MARK: Sources

    static func constant(_ context: OperationContext) -> Kernel {
        let (out, pool) = (context.result, context.pool)
        let value = context.attributes.float("value")
        let size = out.dtype.byteCount
        let pattern: UInt32 =
            switch out.dtype {
            case .f32: Float(value).bitPattern
            case .bf16: UInt32(BFloat16(Float(value)).bitPattern)
            case .i32: UInt32(bitPattern: Int32(clamping: Int(max(-0x1p31, min(value, 0x1p31)))))
            default: UInt32(UInt8(clamping: Int(max(-1, min(value, 256)))))
            }
        let captures = (out.place, pattern, size)
        return {
            pool.blocks(captures.0.count, grain: 1 << 15, captures) { captured, part, _ in
                let (out, pattern, size) = captured.pointee
                withUnsafeBytes(of: pattern) { bytes in
                    // Little-endian: the low bytes are the element.
                    if let base = bytes.baseAddress {
                        tk_fill(out.pointer + part.lowerBound * size, base, size, part.count)
                    }
                }
            }
        }
    }

    static func iota(_ context: OperationContext) -> Kernel {
        let out = context.result
        let dim = context.attributes.int("dim")
        let inner = out.shape[(dim + 1)...].reduce(1, *)
        let range = out.ranges[dim]
        let block = range.count * inner
        let (element, size) = (Int32(out.element.rawValue), out.dtype.byteCount)
        let blocks = out.count / max(1, block)
        let pool = context.pool
        let captures = (out.place, element, block * size, range.lowerBound, range.count, inner)
        return {
            pool.parallelFor(blocks, captures) { captured, index, _ in
                let (out, element, stride, first, count, inner) = captured.pointee
                tk_count_up(out.pointer + index * stride, element, first, count, inner)
            }
        }
    }
}
