import CKernels
import COpenBLAS
import Glibc
import Tensor

/// `out[m][n] = Σ x[m][k]·w[n][k]` over one tree node, split over threads: bf16 and int8 kernels, own f32 kernel, or
/// OpenBLAS.
///
/// The own f32 kernel sums in one order whatever the matrix's other sizes, so that shards agree bit for bit with the
/// whole. OpenBLAS picks kernels by size and does not promise that; `TESSERA_BLAS=openblas` selects it.
struct MatrixProduct {
    let geometry: DotGeometry
    let form: ProductForm
    let isa: tk_isa
    let pool: ThreadPool
    let scratch: Scratch
    private let offsets: [Int]
    /// Where rows that all threads read are staged, in the kernel's shared scratch, and the bytes there.
    private var staged = (offset: 0, byteCount: 0)

    /// True where f32 products go through OpenBLAS.
    static let usesOpenBLAS: Bool = {
        guard let value = getenv("TESSERA_BLAS"), String(cString: value) == "openblas" else { return false }
        openblas_set_num_threads(1)
        return true
    }()
    private static let blasRows = 64

    init(geometry: DotGeometry, form: ProductForm, rows: Int, _ context: OperationContext) {
        self.geometry = geometry
        self.form = form
        isa = context.isa
        pool = context.pool
        scratch = context.scratch
        offsets = WeightPacking.offsets(geometry, form, context.isa)
        guard geometry.columns > 0, rows > 0 else { return }
        if form != .f32 {
            let scratchBytes = form == .int8 ? tk_dot_s8_scratch_bytes : tk_dot_scratch_bytes
            let bytes = geometry.ranges.map { range in
                scratchBytes(context.isa, rows, geometry.columns, range.count, geometry.segment)
            }
            context.scratch.reserve(perThread: bytes.max() ?? 0)
        } else if Self.usesOpenBLAS {
            context.scratch.reserve(perThread: Self.blasRows * geometry.columns * 4 * blasDepth)
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

    /// Bytes of the packed form.
    var packedByteCount: Int {
        form != .f32
            ? WeightPacking.byteCount(geometry, form, isa) : tk_dot_f32_packed_bytes(geometry.columns, geometry.depth)
    }

    /// Packs dense weights [columns, depth], for operands that are no parameters.
    func pack(_ plain: UnsafeRawPointer, _ dtype: tk_dtype, into packed: UnsafeMutableRawPointer) {
        if form != .f32 {
            WeightPacking.pack(geometry, form, isa, plain.assumingMemoryBound(to: UInt16.self), into: packed)
        } else {
            Self.packF32(geometry, plain, dtype, into: packed)
        }
    }

    /// The f32 form: panels for the own kernel, dense for OpenBLAS.
    static func packF32(
        _ geometry: DotGeometry, _ plain: UnsafeRawPointer, _ dtype: tk_dtype, into packed: UnsafeMutableRawPointer
    ) {
        if usesOpenBLAS {
            tk_convert(packed, TK_F32, plain, dtype, geometry.columns * geometry.depth)
        } else {
            tk_dot_f32_pack(
                plain, dtype, geometry.depth, 0, geometry.columns, geometry.columns, geometry.depth,
                packed.assumingMemoryBound(to: Float.self))
        }
    }

    /// Computes one node.
    ///
    /// x: `rows` rows of the local depth; out: rows of `geometry.columns`.
    func run(
        rows: Int, x: UnsafeRawPointer, packed: UnsafeRawPointer, node: Int, out: UnsafeMutableRawPointer,
        outType: tk_dtype
    ) {
        guard rows > 0, geometry.columns > 0 else { return }
        let range = geometry.ranges[node]
        if form == .f32 && Self.usesOpenBLAS {
            return blas(rows: rows, x: x, packed: packed, range: range, out: out, outType: outType)
        }
        if sharesRows(rows) {
            let blocks = RowBlocks(shape(range), rows: rows)
            if blocks.byteCount <= staged.byteCount {
                return runShared(blocks, x: x, packed: packed + offsets[node], range: range, out: out, outType: outType)
            }
        }
        let parts = pool.threadCount
        // Columns first: each thread then reads its own weights only. Which thread has what changes no value.
        let byColumns = panels >= parts && !splitsRows(rows)
        let rowGrain = byColumns ? rows : max(1, (rows + parts - 1) / parts)
        let panelGrain = byColumns ? (panels + parts - 1) / parts : panels
        let rowParts = (rows + rowGrain - 1) / rowGrain
        let panelParts = (panels + panelGrain - 1) / panelGrain
        pool.parallelFor(rowParts * panelParts) { index, thread in
            let row = index / panelParts * rowGrain
            let column = index % panelParts * panelGrain * columnBlock
            block(
                rows: row..<min(rows, row + rowGrain),
                columns: column..<min(geometry.columns, column + panelGrain * columnBlock), range: range, x: x,
                packed: packed, offset: offsets[node], out: out, outType: outType, thread: thread)
        }
    }

    // MARK: Split

    /// Weights up to these many bytes stay in every core's cache; the room for staged rows; elements of x that are
    /// worth waiting for each other.
    private static let (cachedByteCount, stagedByteCount, sharedElements) = (512 << 10, 16 << 20, 65536)

    private var columnBlock: Int {
        switch form {
        case .f32: Int(TK_DOT_F32_COLUMNS)
        case .bf16: tk_dot_column_block(isa)
        case .int8: tk_dot_s8_column_block(isa)
        }
    }

    private var panels: Int { (geometry.columns + columnBlock - 1) / columnBlock }

    /// True where threads take rows: weights are small, and rows many enough to be even.
    private func splitsRows(_ rows: Int) -> Bool {
        form != .f32 && packedByteCount <= Self.cachedByteCount && rows >= 64 * pool.threadCount
    }

    /// True where threads take columns and would stage the same rows, enough of them.
    private func sharesRows(_ rows: Int) -> Bool {
        form != .f32 && pool.threadCount > 1 && panels >= pool.threadCount && !splitsRows(rows)
            && rows * geometry.depth >= Self.sharedElements
    }

    private func shape(_ range: Range<Int>) -> tk_dot_shape {
        tk_dot_shape(
            isa: isa, is_int8: form == .int8, n: geometry.columns, k: range.count, segment: geometry.segment)
    }

    /// Rows that are staged apart, and the bytes of each such block.
    private struct RowBlocks {
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
    private func runShared(
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

    private func block(
        rows: Range<Int>, columns: Range<Int>, range: Range<Int>, x: UnsafeRawPointer, packed: UnsafeRawPointer,
        offset: Int, out: UnsafeMutableRawPointer, outType: tk_dtype, thread: Int
    ) {
        let (n, depth) = (geometry.columns, geometry.depth)
        if form != .f32 {
            let product = form == .int8 ? tk_dot_s8 : tk_dot_bf16
            product(
                isa, rows.lowerBound, rows.upperBound, columns.lowerBound, columns.upperBound, n, range.count,
                geometry.segment, x.assumingMemoryBound(to: UInt16.self) + range.lowerBound, depth, packed + offset,
                out, n, outType, scratch.ofThread(thread))
        } else {
            tk_dot_f32(
                isa, rows.lowerBound, rows.upperBound, columns.lowerBound, columns.upperBound, depth, range.lowerBound,
                range.upperBound, geometry.segment, x.assumingMemoryBound(to: Float.self) + range.lowerBound, depth,
                packed.assumingMemoryBound(to: Float.self), out, n, outType)
        }
    }

    // MARK: OpenBLAS

    /// Pending partial results of the tree, plus one.
    private var blasDepth: Int {
        let leaves = (geometry.depth + geometry.segment - 1) / geometry.segment
        return Int.bitWidth - leaves.leadingZeroBitCount + 2
    }

    private func blas(
        rows: Int, x: UnsafeRawPointer, packed: UnsafeRawPointer, range: Range<Int>, out: UnsafeMutableRawPointer,
        outType: tk_dtype
    ) {
        let size = outType == TK_BF16 ? 2 : 4
        let n = geometry.columns
        OperationContext.blocks(pool, rows, grain: Self.blasRows) { part, thread in
            let sums = scratch.ofThread(thread).assumingMemoryBound(to: Float.self)
            let elements = part.count * n
            var levels: [Int] = []
            for first in stride(from: range.lowerBound, to: range.upperBound, by: geometry.segment) {
                let count = min(geometry.segment, range.upperBound - first)
                cblas_sgemm(
                    CblasRowMajor, CblasNoTrans, CblasTrans, Int32(part.count), Int32(n), Int32(count), 1,
                    x.assumingMemoryBound(to: Float.self) + part.lowerBound * geometry.depth + first,
                    Int32(geometry.depth), packed.assumingMemoryBound(to: Float.self) + first, Int32(geometry.depth), 0,
                    sums + levels.count * elements, Int32(n))
                levels.append(0)
                while levels.count >= 2, levels[levels.count - 1] == levels[levels.count - 2] {
                    levels.removeLast()
                    levels[levels.count - 1] += 1
                    tk_tree_fold(sums + (levels.count - 1) * elements, 2, elements, elements)
                }
            }
            while levels.count >= 2 {
                levels.removeLast()
                tk_tree_fold(sums + (levels.count - 1) * elements, 2, elements, elements)
            }
            if levels.isEmpty { sums.update(repeating: 0, count: elements) }
            tk_convert(out + part.lowerBound * n * size, outType, sums, TK_F32, elements)
        }
    }
}
