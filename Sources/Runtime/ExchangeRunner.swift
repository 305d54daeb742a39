import CKernels
import Program
import Tensor

/// One exchange of a program, prepared: what is packed and sent, and how what arrives is unpacked or combined.
///
/// ``start(fabric:tag:)`` sends and never waits for a peer; ``finish(fabric:tag:deadline:)`` receives, copies and
/// reduces. Boxes that are contiguous skip the staging area.
final class ExchangeRunner {
    let exchange: Exchange
    private let index: Int
    private let table: BufferTable
    private let sends: [Send]
    private let receives: [Receive]
    private let copies: [BoxCopy]
    private let reducer: ExchangeReducer?

    private struct Send {
        let peer: Int
        let byteCount: Int
        /// One a tree node, into consecutive parts of the message.
        let parts: [BoxCopy]
        let staging: UnsafeMutableRawPointer
        /// Byte offset in the source buffer where the message can be sent from there.
        let direct: Int?
    }

    private struct Receive {
        let peer: Int
        let byteCount: Int
        let unpack: BoxCopy
        let staging: UnsafeMutableRawPointer
        /// Byte offset in the destination buffer where the message can be received there.
        let direct: Int?
    }

    init(
        exchange: Exchange, index: Int, program: LocalProgram, table: BufferTable, staging: UnsafeMutableRawPointer,
        pool: ThreadPool, scratch: Scratch
    ) {
        self.exchange = exchange
        self.index = index
        self.table = table
        let source = program.buffers[exchange.source]
        let destination = program.buffers[exchange.destination]
        let size = source.dtype.byteCount
        var next = staging
        func take(_ byteCount: Int) -> UnsafeMutableRawPointer {
            defer { next += aligned(byteCount) }
            return next
        }
        sends = exchange.sends.map { transfer in
            let byteCount = exchange.byteCount(of: transfer, dtype: source.dtype)
            let parts = Self.nodeCopies(of: transfer.box, partials: transfer.partials, in: source)
            let isDirect =
                parts.first?.isContiguous == true
                && (parts.count == 1 || transfer.box.elementCount == source.box.elementCount)
            return Send(
                peer: transfer.peer, byteCount: byteCount, parts: parts, staging: take(byteCount),
                direct: isDirect ? parts.first?.sourceOffset : nil)
        }
        let reduces = exchange.reduction != nil
        receives = exchange.receives.map { transfer in
            let byteCount = exchange.byteCount(of: transfer, dtype: source.dtype)
            let unpack = BoxCopy(
                from: Box(covering: transfer.box.dims), sourceShape: transfer.box.dims, to: transfer.box,
                destinationShape: destination.box.dims, elementByteCount: size)
            return Receive(
                peer: transfer.peer, byteCount: byteCount, unpack: unpack, staging: take(byteCount),
                direct: !reduces && unpack.isContiguous ? unpack.destinationOffset : nil)
        }
        if let reduction = exchange.reduction {
            copies = []
            var arrivals: [Int: UnsafeMutableRawPointer] = [:]
            for receive in receives { arrivals[receive.peer] = receive.staging }
            reducer = ExchangeReducer(
                reduction: reduction, exchange: exchange, program: program, table: table, arrivals: arrivals,
                pool: pool, scratch: scratch)
        } else {
            precondition(source.dtype == destination.dtype, "an exchange that only moves data keeps the element type")
            copies = exchange.copies.map {
                BoxCopy(
                    from: $0.from, sourceShape: source.box.dims, to: $0.to, destinationShape: destination.box.dims,
                    elementByteCount: size)
            }
            reducer = nil
        }
    }

    /// A copy of the box out of every tree node of a buffer, to consecutive dense parts.
    static func nodeCopies(of box: Box, partials: Int, in source: LocalBuffer) -> [BoxCopy] {
        let shape = source.box.dims
        return (0..<partials).map { node in
            BoxCopy(
                from: Box([node..<(node + 1)] + box.ranges), sourceShape: [partials] + shape,
                to: Box([node..<(node + 1)] + box.dims.map { 0..<$0 }), destinationShape: [partials] + box.dims,
                elementByteCount: source.dtype.byteCount)
        }
    }

    /// Sends this device's part.
    func start(fabric: any Fabric, tag: FrameTag) throws {
        guard !sends.isEmpty else { return }
        var tag = tag
        tag.instruction = UInt32(index)
        let source = table[exchange.source]
        for send in sends {
            var base = UnsafeRawPointer(send.staging)
            if let direct = send.direct {
                base = UnsafeRawPointer(source + direct)
            } else {
                for part in send.parts { part.run(from: source, to: send.staging) }
            }
            try fabric.send(
                to: send.peer, tag: tag, bytes: UnsafeRawBufferPointer(start: base, count: send.byteCount))
        }
    }

    /// Takes the peers' parts and completes the destination.
    func finish(fabric: any Fabric, tag: FrameTag, deadline: Duration) throws {
        var tag = tag
        tag.instruction = UInt32(index)
        let source = table[exchange.source]
        let destination = table[exchange.destination]
        for copy in copies { copy.run(from: source, to: destination) }
        for receive in receives {
            let base = receive.direct.map { destination + $0 } ?? receive.staging
            try fabric.receive(
                from: receive.peer, tag: tag,
                into: UnsafeMutableRawBufferPointer(start: base, count: receive.byteCount), deadline: deadline)
            if reducer == nil && receive.direct == nil { receive.unpack.run(from: receive.staging, to: destination) }
        }
        reducer?.run()
    }
}
