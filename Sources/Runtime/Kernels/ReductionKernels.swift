import CKernels
import Program
import Tensor

/// Sums and maxima over dimensions, leaf by leaf, combined in the reduction tree.
enum ReductionKernels {
    /// The operand seen as [outer, reduced, inner]; reduced dimensions that do not follow each other go by offsets.
    private struct Layout: BitwiseCopyable {
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
        /// Element offset of each result; of each element that is reduced, ``perIndex`` of them below one index of the
        /// first reduced dimension.
        var scattered: (results: List<Int>, reduced: List<Int>, perIndex: Int)?
    }

    /// What becomes of one leaf of one row: no generic type, because a function in a generic context captures types.
    private enum Leaf: BitwiseCopyable {
        case reduced(tk_reduction, Place, Layout)
        /// Of rows of so many elements; the second operand is each row's maximum.
        case exponentials(Place, greatest: Place, count: Int)

        /// Writes the leaf's value for each inner index.
        func write(row: Int, leaf: Stretch, to sums: UnsafeMutablePointer<Float>) {
            switch self {
            case .reduced(let kind, let x, let layout): Self.reduce(kind, x, layout, row: row, leaf: leaf, to: sums)
            case .exponentials(let x, let greatest, let count):
                sums[0] = tk_sum_exp(x.pointer, x.real, row * count + leaf.lowerBound, leaf.count, greatest.floats[row])
            }
        }

        private static func reduce(
            _ kind: tk_reduction, _ x: Place, _ layout: Layout, row: Int, leaf: Stretch,
            to sums: UnsafeMutablePointer<Float>
        ) {
            let offset = row * layout.length * layout.inside * layout.inner
            let start = offset + leaf.lowerBound * layout.inside * layout.inner
            let count = leaf.count * layout.inside
            if let scattered = layout.scattered {
                let offsets = scattered.reduced.baseAddress.map { $0 + leaf.lowerBound * scattered.perIndex }
                for index in 0..<scattered.results.count {
                    sums[index] = tk_reduce_gather(
                        kind, x.pointer, x.real, scattered.results[index], offsets, leaf.count * scattered.perIndex)
                }
            } else if layout.isRun {
                sums[0] = tk_reduce_run(kind, x.pointer, x.real, start, count)
            } else {
                tk_reduce_rows(kind, sums, x.pointer, x.real, start, count, layout.inner)
            }
        }
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
        let layout = layout(x, reduced, context.memory)
        context.check(layout.outer * layout.inner == out.count, "the result has the remaining dimensions")
        let leaves = leaves(kind, first, layout, context)
        return tree(
            context, leaves, outer: layout.outer, inner: layout.inner,
            .reduced(kind, x.place, layout))
    }

    static func sumExp(_ context: OperationContext) -> Kernel {
        let (x, greatest, out) = (context.operands[0], context.operands[1], context.result)
        let count = x.shape[x.rank - 1]
        context.check(
            greatest.count == out.count && out.count == x.shape.dropLast().reduce(1, *) && greatest.dtype == .f32,
            "there is a maximum for each row")
        let leaves = ReductionLeaves(dimension: x.rank - 1, operand: x, result: out, context)
        return tree(
            context, leaves, outer: out.count, inner: 1,
            .exponentials(x.place, greatest: greatest.place, count: count))
    }

    /// For each outer index: all leaves of a node into scratch, folded, and written to the node's part of the result.
    private static func tree(
        _ context: OperationContext, _ leaves: ReductionLeaves, outer: Int, inner: Int, _ leaf: Leaf
    ) -> Kernel {
        let (pool, out) = (context.pool, context.result.place)
        let most = leaves.nodes.map(\.count).max() ?? 0
        context.scratch.reserve(perThread: most * inner * 4)
        let grain = context.grain(rowElements: max(1, context.operands[0].count / max(1, outer)))
        let captures = (leaf, leaves, out, out.dtype.byteCount, outer, inner, context.scratch.places)
        return {
            pool.blocks(outer, grain: grain, captures) { captured, rows, thread in
                let (leaf, leaves, out, size, outer, inner, scratch) = captured.pointee
                let sums = scratch.ofThread(thread).assumingMemoryBound(to: Float.self)
                for row in rows {
                    for node in 0..<leaves.nodes.count {
                        let part = leaves.nodes[node]
                        for slot in 0..<part.count {
                            let range = leaves.ranges[part.lowerBound + slot]
                            leaf.write(row: row, leaf: range, to: sums + slot * inner)
                        }
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
        return ReductionLeaves(ranges: [0..<layout.length], nodes: [0..<1], context.memory)
    }

    private static func layout(_ x: Operand, _ reduced: [Int], _ memory: KernelMemory) -> Layout {
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
        let below = offsets(Array(reduced.dropFirst()))
        let all = (0..<layout.length).flatMap { index in below.map { $0 + index * strides[first] } }
        layout.scattered = (memory.list(results), memory.list(all), below.count)
        return layout
    }
}
