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
    /// Tree nodes of the result.
    let nodes: List<Node>
    /// Bytes of the packed form.
    let packedByteCount: Int
    /// What a thread takes of its scratch, from its start.
    let threadByteCount: Int
    /// Where rows that all threads read are staged, in the kernel's shared scratch, and the bytes there.
    var staged = (offset: 0, byteCount: 0)

    /// A tree node: the elements of the local depth below it, and the byte offset of its packed weights.
    struct Node: BitwiseCopyable {
        let range: Stretch
        let offset: Int
    }

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
        packedByteCount =
            form != .f32
            ? WeightPacking.byteCount(geometry, form, context.isa)
            : tk_dot_f32_packed_bytes(geometry.columns, geometry.depth)
        let offsets = WeightPacking.offsets(geometry, form, context.isa)
        nodes = context.memory.list(
            zip(geometry.ranges, offsets).map { Node(range: Stretch($0), offset: $1) })
        guard geometry.columns > 0, rows > 0 else {
            threadByteCount = 0
            return
        }
        if form != .f32 {
            let scratchBytes = form == .int8 ? tk_dot_s8_scratch_bytes : tk_dot_scratch_bytes
            let bytes = geometry.ranges.map { range in
                scratchBytes(context.isa, rows, geometry.columns, range.count, geometry.segment)
            }
            threadByteCount = aligned(bytes.max() ?? 0)
        } else {
            let bytes = Self.blasRows * geometry.columns * 4 * Self.blasDepth(geometry)
            threadByteCount = Self.usesOpenBLAS ? aligned(bytes) : 0
        }
        context.scratch.reserve(perThread: threadByteCount)
    }

    /// Packs dense weights [columns, depth], for operands that are no parameters.
    func pack(_ plain: UnsafeRawPointer, _ dtype: tk_dtype, into packed: UnsafeMutableRawPointer) {
        if form != .f32 {
            for index in 0..<nodes.count where !nodes[index].range.isEmpty {
                WeightPacking.pack(
                    geometry, form, isa, plain.assumingMemoryBound(to: UInt16.self), nodes[index].range.range,
                    into: packed + nodes[index].offset)
            }
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
        let node = nodes[node]
        if form == .f32 && Self.usesOpenBLAS {
            return blas(rows: rows, x: x, packed: packed, range: node.range.range, out: out, outType: outType)
        }
        if sharesRows(rows) {
            let blocks = RowBlocks(shape(node.range.count), rows: rows)
            if !node.range.isEmpty && blocks.byteCount <= staged.byteCount {
                return runShared(blocks, x: x, packed: packed, node: node, out: out, outType: outType)
            }
        }
        let parts = pool.threadCount
        // Columns first: each thread then reads its own weights only. Which thread has what changes no value.
        let byColumns = panels >= parts && !splitsRows(rows)
        let rowGrain = byColumns ? rows : max(1, (rows + parts - 1) / parts)
        let panelGrain = byColumns ? (panels + parts - 1) / parts : panels
        let rowParts = (rows + rowGrain - 1) / rowGrain
        let panelParts = (panels + panelGrain - 1) / panelGrain
        let call = Call(rows: rows, x: x, packed: packed, node: node, out: out, outType: outType)
        let grains = (rowGrain, panelParts, panelGrain * columnBlock)
        pool.parallelFor(rowParts * panelParts, (core, call, grains)) { captured, index, thread in
            let (core, call, (rowGrain, panelParts, columnGrain)) = captured.pointee
            let row = index / panelParts * rowGrain
            let column = index % panelParts * columnGrain
            core.run(
                call, rows: row..<min(call.rows, row + rowGrain),
                columns: column..<min(core.columns, column + columnGrain), thread: thread)
        }
    }

    /// What is multiplied in a call, and where the result goes.
    struct Call: BitwiseCopyable {
        let rows: Int
        let x: UnsafeRawPointer
        let packed: UnsafeRawPointer
        let node: Node
        let out: UnsafeMutableRawPointer
        let outType: tk_dtype
    }

    /// A product as one thread computes a part of it, inside a loop of the pool; not with OpenBLAS.
    struct Core: BitwiseCopyable {
        let form: ProductForm
        let isa: tk_isa
        let columns, depth, segment: Int
        let scratch: Scratch.Places

        /// Computes some rows and columns of a node.
        func run(_ call: Call, rows: Range<Int>, columns range: Range<Int>, thread: Int) {
            let (first, end) = (call.node.range.lowerBound, call.node.range.upperBound)
            if form != .f32 {
                let product = form == .int8 ? tk_dot_s8 : tk_dot_bf16
                product(
                    isa, rows.lowerBound, rows.upperBound, range.lowerBound, range.upperBound, columns, end - first,
                    segment, call.x.assumingMemoryBound(to: UInt16.self) + first, depth,
                    call.packed + call.node.offset, call.out, columns, call.outType, scratch.ofThread(thread))
            } else {
                tk_dot_f32(
                    isa, rows.lowerBound, rows.upperBound, range.lowerBound, range.upperBound, depth, first, end,
                    segment, call.x.assumingMemoryBound(to: Float.self) + first, depth,
                    call.packed.assumingMemoryBound(to: Float.self), call.out, columns, call.outType)
            }
        }
    }

    /// What loops see of the product.
    var core: Core {
        Core(
            form: form, isa: isa, columns: geometry.columns, depth: geometry.depth, segment: geometry.segment,
            scratch: scratch.places)
    }

    // MARK: OpenBLAS

    /// Pending partial results of the tree, plus one.
    private static func blasDepth(_ geometry: DotGeometry) -> Int {
        let leaves = (geometry.depth + geometry.segment - 1) / geometry.segment
        return Int.bitWidth - leaves.leadingZeroBitCount + 2
    }

    private func blas(
        rows: Int, x: UnsafeRawPointer, packed: UnsafeRawPointer, range: Range<Int>, out: UnsafeMutableRawPointer,
        outType: tk_dtype
    ) {
        let size = outType == TK_BF16 ? 2 : 4
        let n = geometry.columns
        let grain = Self.blasRows
        pool.parallelFor((rows + grain - 1) / grain) { index, thread in
            let part = index * grain..<min(rows, (index + 1) * grain)
            let sums = scratch.places.ofThread(thread).assumingMemoryBound(to: Float.self)
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
