import CKernels
import Program
import Tensor

/// One exchange of a program with those that travel in its messages, prepared: what is packed and sent, and how what
/// arrives is unpacked or combined.
///
/// ``start(fabric:tag:)`` sends and never waits for a peer; ``finish(fabric:tag:deadline:)`` receives, copies and
/// reduces. A message of one contiguous box skips the staging area, and so does one that the fabric has room for: packing
/// writes into that room, unpacking and reducing read where the message arrived.
final class ExchangeRunner {
    /// The exchange that instructions name.
    let exchange: Exchange
    private let index: Int
    private let table: BufferTable
    private let sends: [Send]
    private let receives: [Receive]
    private let copies: [Copy]
    private let reducers: [ExchangeReducer]
    private let arrivals: ArrivalTable

    /// A copy between a buffer and a message, or between two buffers.
    private struct Copy {
        let box: BoxCopy
        /// The buffer read, or written from a message.
        let buffer: Int
        /// The buffer written, for copies between buffers.
        var destination = 0
        /// Byte offset in the message.
        var offset = 0
    }

    private struct Send {
        let peer: Int
        let byteCount: Int
        let pack: [Copy]
        let staging: UnsafeMutableRawPointer
        /// Where the message can be sent from without packing: byte offset in a buffer.
        let direct: (buffer: Int, offset: Int)?
    }

    private struct Receive {
        let peer: Int
        let byteCount: Int
        let unpack: [Copy]
        let staging: UnsafeMutableRawPointer
        /// Where the message can be received without unpacking: byte offset in a buffer.
        let direct: (buffer: Int, offset: Int)?
    }

    init(
        index: Int, program: LocalProgram, table: BufferTable, staging: UnsafeMutableRawPointer, pool: ThreadPool,
        scratch: Scratch, memory: KernelMemory
    ) {
        exchange = program.exchanges[index]
        self.index = index
        self.table = table
        var next = staging
        func take(_ byteCount: Int) -> UnsafeMutableRawPointer {
            defer { next += aligned(byteCount) }
            return next
        }
        sends = program.messages(sentBy: index).map { Self.send($0, program, take($0.byteCount)) }
        var places: [Int: [Int: ArrivalTable.Place]] = [:]
        receives = program.messages(receivedBy: index).enumerated().map { number, message in
            for part in message.parts {
                places[part.exchange, default: [:]][message.peer] = .init(message: number, offset: part.offset)
            }
            return Self.receive(message, program, take(message.byteCount))
        }
        let arrivals = ArrivalTable(areas: receives.map(\.staging))
        self.arrivals = arrivals
        var copies: [Copy] = []
        var reducers: [ExchangeReducer] = []
        for number in program.exchangeIndices(startedBy: index) {
            let member = program.exchanges[number]
            if let reduction = member.reduction {
                reducers.append(
                    ExchangeReducer(
                        reduction: reduction, exchange: member, program: program, table: table,
                        arrivals: arrivals, places: places[number] ?? [:], pool: pool, scratch: scratch, memory: memory)
                )
                continue
            }
            let (source, destination) = (program.buffers[member.source], program.buffers[member.destination])
            precondition(source.dtype == destination.dtype, "an exchange that only moves data keeps the element type")
            copies += member.copies.map {
                Copy(
                    box: BoxCopy(
                        from: $0.from, sourceShape: source.box.dims, to: $0.to,
                        destinationShape: destination.box.dims, elementByteCount: source.dtype.byteCount),
                    buffer: member.source, destination: member.destination)
            }
        }
        self.copies = copies
        self.reducers = reducers
    }

    // MARK: Preparing

    private static func send(
        _ message: ExchangeMessage, _ program: LocalProgram, _ staging: UnsafeMutableRawPointer
    ) -> Send {
        var direct: (buffer: Int, offset: Int)?
        let pack = message.parts.flatMap { part -> [Copy] in
            let buffer = program.exchanges[part.exchange].source
            let source = program.buffers[buffer]
            let copies = nodeCopies(of: part.transfer.box, partials: part.transfer.partials, in: source)
            let isDense = copies.count == 1 || part.transfer.box.elementCount == source.box.elementCount
            if let first = copies.first, first.isContiguous, isDense { direct = (buffer, first.sourceOffset) }
            return copies.map { Copy(box: $0, buffer: buffer, offset: part.offset) }
        }
        return Send(
            peer: message.peer, byteCount: message.byteCount, pack: pack, staging: staging,
            direct: message.parts.count == 1 ? direct : nil)
    }

    private static func receive(
        _ message: ExchangeMessage, _ program: LocalProgram, _ staging: UnsafeMutableRawPointer
    ) -> Receive {
        var direct: (buffer: Int, offset: Int)?
        let unpack = message.parts.compactMap { part -> Copy? in
            let exchange = program.exchanges[part.exchange]
            if exchange.reduction != nil { return nil }
            let (box, destination) = (part.transfer.box, program.buffers[exchange.destination])
            let copy = BoxCopy(
                from: Box(covering: box.dims), sourceShape: box.dims, to: box, destinationShape: destination.box.dims,
                elementByteCount: destination.dtype.byteCount)
            if copy.isContiguous { direct = (exchange.destination, copy.destinationOffset) }
            return Copy(box: copy, buffer: exchange.destination, offset: part.offset)
        }
        return Receive(
            peer: message.peer, byteCount: message.byteCount, unpack: unpack, staging: staging,
            direct: message.parts.count == 1 ? direct : nil)
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

    // MARK: Running

    /// Sends this device's part.
    func start(fabric: any Fabric, tag: FrameTag) throws {
        var tag = tag
        tag.instruction = UInt32(index)
        for number in 0..<sends.count {
            let send = sends[number]
            let base: UnsafeRawPointer
            if let direct = send.direct {
                base = UnsafeRawPointer(table[direct.buffer] + direct.offset)
            } else {
                let room = fabric.room(to: send.peer, byteCount: send.byteCount) ?? send.staging
                for part in 0..<send.pack.count {
                    send.pack[part].box.run(from: table[send.pack[part].buffer], to: room + send.pack[part].offset)
                }
                base = UnsafeRawPointer(room)
            }
            try fabric.send(
                to: send.peer, tag: tag, bytes: UnsafeRawBufferPointer(start: base, count: send.byteCount))
        }
    }

    /// Takes the peers' parts and completes the destinations.
    func finish(fabric: any Fabric, tag: FrameTag, deadline: Duration) throws {
        var tag = tag
        tag.instruction = UInt32(index)
        for number in 0..<copies.count {
            copies[number].box.run(from: table[copies[number].buffer], to: table[copies[number].destination])
        }
        for number in 0..<receives.count {
            let receive = receives[number]
            if let direct = receive.direct {
                try fabric.receive(
                    from: receive.peer, tag: tag,
                    into: UnsafeMutableRawBufferPointer(
                        start: table[direct.buffer] + direct.offset, count: receive.byteCount), deadline: deadline)
                continue
            }
            let room = UnsafeMutableRawBufferPointer(start: receive.staging, count: receive.byteCount)
            let place = try fabric.take(from: receive.peer, tag: tag, room: room, deadline: deadline)
            let base = place ?? UnsafeRawPointer(receive.staging)
            arrivals[number] = base
            for part in 0..<receive.unpack.count {
                let copy = receive.unpack[part]
                copy.box.run(from: base + copy.offset, to: table[copy.buffer])
            }
        }
        for number in 0..<reducers.count { reducers[number].run() }
        for number in 0..<receives.count where receives[number].direct == nil {
            fabric.giveBack(from: receives[number].peer)
        }
    }
}
