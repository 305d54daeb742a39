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

    func shape(_ range: Range<Int>) -> tk_dot_shape {
        tk_dot_shape(
            isa: isa, is_int8: form == .int8, n: geometry.columns, k: range.count, segment: geometry.segment)
    }

    /// Rows that are staged apart, and the bytes of each such block.
    struct RowBlocks {
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
        _ blocks: RowBlocks, x: UnsafeRawPointer, packed: UnsafeRawPointer, range: Range<Int>,
        out: UnsafeMutableRawPointer, outType: tk_dtype
    ) {
        let (depth, columns, parts) = (geometry.depth, geometry.columns, pool.threadCount)
        let source = x.assumingMemoryBound(to: UInt16.self) + range.lowerBound
        let (room, base) = (staged.byteCount / blocks.byteCount, scratch.shared + staged.offset)
        let grain = (panels + parts - 1) / parts * columnBlock
        let size = outType == TK_BF16 ? 2 : 4
        withUnsafePointer(to: blocks.shape) { shape in
            for first in stride(from: 0, to: blocks.count, by: room) {
                let held = first..<min(blocks.count, first + room)
                pool.parallelFor(held.count * parts) { index in
                    let rows = blocks.range(held.lowerBound + index / parts)
                    let part = index % parts
                    tk_dot_stage(
                        shape, rows.count, rows.count * part / parts, rows.count * (part + 1) / parts,
                        source + rows.lowerBound * depth, depth, base + index / parts * blocks.byteCount)
                }
                pool.parallelFor((columns + grain - 1) / grain) { part, thread in
                    for block in held {
                        let rows = blocks.range(block)
                        tk_dot_staged(
                            shape, rows.count, part * grain, min(columns, (part + 1) * grain),
                            base + (block - held.lowerBound) * blocks.byteCount, packed,
                            out + rows.lowerBound * columns * size, columns, outType, scratch.ofThread(thread))
                    }
                }
            }
        }
    }

    /// Reserves room for rows that all threads read, behind `byteCount` bytes of shared scratch that the kernel uses.
    mutating func stage(after byteCount: Int, rows: Int) {
        guard form != .f32, sharesRows(rows) else { return }
        let bytes = geometry.ranges.map { range in
            let blocks = RowBlocks(shape(range), rows: rows)
            return blocks.byteCount * min(blocks.count, max(1, Self.stagedByteCount / max(1, blocks.byteCount)))
        }
        staged = (byteCount, bytes.max() ?? 0)
        scratch.reserve(shared: staged.offset + staged.byteCount)
    }
}
