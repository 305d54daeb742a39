import CKernels
import Program
import Tensor

/// The greatest, the k greatest and all elements in order, along a dimension.
enum ChoiceKernels {
    /// A dimension with what is outside and inside of it.
    private struct Line: BitwiseCopyable {
        let outer: Int
        let count: Int
        let inner: Int

        init(_ x: Operand, _ dim: Int) {
            outer = x.shape[..<dim].reduce(1, *)
            count = x.shape[dim]
            inner = x.shape[(dim + 1)...].reduce(1, *)
        }
    }

    static func argMax(_ context: OperationContext) -> Kernel {
        let (x, out, pool) = (context.operands[0], context.result, context.pool)
        let dim = context.attributes.int("dim")
        let line = Line(x, dim)
        let first = x.ranges[dim].lowerBound
        let grain = context.grain(rowElements: line.count * line.inner)
        let captures = (x.place, out.place, line, first)
        return {
            pool.blocks(line.outer, grain: grain, captures) { captured, rows, _ in
                let (x, out, line, first) = captured.pointee
                for row in rows {
                    tk_arg_max(
                        out.floats + row * line.inner * 3, x.pointer, x.real, row * line.count * line.inner, line.count,
                        line.inner, first)
                }
            }
        }
    }

    static func topK(_ context: OperationContext) -> Kernel {
        let (x, out, pool) = (context.operands[0], context.result, context.pool)
        let k = context.attributes.int("k")
        let line = Line(x, x.rank - 1)
        let first = x.ranges[x.rank - 1].lowerBound
        let grain = context.grain(rowElements: line.count)
        let captures = (x.place, out.place, line, first, k)
        return {
            pool.blocks(line.outer, grain: grain, captures) { captured, rows, _ in
                let (x, out, line, first, k) = captured.pointee
                for row in rows {
                    tk_top_k(out.floats + row * k * 2, k, x.pointer, x.real, row * line.count, line.count, first)
                }
            }
        }
    }

    static func mergeTopK(_ context: OperationContext) -> Kernel {
        let (x, out, pool) = (context.operands[0], context.result, context.pool)
        let k = context.attributes.int("k")
        let count = x.shape[x.rank - 2]
        let (rows, grain) = (out.count / (2 * k), context.grain(rowElements: count))
        let captures = (x.place, out.place, k, count)
        return {
            pool.blocks(rows, grain: grain, captures) { captured, rows, _ in
                let (x, out, k, count) = captured.pointee
                for row in rows { tk_merge_top_k(out.floats + row * k * 2, k, x.floats + row * count * 2, count) }
            }
        }
    }

    static func sort(_ context: OperationContext) -> Kernel {
        let (x, out, pool, scratch) = (context.operands[0], context.result, context.pool, context.scratch)
        let line = Line(x, context.attributes.int("dim"))
        let (size, element) = (x.dtype.byteCount, x.element)
        context.scratch.reserve(perThread: 2 * line.count * 4)
        let grain = context.grain(rowElements: 4 * line.count)
        let captures = (x.place, out.place, line, size, element, scratch.places)
        return {
            pool.blocks(line.outer * line.inner, grain: grain, captures) { captured, lines, thread in
                let (x, out, line, size, element, scratch) = captured.pointee
                let words = scratch.ofThread(thread).assumingMemoryBound(to: UInt32.self)
                for index in lines {
                    let offset = (index / line.inner * line.count * line.inner + index % line.inner) * size
                    tk_sort_line(out.pointer + offset, x.pointer + offset, element, line.count, line.inner, words)
                }
            }
        }
    }
}
