import CKernels
import Program
import Tensor

/// Sums and maxima over dimensions, leaf by leaf, combined in the reduction tree.
enum ReductionKernels {
    /// The operand seen as [outer, reduced, inner]; reduced dimensions that do not follow each other go by offsets.
    private struct Layout {
        var outer = 1
        /// Elements for each index of the first reduced dimension.
        var inside = 1
        var inner = 1
        /// True where nothing follows the reduced dimensions in the whole value: each result is one run of memory.
        ///
        /// Which order of summation is used must not depend on how much of a following dimension is here.
        var isRun = false
        /// Indices along the first reduced dimension that are here.
        var length = 1
        /// Element offset of each result, and of each element below one index of the first reduced dimension.
        var scattered: (results: [Int], reduced: [Int], stride: Int)?
    }

    static func reduce(_ context: OperationContext) -> Kernel {
        let (x, out) = (context.operands[0], context.result)
        let kind: tk_reduction
        switch context.attributes.text("kind") {
        case "sum": kind = TK_SUM
        case "sumSquares": kind = TK_SUM_SQUARES
        case "sumSqrt": kind = TK_SUM_SQRT
        case "max": kind = TK_MAX
        case "min": kind = TK_MIN
        default: preconditionFailure("reduce has a kind: sum, sumSquares, sumSqrt, max or min")
        }
        let reduced = context.attributes.ints("dims").sorted()
        guard let first = reduced.first else { return ArithmeticKernels.cast(context) }
        let layout = layout(x, reduced)
        context.check(layout.outer * layout.inner == out.count, "the result has the remaining dimensions")
        let leaves = leaves(kind, first, layout, context)
        let real = x.real
        return tree(context, leaves, outer: layout.outer, inner: layout.inner) { row, leaf, sums in
            let offset = row * layout.length * layout.inside * layout.inner
            let start = offset + leaf.lowerBound * layout.inside * layout.inner
            let count = leaf.count * layout.inside
            if let scattered = layout.scattered {
                for (index, result) in scattered.results.enumerated() {
                    let offsets = leaf.flatMap { i in scattered.reduced.map { $0 + i * scattered.stride } }
                    sums[index] = tk_reduce_gather(kind, x.pointer, real, result, offsets, offsets.count)
                }
            } else if layout.isRun {
                sums[0] = tk_reduce_run(kind, x.pointer, real, start, count)
            } else {
                tk_reduce_rows(kind, sums, x.pointer, real, start, count, layout.inner)
            }
        }
    }

    static func sumExp(_ context: OperationContext) -> Kernel {
        let (x, greatest, out) = (context.operands[0], context.operands[1], context.result)
        let count = x.shape[x.rank - 1]
        context.check(
            greatest.count == out.count && out.count == x.shape.dropLast().reduce(1, *) && greatest.dtype == .f32,
            "there is a maximum for each row")
        let leaves = ReductionLeaves(dimension: x.rank - 1, operand: x, result: out, context)
        let real = x.real
        return tree(context, leaves, outer: out.count, inner: 1) { row, leaf, sums in
            sums[0] = tk_sum_exp(
                x.pointer, real, row * count + leaf.lowerBound, leaf.count, greatest.floats[row])
        }
    }

    /// For each outer index: all leaves of a node into scratch, folded, and written to the node's part of the result.
    private static func tree(
        _ context: OperationContext, _ leaves: ReductionLeaves, outer: Int, inner: Int,
        _ leaf: @escaping (_ row: Int, _ leaf: Range<Int>, _ sums: UnsafeMutablePointer<Float>) -> Void
    ) -> Kernel {
        let out = context.result
        let (pool, scratch) = (context.pool, context.scratch)
        let most = leaves.nodes.map(\.count).max() ?? 0
        context.scratch.reserve(perThread: most * inner * 4)
        let size = out.dtype.byteCount
        let elements = max(1, context.operands[0].count / max(1, outer))
        return {
            OperationContext.blocks(pool, outer, grain: context.grain(rowElements: elements)) { rows, thread in
                let sums = scratch.ofThread(thread).assumingMemoryBound(to: Float.self)
                for row in rows {
                    for (node, part) in leaves.nodes.enumerated() {
                        for (slot, index) in part.enumerated() { leaf(row, leaves.ranges[index], sums + slot * inner) }
                        tk_tree_fold(sums, part.count, inner, inner)
                        tk_convert(
                            out.pointer + (node * outer + row) * inner * size, out.real, sums, TK_F32, inner)
                    }
                }
            }
        }
    }

    /// A maximum or minimum has no tree: all that is here is one leaf, also where that is nothing.
    private static func leaves(
        _ kind: tk_reduction, _ first: Int, _ layout: Layout, _ context: OperationContext
    ) -> ReductionLeaves {
        guard kind == TK_MAX || kind == TK_MIN else {
            return ReductionLeaves(
                dimension: first, operand: context.operands[0], result: context.result, context)
        }
        return ReductionLeaves(ranges: [0..<layout.length], nodes: [0..<1])
    }

    private static func layout(_ x: Operand, _ reduced: [Int]) -> Layout {
        let (first, last) = (reduced[0], reduced[reduced.count - 1])
        var layout = Layout()
        layout.length = x.shape[first]
        if last - first == reduced.count - 1 {
            layout.outer = x.shape[..<first].reduce(1, *)
            layout.inside = x.shape[(first + 1)..<(last + 1)].reduce(1, *)
            layout.inner = x.shape[(last + 1)...].reduce(1, *)
            layout.isRun = x.buffer.dims[(last + 1)...].allSatisfy { $0.size == 1 }
            return layout
        }
        var strides = [Int](repeating: 1, count: x.rank)
        for index in strides.indices.dropLast().reversed() { strides[index] = strides[index + 1] * x.shape[index + 1] }
        func offsets(_ dimensions: [Int]) -> [Int] {
            dimensions.reduce([0]) { offsets, dimension in
                offsets.flatMap { base in (0..<x.shape[dimension]).map { base + $0 * strides[dimension] } }
            }
        }
        let results = offsets(x.shape.indices.filter { !reduced.contains($0) })
        layout.inner = results.count
        layout.scattered = (results, offsets(Array(reduced.dropFirst())), strides[first])
        return layout
    }
}
