import CKernels

/// How threads divide a product among them. It changes no value.
extension MatrixProduct {
    /// Weights up to these many bytes stay in every core's cache; the room for staged rows; elements of x that are
    /// worth waiting for each other.
    private static let (cachedByteCount, stagedByteCount, sharedElements) = (512 << 10, 16 << 20, 65536)

    var columnBlock: Int {
        switch form {
        case .f32: Int(TK_DOT_F32_COLUMNS)
        case .bf16: tk_dot_column_block(isa)
        case .int8: tk_dot_s8_column_block(isa)
        }
    }

    /// Blocks of columns, the least that a thread takes.
    var panels: Int { (geometry.columns + columnBlock - 1) / columnBlock }

    /// True where threads take rows: weights are small, and rows many enough to be even.
    func splitsRows(_ rows: Int) -> Bool {
        form != .f32 && packedByteCount <= Self.cachedByteCount && rows >= 64 * pool.threadCount
    }

    /// True where threads take columns and would stage the same rows, enough of them.
    func sharesRows(_ rows: Int) -> Bool {
        form != .f32 && pool.threadCount > 1 && panels >= pool.threadCount && !splitsRows(rows)
            && rows * geometry.depth >= Self.sharedElements
    }

    /// Of a node of so many elements.
    func shape(_ count: Int) -> tk_dot_shape {
        tk_dot_shape(isa: isa, is_int8: form == .int8, n: geometry.columns, k: count, segment: geometry.segment)
    }

    /// Rows that are staged apart, and the bytes of each such block.
    struct RowBlocks: BitwiseCopyable {
        let shape: tk_dot_shape
        let rows: Int
        let blockRows: Int
        let byteCount: Int

        init(_ shape: tk_dot_shape, rows: Int) {
            self.shape = shape
            self.rows = rows
            var shape = shape
            blockRows = max(1, tk_dot_row_block(&shape, rows))
            byteCount = aligned(tk_dot_staged_bytes(&shape, blockRows))
        }

        var count: Int { (rows + blockRows - 1) / blockRows }

        func range(_ index: Int) -> Range<Int> { index * blockRows..<min(rows, (index + 1) * blockRows) }
    }

    /// Threads stage rows together, as many blocks as there is room for, then take columns of these blocks.
    func runShared(
        _ blocks: RowBlocks, x: UnsafeRawPointer, packed: UnsafeRawPointer, node: Node, out: UnsafeMutableRawPointer,
        outType: tk_dtype
    ) {
        let parts = pool.threadCount
        let grain = (panels + parts - 1) / parts * columnBlock
        let shared = Shared(
            blocks: blocks, x: x.assumingMemoryBound(to: UInt16.self) + node.range.lowerBound,
            packed: packed + node.offset, out: out, outType: outType, depth: geometry.depth, columns: geometry.columns,
            parts: parts, grain: grain, offset: staged.offset, scratch: scratch.places)
        let room = staged.byteCount / blocks.byteCount
        for first in stride(from: 0, to: blocks.count, by: room) {
            let count = min(blocks.count - first, room)
            pool.parallelFor(count * parts, (shared, first)) { captured, index, _ in
                captured.pointee.0.stage(index, first: captured.pointee.1)
            }
            pool.parallelFor((geometry.columns + grain - 1) / grain, (shared, first, count)) { captured, part, thread in
                let (shared, first, count) = captured.pointee
                shared.multiply(part, first: first, count: count, thread: thread)
            }
        }
    }

    /// A product whose threads stage rows together.
    private struct Shared: BitwiseCopyable {
        let blocks: RowBlocks
        let x: UnsafePointer<UInt16>
        let packed: UnsafeRawPointer
        let out: UnsafeMutableRawPointer
        let outType: tk_dtype
        let depth, columns: Int
        /// Parts that a block is staged in; columns that a thread takes.
        let parts, grain: Int
        /// Where the blocks are staged, in shared scratch.
        let offset: Int
        let scratch: Scratch.Places

        private func place(_ block: Int) -> UnsafeMutableRawPointer {
            scratch.shared + offset + block * blocks.byteCount
        }

        /// Stages a part of a block; the first block in scratch is number `first`.
        func stage(_ index: Int, first: Int) {
            let rows = blocks.range(first + index / parts)
            let part = index % parts
            withUnsafePointer(to: blocks.shape) { shape in
                tk_dot_stage(
                    shape, rows.count, rows.count * part / parts, rows.count * (part + 1) / parts,
                    x + rows.lowerBound * depth, depth, place(index / parts))
            }
        }

        /// Multiplies all staged blocks with a part of the columns.
        func multiply(_ part: Int, first: Int, count: Int, thread: Int) {
            let size = outType == TK_BF16 ? 2 : 4
            withUnsafePointer(to: blocks.shape) { shape in
                for block in 0..<count {
                    let rows = blocks.range(first + block)
                    tk_dot_staged(
                        shape, rows.count, part * grain, min(columns, (part + 1) * grain), place(block), packed,
                        out + rows.lowerBound * columns * size, columns, outType, scratch.ofThread(thread))
                }
            }
        }
    }

    /// Reserves room for rows that all threads read, behind `byteCount` bytes of shared scratch that the kernel uses.
    mutating func stage(after byteCount: Int, rows: Int) {
        guard form != .f32, sharesRows(rows) else { return }
        let bytes = geometry.ranges.map { range in
            let blocks = RowBlocks(shape(range.count), rows: rows)
            return blocks.byteCount * min(blocks.count, max(1, Self.stagedByteCount / max(1, blocks.byteCount)))
        }
        staged = (byteCount, bytes.max() ?? 0)
        scratch.reserve(shared: staged.offset + staged.byteCount)
    }
}
