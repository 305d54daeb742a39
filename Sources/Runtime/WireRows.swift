import CKernels
import Program
import Tensor

/// Rows of an exchange that travel as int8 (``WireFormat/int8``): boxes of one buffer, one after the other.
struct WireRows: BitwiseCopyable {
    let rows: Int
    let columns: Int
    let dtype: tk_dtype
    let elementByteCount: Int
    /// Elements that a thread takes at a time, about.
    private static let grain = 8192

    init(elements: Int, columns: Int, dtype: DType) {
        precondition(dtype == .f32 || dtype == .bf16, "real numbers travel as int8")
        self.columns = max(1, columns)
        rows = elements / max(1, columns)
        self.dtype = dtype == .bf16 ? TK_BF16 : TK_F32
        elementByteCount = dtype.byteCount
    }

    /// All partial results of a transfer, in the element type of its source.
    init(_ transfer: Exchange.Transfer, _ dtype: DType) {
        self.init(
            elements: transfer.box.elementCount * transfer.partials, columns: transfer.box.dims.last ?? 1, dtype: dtype)
    }

    /// Bytes as elements.
    var byteCount: Int { rows * columns * elementByteCount }

    /// Writes what travels.
    func encode(_ values: UnsafeRawPointer, to message: UnsafeMutableRawPointer, _ pool: ThreadPool) {
        pool.blocks(rows, grain: grain, (self, values, message)) { captured, part, _ in
            let (own, values, message) = captured.pointee
            tk_wire_encode(message, values, own.dtype, own.columns, part.lowerBound, part.upperBound)
        }
    }

    /// Writes what has travelled.
    func decode(_ message: UnsafeRawPointer, to values: UnsafeMutableRawPointer, _ pool: ThreadPool) {
        pool.blocks(rows, grain: grain, (self, message, values)) { captured, part, _ in
            let (own, message, values) = captured.pointee
            tk_wire_decode(values, own.dtype, message, own.columns, part.lowerBound, part.upperBound)
        }
    }

    /// Makes of values what they would arrive as.
    func round(_ values: UnsafeMutableRawPointer, _ pool: ThreadPool) {
        pool.blocks(rows, grain: grain, (self, values)) { captured, part, _ in
            let (own, values) = captured.pointee
            tk_wire_round(values, own.dtype, own.columns, part.lowerBound, part.upperBound)
        }
    }

    private var grain: Int { max(1, Self.grain / columns) }
}

/// Parts of an exchange that do not travel as they are, prepared.
enum WireParts {
    /// A part of a message that is sent.
    struct Sent {
        let buffer: Int
        /// Gathers the rows.
        let gather: [BoxCopy]
        let rows: WireRows
        /// Byte offset in the message.
        let offset: Int

        /// A part of a message of one of the program's exchanges; reserves the scratch memory that it needs.
        init(_ part: ExchangeMessage.Part, _ program: LocalProgram, _ scratch: Scratch) {
            buffer = program.exchanges[part.exchange].source
            let source = program.buffers[buffer]
            gather = ExchangeRunner.nodeCopies(of: part.transfer.box, partials: part.transfer.partials, in: source)
            rows = WireRows(part.transfer, source.dtype)
            offset = part.offset
            if !isDirect { scratch.reserve(shared: rows.byteCount) }
        }

        private var isDirect: Bool { gather.count == 1 && gather[0].isContiguous }

        /// Writes the part, by way of scratch memory where its rows are apart.
        func run(
            from source: UnsafeMutableRawPointer, to message: UnsafeMutableRawPointer, _ pool: ThreadPool,
            _ scratch: UnsafeMutableRawPointer
        ) {
            if isDirect {
                return rows.encode(UnsafeRawPointer(source + gather[0].sourceOffset), to: message + offset, pool)
            }
            for index in 0..<gather.count { gather[index].run(from: source, to: scratch) }
            rows.encode(UnsafeRawPointer(scratch), to: message + offset, pool)
        }
    }

    /// A part of a message that arrives, and where its elements are put.
    struct Received {
        let rows: WireRows
        /// Byte offset in the message.
        let offset: Int
        /// Where it is decoded.
        let area: UnsafeMutableRawPointer
        /// The buffer that the elements belong to; nil for what is reduced, which is read in the area.
        let destination: Int?
        let scatter: BoxCopy

        /// A part of a message of one of the program's exchanges; `area` has room for its elements.
        init(_ part: ExchangeMessage.Part, _ program: LocalProgram, area: UnsafeMutableRawPointer) {
            let (exchange, box) = (program.exchanges[part.exchange], part.transfer.box)
            let buffer = program.buffers[exchange.destination]
            rows = WireRows(part.transfer, program.buffers[exchange.source].dtype)
            offset = part.offset
            self.area = area
            destination = exchange.reduction == nil ? exchange.destination : nil
            scatter = BoxCopy(
                from: Box(covering: box.dims), sourceShape: box.dims, to: box, destinationShape: buffer.box.dims,
                elementByteCount: buffer.dtype.byteCount)
        }

        func run(_ message: UnsafeRawPointer, _ table: BufferTable, _ pool: ThreadPool) {
            guard let destination else { return rows.decode(message + offset, to: area, pool) }
            if scatter.isContiguous {
                return rows.decode(message + offset, to: table[destination] + scatter.destinationOffset, pool)
            }
            rows.decode(message + offset, to: area, pool)
            scatter.run(from: UnsafeRawPointer(area), to: table[destination])
        }
    }

    /// What a device keeps of what it also sends.
    struct Kept {
        let gather: BoxCopy
        let scatter: BoxCopy
        let source: Int
        let destination: Int
        let rows: WireRows

        /// A copy of an exchange of the program; reserves the scratch memory that it needs.
        init(_ copy: Exchange.LocalCopy, _ exchange: Exchange, _ program: LocalProgram, _ scratch: Scratch) {
            let (from, to) = (program.buffers[exchange.source], program.buffers[exchange.destination])
            let (dims, dense) = (copy.from.dims, Box(covering: copy.from.dims))
            gather = BoxCopy(
                from: copy.from, sourceShape: from.box.dims, to: dense, destinationShape: dims,
                elementByteCount: from.dtype.byteCount)
            scatter = BoxCopy(
                from: dense, sourceShape: dims, to: copy.to, destinationShape: to.box.dims,
                elementByteCount: to.dtype.byteCount)
            (source, destination) = (exchange.source, exchange.destination)
            rows = WireRows(.init(peer: 0, box: copy.from), from.dtype)
            if !scatter.isContiguous { scratch.reserve(shared: rows.byteCount) }
        }

        func run(_ table: BufferTable, _ pool: ThreadPool, _ scratch: UnsafeMutableRawPointer) {
            if scatter.isContiguous {
                let place = table[destination] + scatter.destinationOffset
                gather.run(from: table[source], to: place)
                return rows.round(place, pool)
            }
            gather.run(from: table[source], to: scratch)
            rows.round(scratch, pool)
            scatter.run(from: UnsafeRawPointer(scratch), to: table[destination])
        }
    }
}
