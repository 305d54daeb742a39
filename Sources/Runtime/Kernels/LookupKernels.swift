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
        return {
            for (index, part) in parts.enumerated() {
                OperationContext.blocks(pool, ids.count, grain: context.grain(rowElements: count)) { rows, _ in
                    tk_gather_rows(
                        out.pointer + index * stride, out.real,
                        table.pointer + (part.lowerBound - local.lowerBound) * rowBytes, table.real,
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
        return {
            tk_take_rows(
                out.pointer, out.real, x.pointer, x.real, 0, rows, index.integers, 0, index.count, count)
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
        let pool = context.pool
        return {
            OperationContext.blocks(pool, out.count / 3, grain: context.grain(rowElements: codes * count)) { rows, _ in
                tk_nearest_code(
                    out.floats, z.pointer, z.real, codebook.pointer, codebook.real, lower, codes, rows.lowerBound,
                    rows.upperBound, count)
            }
        }
    }
}
