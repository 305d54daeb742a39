import CKernels
import Program
import Tensor

/// ``Opcode/dotGeneral``: both operands brought into rows of the contracted elements, a matrix product for each batch
/// index and tree node.
enum DotGeneralKernel {
    /// Rows of the first operand that are multiplied at a time, and rows of the second that are packed at a time.
    private static let (rowBlock, packBlock) = (48, 4 * Int(TK_DOT_F32_COLUMNS))

    /// An operand as `[batch][row][contracted]`, wherever its dimensions stand.
    private struct Side: BitwiseCopyable {
        let operand: Place
        /// Element offsets of batch indices and of rows.
        let batches: List<Int>
        let rows: List<Int>
        let depth: Int
        /// Elements from row to row; nil where that differs.
        let step: Int?
        /// True where a row's elements follow each other.
        let isDense: Bool
        /// A block of rows, the last block, one row: to dense rows.
        private let block: StridedCopy
        private let last: StridedCopy
        private let single: StridedCopy
        private let blockRows: Int

        init(
            _ operand: Operand, batch: [Int], free: [Int], contract: [Int], block blockRows: Int, _ memory: KernelMemory
        ) {
            self.operand = operand.place
            self.blockRows = blockRows
            let size = operand.dtype.byteCount
            let shape = operand.shape
            let strides = StridedCopy.strides(shape, 1)
            func offsets(_ dims: [Int]) -> [Int] {
                dims.reduce([0]) { offsets, dim in
                    offsets.flatMap { base in (0..<shape[dim]).map { base + $0 * strides[dim] } }
                }
            }
            batches = memory.list(offsets(batch))
            let rows = offsets(free)
            self.rows = memory.list(rows)
            let extents = contract.map { shape[$0] }
            depth = extents.reduce(1, *)
            let step = rows.count > 1 ? rows[1] - rows[0] : depth
            let isEven = rows.indices.allSatisfy { rows[$0] == $0 * step }
            self.step = isEven ? step : nil
            let inner = contract.map { strides[$0] }
            let dense = StridedCopy.strides(extents, 1)
            isDense = zip(extents, zip(inner, dense)).allSatisfy { $0 == 1 || $1.0 == $1.1 }
            let depth = depth
            func copy(_ count: Int) -> StridedCopy {
                StridedCopy(
                    extents: [count] + extents, sourceStrides: ([step] + inner).map { $0 * size },
                    destinationStrides: ([depth] + dense).map { $0 * size }, elementByteCount: size, memory: memory)
            }
            block = copy(blockRows)
            last = copy(rows.count % blockRows)
            single = copy(1)
        }

        /// Bytes of an element.
        var size: Int { operand.dtype.byteCount }

        /// Rows, `range` a whole block or the last one, to `out`.
        func gather(batch: Int, _ range: Range<Int>, to out: UnsafeMutableRawPointer) {
            let base = operand.pointer + batches[batch] * size
            if step != nil {
                (range.count == blockRows ? block : last).run(from: base + rows[range.lowerBound] * size, to: out)
                return
            }
            for row in range {
                single.run(from: base + rows[row] * size, to: out + (row - range.lowerBound) * depth * size)
            }
        }
    }

    /// What is multiplied: depth ranges of tree nodes, and the leaf's length.
    private struct Plan: BitwiseCopyable {
        let left: Side
        let right: Side
        let segment: Int
        let nodes: List<Stretch>
        let packedByteCount: Int
        let leftByteCount: Int

        var batches: Int { left.batches.count }
        var rows: Int { left.rows.count }
        var columns: Int { right.rows.count }
        var depth: Int { left.depth }
    }

    static func make(_ context: OperationContext) throws(KernelError) -> Kernel {
        let (a, b, out) = (context.operands[0], context.operands[1], context.result)
        guard let axes = DotAxes(context.attributes, lhsRank: a.rank, rhsRank: b.rank) else {
            throw KernelError("its dimensions do not pair up")
        }
        let left = Side(
            a, batch: axes.lhsBatch, free: axes.lhsFree, contract: axes.lhsContract, block: rowBlock, context.memory)
        let right = Side(
            b, batch: axes.rhsBatch, free: axes.rhsFree, contract: axes.rhsContract, block: packBlock, context.memory)
        guard left.depth == right.depth, left.batches.count == right.batches.count,
            out.count == left.batches.count * left.rows.count * right.rows.count
        else { throw KernelError("the operands' parts do not fit each other") }
        var (segment, nodes) = (max(1, left.depth), [0..<left.depth])
        if let first = axes.lhsContract.first {
            let dim = a.buffer.dims[first]
            let inner = axes.lhsContract.dropFirst().reduce(1) { $0 * a.shape[$1] }
            segment = max(1, dim.granule * inner)
            if !out.buffer.isLocalSum, let held = out.buffer.nodes {
                let lower = a.ranges[first].lowerBound
                nodes = held.map { node in
                    let elements = dim.elements(node.leaves(of: dim.granuleCount))
                    return ((elements.lowerBound - lower) * inner)..<((elements.upperBound - lower) * inner)
                }
            }
        }
        let depth = left.depth
        let plan = Plan(
            left: left, right: right, segment: segment, nodes: context.memory.list(nodes.map(Stretch.init)),
            packedByteCount: aligned(tk_dot_f32_packed_bytes(right.rows.count, depth)),
            leftByteCount: aligned(rowBlock * depth * a.dtype.byteCount))
        context.scratch.reserve(
            shared: plan.batches * plan.packedByteCount,
            perThread: max(plan.leftByteCount + rowBlock * depth * 4, packBlock * depth * b.dtype.byteCount))
        let (pool, scratch, isa, result) = (context.pool, context.scratch.places, context.isa, out.place)
        return {
            pack(plan, pool, scratch)
            multiply(plan, pool, scratch, isa, result)
        }
    }

    private static func pack(_ plan: Plan, _ pool: ThreadPool, _ scratch: Scratch.Places) {
        let blocks = (plan.columns + packBlock - 1) / packBlock
        pool.parallelFor(plan.batches * blocks, (plan, scratch, blocks)) { captured, index, thread in
            let (plan, scratch, blocks) = captured.pointee
            let side = plan.right
            let (size, type, depth, columns) = (side.size, side.operand.real, plan.depth, plan.columns)
            let (batch, first) = (index / blocks, index % blocks * packBlock)
            let end = min(columns, first + packBlock)
            let packed = (scratch.shared + batch * plan.packedByteCount).assumingMemoryBound(to: Float.self)
            if side.isDense, let step = side.step {
                let rows = side.operand.pointer + (side.batches[batch] + side.rows[first]) * size
                tk_dot_f32_pack(rows, type, step, first, end, columns, depth, packed)
            } else {
                let rows = scratch.ofThread(thread)
                side.gather(batch: batch, first..<end, to: rows)
                tk_dot_f32_pack(rows, type, depth, first, end, columns, depth, packed)
            }
        }
    }

    private static func multiply(
        _ plan: Plan, _ pool: ThreadPool, _ scratch: Scratch.Places, _ isa: tk_isa, _ out: Place
    ) {
        let (columns, rows) = (plan.columns, plan.rows)
        let rowBlocks = (rows + rowBlock - 1) / rowBlock
        let panels = (columns + Int(TK_DOT_F32_COLUMNS) - 1) / Int(TK_DOT_F32_COLUMNS)
        let wanted = max(1, pool.threadCount / max(1, plan.batches * rowBlocks))
        let panelGrain = (panels + wanted - 1) / wanted
        let parts = (panels + panelGrain - 1) / panelGrain
        let columnGrain = panelGrain * Int(TK_DOT_F32_COLUMNS)
        let captures = (plan, scratch, isa, out, rowBlocks, parts, columnGrain)
        pool.parallelFor(plan.batches * rowBlocks * parts, captures) { captured, index, thread in
            let (plan, scratch, isa, out, rowBlocks, parts, columnGrain) = captured.pointee
            let side = plan.left
            let (depth, columns, rows) = (plan.depth, plan.columns, plan.rows)
            let isDirect = side.isDense && side.step != nil && side.operand.dtype == .f32
            let (batch, block) = (index / parts / rowBlocks, index / parts % rowBlocks)
            let range = (block * rowBlock)..<min(rows, (block + 1) * rowBlock)
            let from = index % parts * columnGrain
            var x = UnsafeRawPointer(side.operand.pointer) + (side.batches[batch] + side.rows[range.lowerBound]) * 4
            if !isDirect {
                let gathered = scratch.ofThread(thread)
                side.gather(batch: batch, range, to: gathered)
                x = UnsafeRawPointer(gathered)
                if side.operand.dtype != .f32 {
                    tk_convert(gathered + plan.leftByteCount, TK_F32, x, side.operand.real, range.count * depth)
                    x = UnsafeRawPointer(gathered + plan.leftByteCount)
                }
            }
            let ldx = isDirect ? side.step ?? depth : depth
            for node in 0..<plan.nodes.count {
                let part = plan.nodes[node]
                let place = node * out.count + (batch * rows + range.lowerBound) * columns
                tk_dot_f32(
                    isa, 0, range.count, from, min(columns, from + columnGrain), depth, part.lowerBound,
                    part.upperBound, plan.segment, x.assumingMemoryBound(to: Float.self) + part.lowerBound, ldx,
                    (scratch.shared + batch * plan.packedByteCount).assumingMemoryBound(to: Float.self),
                    out.pointer + place * out.dtype.byteCount, columns, out.real)
            }
        }
    }
}
