import CKernels
import Program
import Tensor

/// Rows of tables and sequences, and the nearest code.
enum LookupKernels {
    static func gather(_ context: OperationContext) -> Kernel {
        let (table, ids, out) = (context.operands[0], context.operands[1], context.result)
        let count = table.shape.dropFirst().reduce(1, *)
        context.check(out.count == ids.count * count && ids.dtype == .i32, "the result has a row for each id")
        let dim = table.buffer.dims[0]
        let local = table.ranges[0]
        let isLocalSum = out.buffer.isLocalSum
        context.check(
            isLocalSum || out.buffer.nodes != nil || table.isWhole(0), "a complete result needs the whole table")
        let parts =
            isLocalSum
            ? [local]
            : out.buffer.nodes.map { nodes in nodes.map { dim.elements($0.leaves(of: dim.granuleCount)) } } ?? [local]
        context.check(
            parts.allSatisfy { local.lowerBound <= $0.lowerBound && $0.upperBound <= local.upperBound },
            "the result's tree nodes lie in the table's part")
        let (pool, stride) = (context.pool, out.count * out.dtype.byteCount)
        let rowBytes = count * table.dtype.byteCount
        let lists = context.memory.list(parts.map(Stretch.init))
        let (grain, places) = (context.grain(rowElements: count), (table.place, ids.place, out.place))
        let first = local.lowerBound
        return {
            for index in 0..<lists.count {
                let captures = (places, lists[index], index * stride, first, rowBytes, count)
                pool.blocks(places.1.count, grain: grain, captures) { captured, rows, _ in
                    let ((table, ids, out), part, offset, first, rowBytes, count) = captured.pointee
                    tk_gather_rows(
                        out.pointer + offset, out.real,
                        table.pointer + (part.lowerBound - first) * rowBytes, table.real,
                        Int64(part.lowerBound), part.count, ids.integers, rows.lowerBound, rows.upperBound, count)
                }
            }
        }
    }

    static func takeRow(_ context: OperationContext) -> Kernel {
        let (x, index, out) = (context.operands[0], context.operands[1], context.result)
        let count = x.shape[x.rank - 1]
        let rows = x.shape[x.rank - 2]
        context.check(x.isWhole(x.rank - 2) && index.dtype == .i32, "the sequence is whole")
        context.check(out.count == index.count * count, "the result has a row for each sequence")
        let (from, at, to) = (x.place, index.place, out.place)
        return {
            tk_take_rows(to.pointer, to.real, from.pointer, from.real, 0, rows, at.integers, 0, at.count, count)
        }
    }

    static func nearestCode(_ context: OperationContext) -> Kernel {
        let (z, codebook, out) = (context.operands[0], context.operands[1], context.result)
        let count = z.shape.last ?? 0
        let codes = codebook.shape[0]
        context.check(
            codebook.shape[1] == count && out.dtype == .f32 && out.count == z.count / max(1, count) * 3,
            "codes have the size of z")
        let lower = codebook.ranges[0].lowerBound
        let (pool, found, grain) = (context.pool, out.count / 3, context.grain(rowElements: codes * count))
        let captures = (z.place, codebook.place, out.place, lower, codes, count)
        return {
            pool.blocks(found, grain: grain, captures) { captured, rows, _ in
                let (z, codebook, out, lower, codes, count) = captured.pointee
                tk_nearest_code(
                    out.floats, z.pointer, z.real, codebook.pointer, codebook.real, lower, codes, rows.lowerBound,
                    rows.upperBound, count)
            }
        }
    }
}
