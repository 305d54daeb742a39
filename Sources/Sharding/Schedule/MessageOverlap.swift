import Program
import Tensor

/// Starts exchanges early and waits for them late, so that messages are on their way while a device computes.
///
/// An exchange starts as soon as what it sends is there, and is waited for just before what it brings is read, where a
/// product lies between. Exchanges keep their order, at most two are under way at a time, and what has large messages stays
/// where it is: a sender must never wait for a receiver that computes. Nothing moves that would make the busiest moment of
/// the program need more memory.
struct MessageOverlap {
    private let partitioned: PartitionedProgram
    private let uses: BufferUses
    private let items: [Item]
    /// Heavy instructions before each item.
    private let heavy: [Int]
    private var transfers: [Transfer] = []
    /// By exchange; nil for exchanges that send nothing.
    private var transferOf: [Int?]
    private var memory: MemoryProfile

    /// Largest message that moves: two of them fit into the queues of a link whose receiver takes nothing meanwhile.
    private static let messageByteCountMax = 4 << 20

    /// What is not moved: an instruction, or an exchange without messages.
    private enum Item {
        case compute(ComputeInstruction)
        case local([Int])
    }

    /// Exchanges that travel together.
    ///
    /// Places are items: what has place p comes before item p.
    private struct Transfer {
        var members: [Int]
        /// Where the schedule had it.
        var place: Int
        /// The first place at which everything that it sends is there, and the last before something it brings is read.
        var ready: Int
        var use: Int
        /// The transfers that bring what it sends.
        var producers: Set<Int>
        var start: Int
        var finish: Int
        /// May start before the transfer before it is waited for.
        var isEarly = false
    }

    /// The schedule with starts and waits apart, in no more memory than before.
    static func schedule(_ schedule: Schedule, of partitioned: PartitionedProgram) -> Schedule {
        let bound = ArenaSize(partitioned).byteCount(of: schedule)
        // Buffers do not always pack as tightly as their sum says.
        for fraction in [1, 0.95, 0.85] {
            var overlap = MessageOverlap(schedule, partitioned, fraction)
            overlap.startEarly()
            overlap.finishLate()
            let moved = overlap.written()
            if ArenaSize(partitioned).byteCount(of: moved) <= bound { return moved }
        }
        return schedule
    }

    private init(_ schedule: Schedule, _ partitioned: PartitionedProgram, _ fraction: Double) {
        self.partitioned = partitioned
        uses = BufferUses(partitioned)
        transferOf = Array(repeating: nil, count: partitioned.exchanges.count)
        var items: [Item] = []
        var heavy = [0]
        var groups: [(members: [Int], place: Int)] = []
        for step in schedule.steps {
            switch step {
            case .compute(let instruction):
                items.append(.compute(instruction))
                heavy.append(heavy[heavy.count - 1] + (instruction.isHeavy ? 1 : 0))
            case .start(let group) where partitioned.exchanges[group[0]].moves.isLocal:
                items.append(.local(group))
                heavy.append(heavy[heavy.count - 1])
            case .start(let group):
                for exchange in group { transferOf[exchange] = groups.count }
                groups.append((group, items.count))
            case .finish: break
            }
        }
        self.items = items
        self.heavy = heavy
        let places = ItemPlaces(items.map { Self.buffers(of: $0, partitioned) }, partitioned)
        memory = MemoryProfile(partitioned, itemCount: items.count, fraction: fraction)
        for group in groups { transfers.append(transfer(group.members, group.place, places)) }
        for (buffer, range) in lifetimes(places) { memory.note(buffer: buffer, range) }
        for transfer in transfers { memory.note(staging: transfer.members, transfer.place..<(transfer.place + 1)) }
        memory.fix()
    }

    private static func buffers(
        of item: Item, _ partitioned: PartitionedProgram
    ) -> (reads: [Int], writes: [Int]) {
        switch item {
        case .compute(let instruction): (instruction.operands, [instruction.result])
        case .local(let group):
            (group.map { partitioned.exchanges[$0].source }, group.map { partitioned.exchanges[$0].destination })
        }
    }

    private func transfer(_ members: [Int], _ place: Int, _ places: ItemPlaces) -> Transfer {
        var result = Transfer(
            members: members, place: place, ready: 0, use: items.count, producers: [], start: place, finish: place)
        for exchange in members.map({ partitioned.exchanges[$0] }) {
            if let writer = uses.writer[exchange.source], case .exchange(let other) = partitioned.steps[writer],
                let producer = transferOf[other]
            {
                result.producers.insert(producer)
                result.ready = max(result.ready, transfers[producer].place)
            } else {
                result.ready = max(result.ready, places.written[exchange.source].map { $0 + 1 } ?? 0)
            }
            result.use = min(result.use, places.read[exchange.destination] ?? items.count)
            let isSent = uses.readers[exchange.destination].contains { reader in
                if case .exchange(let other) = partitioned.steps[reader] { return transferOf[other] != nil }
                return false
            }
            if isSent { result.use = place }
            if uses.isReplaced[exchange.source] || uses.isReplaced[exchange.destination] {
                (result.ready, result.use) = (place, place)
            }
        }
        result.use = max(result.use, place)
        let messageByteCount = members.reduce(0) { sum, index in
            let collective = partitioned.exchanges[index]
            return sum + partitioned.byteCount(collective.moves.messageElementMax, of: collective)
        }
        if messageByteCount > Self.messageByteCountMax { (result.ready, result.use) = (place, place) }
        return result
    }

    /// Items during which each buffer holds something, in the given schedule.
    private func lifetimes(_ places: ItemPlaces) -> [(buffer: Int, Range<Int>)] {
        var first = places.written
        var last = places.lastRead
        for transfer in transfers {
            for exchange in transfer.members.map({ partitioned.exchanges[$0] }) {
                first[exchange.destination] = first[exchange.destination] ?? transfer.place
                last[exchange.destination] = max(last[exchange.destination] ?? transfer.place, transfer.place)
                last[exchange.source] = max(last[exchange.source] ?? transfer.place, transfer.place)
            }
        }
        for output in partitioned.outputs where !output.isResident { last[output.buffer] = items.count }
        return partitioned.buffers.indices.compactMap { buffer in
            guard let end = last[buffer] ?? first[buffer] else { return nil }
            let start = first[buffer] ?? 0
            return (buffer, start..<max(start, end) + 1)
        }
    }

    // MARK: Moving

    private mutating func startEarly() {
        for index in transfers.indices {
            var earliest = transfers[index].ready
            if index >= 1 { earliest = max(earliest, transfers[index - 1].start) }
            if index >= 2 { earliest = max(earliest, transfers[index - 2].finish) }
            let place = transfers[index].place
            let bytes = memory.staging(transfers[index].members)
            var start = place
            while start > earliest, memory.hasRoom(bytes, at: start - 1) { start -= 1 }
            if heavy[start] < heavy[place] {
                transfers[index].start = start
                memory.add(bytes, start..<place)
            }
            if index >= 1, transfers[index].start <= transfers[index - 1].finish {
                transfers[index].isEarly = memory.hasRoom(bytes, at: transfers[index].start)
            }
        }
    }

    private mutating func finishLate() {
        for index in transfers.indices.reversed() {
            var latest = transfers[index].use
            if index + 1 < transfers.count { latest = min(latest, transfers[index + 1].finish) }
            if index + 2 < transfers.count { latest = min(latest, transfers[index + 2].start) }
            let place = transfers[index].place
            let bytes = memory.staging(transfers[index].members) + memory.sources(transfers[index].members)
            var finish = place
            while finish < latest, memory.hasRoom(bytes, at: finish) { finish += 1 }
            if heavy[finish] > heavy[place] {
                transfers[index].finish = finish
                memory.add(bytes, place..<finish)
            }
        }
    }

    // MARK: Writing

    private func written() -> Schedule {
        var steps: [Schedule.Step] = []
        var (started, finished) = (0, 0)
        for place in 0...items.count {
            while true {
                let canStart = started < transfers.count && transfers[started].start <= place
                let canFinish = finished < started && transfers[finished].finish <= place
                let isFree =
                    canStart && transfers[started].producers.allSatisfy { $0 < finished } && started - finished < 2
                    && (started == finished || transfers[started].isEarly || !canFinish)
                if isFree {
                    steps.append(.start(transfers[started].members))
                    started += 1
                } else if canFinish || (canStart && finished < started) {
                    steps.append(.finish(transfers[finished].members))
                    finished += 1
                } else {
                    break
                }
            }
            guard place < items.count else { continue }
            switch items[place] {
            case .compute(let instruction): steps.append(.compute(instruction))
            case .local(let group): steps += [.start(group), .finish(group)]
            }
        }
        return Schedule(steps: steps)
    }
}

/// Which items write and read each buffer.
private struct ItemPlaces {
    /// By buffer; nil for what no item does.
    private(set) var written: [Int?]
    private(set) var read: [Int?]
    private(set) var lastRead: [Int?]

    init(_ items: [(reads: [Int], writes: [Int])], _ partitioned: PartitionedProgram) {
        written = Array(repeating: nil, count: partitioned.buffers.count)
        read = written
        lastRead = written
        for (index, item) in items.enumerated() {
            for buffer in item.reads {
                read[buffer] = read[buffer] ?? index
                lastRead[buffer] = index
            }
            for buffer in item.writes { written[buffer] = index }
        }
    }
}
