import CKernels
import Program
import Tensor

/// Where the messages of an exchange's peers lie, from their arrival to the end of the exchange.
final class ArrivalTable {
    /// A part of a message.
    struct Place: BitwiseCopyable {
        let message: Int
        let offset: Int
    }

    /// Addresses of the messages.
    let bases: UnsafeMutableBufferPointer<UnsafeRawPointer>

    /// `areas` are where messages lie unless the fabric keeps them elsewhere.
    init(areas: [UnsafeMutableRawPointer]) {
        bases = .allocate(capacity: areas.count)
        _ = bases.initialize(from: areas.map { UnsafeRawPointer($0) })
    }

    deinit { bases.deallocate() }

    /// Address of a message.
    subscript(message: Int) -> UnsafeRawPointer {
        get { bases[message] }
        set { bases[message] = newValue }
    }

    /// Address of a part.
    subscript(place: Place) -> UnsafeRawPointer { bases[place.message] + place.offset }
}

/// Combines all devices' partial results of an exchange into its destination.
final class ExchangeReducer {
    private let table: BufferTable
    private let source: Int
    private let destination: Int
    /// Elements of the destination.
    private let count: Int
    private let outType: tk_dtype
    /// Element type of partial results.
    private let inType: tk_dtype
    private let kind: Kind
    private let own: Own?
    private let pool: ThreadPool
    private let scratch: Scratch

    private let arrivals: ArrivalTable
    /// Elements that a thread adds at a time.
    private static let grain = 4096

    private enum Kind {
        case sum(TreeArguments)
        case max(List<ArrivalTable.Place>)
        case argMax(List<ArrivalTable.Place>)
    }

    /// This device's contribution: in the source buffer, or packed into scratch where its box is not contiguous there.
    private struct Own {
        let parts: [BoxCopy]
        let nodeStride: Int
        let isDirect: Bool
        /// Rounds it as if it had travelled; nil where nothing is rounded on its way.
        let rounding: WireRows?
    }

    init(
        reduction: Exchange.Reduction, exchange: Exchange, program: LocalProgram, table: BufferTable,
        arrivals: ArrivalTable, places: [Int: ArrivalTable.Place], pool: ThreadPool, scratch: Scratch,
        memory: KernelMemory
    ) {
        let from = program.buffers[exchange.source]
        let to = program.buffers[exchange.destination]
        precondition(to.dtype == .f32 || to.dtype == .bf16, "a reduction gives f32 or bf16")
        self.table = table
        self.arrivals = arrivals
        self.pool = pool
        self.scratch = scratch
        source = exchange.source
        destination = exchange.destination
        count = to.box.elementCount
        outType = to.dtype == .bf16 ? TK_BF16 : TK_F32
        let isSum: Bool
        if case .sum = reduction { isSum = true } else { isSum = false }
        precondition(from.dtype == .f32 || from.dtype == .bf16, "partial results are f32 or bf16")
        inType = from.dtype == .bf16 ? TK_BF16 : TK_F32
        let size = from.dtype.byteCount
        let partials = isSum ? from.nodes?.count ?? 1 : 1
        own = exchange.copies.first.flatMap { copy in
            guard partials > 0, !copy.from.isEmpty else { return nil }
            let parts = ExchangeRunner.nodeCopies(of: copy.from, partials: partials, in: from)
            let isDirect = parts[0].isContiguous && exchange.wire == .exact
            if !isDirect { scratch.reserve(shared: parts.count * copy.from.elementCount * size) }
            return Own(
                parts: parts, nodeStride: (isDirect ? from.box.elementCount : copy.from.elementCount) * size,
                isDirect: isDirect,
                rounding: exchange.wire == .exact
                    ? nil
                    : WireRows(.init(peer: program.device, box: copy.from, partials: parts.count), from.dtype))
        }
        switch reduction {
        case .sum(let contributors, let leafCount):
            let tree = TreeArguments(
                contributors: contributors, leafCount: leafCount, device: program.device, elements: count,
                elementByteCount: size, arrivals: arrivals, arrivalPlaces: places, threadCount: pool.threadCount,
                memory: memory)
            if inType == TK_BF16 { scratch.reserve(perThread: tree.count * Self.grain * 4) }
            kind = .sum(tree)
        case .max:
            precondition(to.dtype == from.dtype, "a maximum has the type of what it is one of")
            kind = .max(memory.list(exchange.receives.compactMap { places[$0.peer] }))
        case .argMax:
            precondition(from.dtype == .f32 && to.dtype == .f32 && count % 3 == 0, "arg-max triples are f32")
            kind = .argMax(memory.list(exchange.receives.compactMap { places[$0.peer] }))
        }
    }

    func run() {
        guard count > 0 else { return }
        let base = ownBase()
        let out = table[destination]
        switch kind {
        case .sum(let tree): sum(tree, own: base, out: out)
        case .max(let places) where inType == TK_BF16:
            fold(places, own: base, out: out) {
                tk_binary_real(TK_MAXIMUM, $0, TK_BF16, $1, TK_BF16, $0, TK_BF16, 0, count)
            }
        case .max(let places):
            fold(places, own: base, out: out) {
                tk_max_combine($0.assumingMemoryBound(to: Float.self), $1.assumingMemoryBound(to: Float.self), count)
            }
        case .argMax(let places):
            fold(places, own: base, out: out) {
                tk_argmax_combine(
                    $0.assumingMemoryBound(to: Float.self), $1.assumingMemoryBound(to: Float.self), count / 3)
            }
        }
    }

    private func ownBase() -> UnsafeRawPointer? {
        guard let own else { return nil }
        let base = table[source]
        if own.isDirect { return UnsafeRawPointer(base + own.parts[0].sourceOffset) }
        for index in 0..<own.parts.count { own.parts[index].run(from: base, to: scratch.places.shared) }
        own.rounding?.round(scratch.places.shared, pool)
        return UnsafeRawPointer(scratch.places.shared)
    }

    private func sum(_ tree: TreeArguments, own base: UnsafeRawPointer?, out: UnsafeMutableRawPointer) {
        let own = (base, own?.nodeStride ?? 0)
        let captures = (tree, own, out, outType, inType == TK_BF16, scratch.places)
        pool.blocks(count, grain: Self.grain, captures) { captured, part, thread in
            let (tree, own, out, outType, isNarrow, scratch) = captured.pointee
            let nodes = tree.nodes(
                thread: thread, own: own.0, ownStride: own.1, elementOffset: part.lowerBound, count: part.count,
                wide: isNarrow ? scratch.ofThread(thread) : nil)
            tk_tree_combine(
                nodes, tree.levels.baseAddress, tree.firsts.baseAddress, tree.count, tree.leafCount, part.count,
                out + part.lowerBound * (outType == TK_BF16 ? 2 : 4), outType)
        }
    }

    private func fold(
        _ places: List<ArrivalTable.Place>, own: UnsafeRawPointer?, out: UnsafeMutableRawPointer,
        _ combine: (UnsafeMutableRawPointer, UnsafeRawPointer) -> Void
    ) {
        guard own != nil || !places.isEmpty else { return }
        let byteCount = count * (inType == TK_BF16 ? 2 : 4)
        out.copyMemory(from: own ?? arrivals[places[0]], byteCount: byteCount)
        for index in (own == nil ? 1 : 0)..<places.count { combine(out, arrivals[places[index]]) }
    }
}

/// The arrays that describe tree nodes to the combining kernel.
struct TreeArguments: BitwiseCopyable {
    /// Tree nodes of all contributors.
    let count: Int
    let leafCount: Int
    let levels: List<UInt8>
    let firsts: List<Int>
    /// Of each thread so many addresses of nodes.
    private let pointers: UnsafeMutablePointer<UnsafePointer<Float>?>
    private let pointerCapacity: Int
    private let places: List<Place>
    private let arrivals: UnsafeMutableBufferPointer<UnsafeRawPointer>
    private let elementByteCount: Int

    private enum Place: BitwiseCopyable {
        case own(node: Int)
        case arrival(ArrivalTable.Place)
    }

    /// `arrivals` outlives this, as `memory` does.
    init(
        contributors: [Exchange.Contributor], leafCount: Int, device: Int, elements: Int, elementByteCount: Int,
        arrivals: ArrivalTable, arrivalPlaces: [Int: ArrivalTable.Place], threadCount: Int, memory: KernelMemory
    ) {
        self.leafCount = leafCount
        self.arrivals = arrivals.bases
        self.elementByteCount = elementByteCount
        let nodes = contributors.flatMap(\.nodes)
        count = nodes.count
        levels = memory.list(nodes.map { UInt8($0.level) })
        firsts = memory.list(nodes.map(\.first))
        pointerCapacity = max(1, nodes.count)
        pointers = memory.room(of: nil, count: pointerCapacity * threadCount)
        places = memory.list(
            contributors.flatMap { contributor in
                contributor.nodes.indices.map { node -> Place in
                    if contributor.device == device { return .own(node: node) }
                    if let place = arrivalPlaces[contributor.device] {
                        return .arrival(
                            .init(message: place.message, offset: place.offset + node * elements * elementByteCount))
                    }
                    precondition(elements == 0, "every contributor to a sum sends its part")
                    return .own(node: 0)
                }
            })
    }

    /// Addresses of `count` elements of every node from `elementOffset` on, as f32; the array belongs to the thread.
    ///
    /// - Parameter wide: where bf16 nodes become f32, with room for `count` elements of each; nil: they are f32.
    func nodes(
        thread: Int, own: UnsafeRawPointer?, ownStride: Int, elementOffset: Int, count: Int,
        wide: UnsafeMutableRawPointer?
    ) -> UnsafeMutablePointer<UnsafePointer<Float>?> {
        let array = pointers + thread * pointerCapacity
        for index in 0..<places.count {
            var base: UnsafeRawPointer?
            switch places[index] {
            case .own(let node): base = own.map { $0 + node * ownStride }
            case .arrival(let place): base = arrivals[place.message] + place.offset
            }
            base = base.map { $0 + elementOffset * elementByteCount }
            if let wide, let start = base {
                let widened = wide + index * count * 4
                tk_convert(widened, TK_F32, start, TK_BF16, count)
                base = UnsafeRawPointer(widened)
            }
            array[index] = base?.assumingMemoryBound(to: Float.self)
        }
        return array
    }
}
