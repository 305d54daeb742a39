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
    /// What is kept as it would have travelled.
    private let kept: [WireParts.Kept]
    private let pool: ThreadPool
    private let scratch: Scratch

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
        /// Parts that travel as int8.
        let encode: [WireParts.Sent]
        let staging: UnsafeMutableRawPointer
        /// Where the message can be sent from without packing: byte offset in a buffer.
        let direct: (buffer: Int, offset: Int)?
    }

    private struct Receive {
        let peer: Int
        let byteCount: Int
        let unpack: [Copy]
        /// Parts that arrive as int8.
        let decode: [WireParts.Received]
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
        self.pool = pool
        self.scratch = scratch
        var next = staging
        func take(_ byteCount: Int) -> UnsafeMutableRawPointer {
            defer { next += aligned(byteCount) }
            return next
        }
        sends = program.messages(sentBy: index).map { Self.send($0, program, take($0.byteCount), scratch) }
        var places: [Int: [Int: ArrivalTable.Place]] = [:]
        let incoming = program.messages(receivedBy: index).map { ($0, staging: take($0.byteCount)) }
        // What is decoded lies behind the messages, and counts as arrived there.
        var areas = incoming.map(\.staging)
        var receives: [Receive] = []
        for (number, (message, staging)) in incoming.enumerated() {
            var decode: [WireParts.Received] = []
            for part in message.parts {
                var place = ArrivalTable.Place(message: number, offset: part.offset)
                if program.exchanges[part.exchange].wire == .int8 {
                    let source = program.buffers[program.exchanges[part.exchange].source]
                    let area = take(WireRows(part.transfer, source.dtype).byteCount)
                    decode.append(.init(part, program, area: area))
                    place = .init(message: areas.count, offset: 0)
                    areas.append(area)
                }
                places[part.exchange, default: [:]][message.peer] = place
            }
            receives.append(Self.receive(message, program, staging, decode))
        }
        self.receives = receives
        let arrivals = ArrivalTable(areas: areas)
        self.arrivals = arrivals
        var copies: [Copy] = []
        var kept: [WireParts.Kept] = []
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
            if member.wire == .int8 {
                kept += member.copies.map { WireParts.Kept($0, member, program, scratch) }
                continue
            }
            copies += member.copies.map {
                Copy(
                    box: BoxCopy(
                        from: $0.from, sourceShape: source.box.dims, to: $0.to,
                        destinationShape: destination.box.dims, elementByteCount: source.dtype.byteCount),
                    buffer: member.source, destination: member.destination)
            }
        }
        self.copies = copies
        self.kept = kept
        self.reducers = reducers
    }

    // MARK: Preparing

    private static func send(
        _ message: ExchangeMessage, _ program: LocalProgram, _ staging: UnsafeMutableRawPointer, _ scratch: Scratch
    ) -> Send {
        var direct: (buffer: Int, offset: Int)?
        var encode: [WireParts.Sent] = []
        let pack = message.parts.flatMap { part -> [Copy] in
            let buffer = program.exchanges[part.exchange].source
            let source = program.buffers[buffer]
            if program.exchanges[part.exchange].wire == .int8 {
                encode.append(.init(part, program, scratch))
                return []
            }
            let copies = nodeCopies(of: part.transfer.box, partials: part.transfer.partials, in: source)
            let isDense = copies.count == 1 || part.transfer.box.elementCount == source.box.elementCount
            if let first = copies.first, first.isContiguous, isDense { direct = (buffer, first.sourceOffset) }
            return copies.map { Copy(box: $0, buffer: buffer, offset: part.offset) }
        }
        return Send(
            peer: message.peer, byteCount: message.byteCount, pack: pack, encode: encode, staging: staging,
            direct: message.parts.count == 1 ? direct : nil)
    }

    private static func receive(
        _ message: ExchangeMessage, _ program: LocalProgram, _ staging: UnsafeMutableRawPointer,
        _ decode: [WireParts.Received]
    ) -> Receive {
        var direct: (buffer: Int, offset: Int)?
        let unpack = message.parts.compactMap { part -> Copy? in
            let exchange = program.exchanges[part.exchange]
            if exchange.reduction != nil || exchange.wire == .int8 { return nil }
            let (box, destination) = (part.transfer.box, program.buffers[exchange.destination])
            let copy = BoxCopy(
                from: Box(covering: box.dims), sourceShape: box.dims, to: box, destinationShape: destination.box.dims,
                elementByteCount: destination.dtype.byteCount)
            if copy.isContiguous { direct = (exchange.destination, copy.destinationOffset) }
            return Copy(box: copy, buffer: exchange.destination, offset: part.offset)
        }
        return Receive(
            peer: message.peer, byteCount: message.byteCount, unpack: unpack, decode: decode, staging: staging,
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
                for part in 0..<send.encode.count {
                    let encode = send.encode[part]
                    encode.run(from: table[encode.buffer], to: room, pool, scratch.places.shared)
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
        for number in 0..<kept.count { kept[number].run(table, pool, scratch.places.shared) }
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
            for part in 0..<receive.decode.count { receive.decode[part].run(base, table, pool) }
        }
        for number in 0..<reducers.count { reducers[number].run() }
        for number in 0..<receives.count where receives[number].direct == nil {
            fabric.giveBack(from: receives[number].peer)
        }
    }
}
