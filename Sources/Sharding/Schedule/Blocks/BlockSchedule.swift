import Program
import Tensor

/// Orders the steps of a program in blocks so that exchanges of one block are on their way while another is computed.
///
/// A list schedule over predicted times: what can be done is done, blocks in turn from exchange to exchange; an exchange
/// starts when what it sends is there, and is waited for when it is predicted to have arrived or nothing else can be done.
/// There is one order for all devices. As in ``MessageOverlap`` exchanges finish in the order in which they start, at most
/// two are under way, and none with large messages while a device computes.
struct BlockSchedule {
    private var nodes: [Node] = []
    /// By node, those that need its result.
    private var dependents: [[Int]] = []
    /// By node, how many results it still needs.
    private var missing: [Int] = []
    private var ready = ReadyList()
    private var exchanges = ReadyList()
    private var clock = 0.0
    private var wireFree = 0.0
    private var underWay: [(node: Int, arrival: Double)] = []
    private var steps: [Schedule.Step] = []

    /// Exchanges that may be under way at one time.
    private static let underWayMax = 2
    /// Largest message that may be under way while its receiver computes.
    private static let messageByteCountMax = 4 << 20

    /// What is started at once: an instruction, a copy, or exchanges with common messages.
    private struct Node {
        enum Work {
            case compute(ComputeInstruction, seconds: Double)
            case local([Int], seconds: Double)
            case exchange([Int], StepCosts.Exchange)
        }
        var work: Work
        /// Exchanges that must have been before.
        var depth = 0
        var block: Int
        var operands: [Int] = []
    }

    /// - Parameter schedule: the program's steps with exchanges fused, in an order in which they can be done.
    static func schedule(_ schedule: Schedule, of program: BlockProgram, machines: MachineProfile) -> Schedule {
        var list = BlockSchedule(schedule, program, machines)
        list.run()
        return Schedule(steps: list.steps)
    }

    private init(_ schedule: Schedule, _ program: BlockProgram, _ machines: MachineProfile) {
        let partitioned = program.partitioned
        var costs = StepCosts(partitioned, machines: machines)
        var blocks: [Int: Int] = [:]
        for (step, block) in zip(partitioned.steps, program.blocks) {
            switch step {
            case .compute(let instruction): blocks[instruction.result] = block
            case .exchange(let index): blocks[partitioned.exchanges[index].destination] = block
            }
        }
        // Several copies may write parts of one buffer.
        var writers: [[Int]] = Array(repeating: [], count: partitioned.buffers.count)
        for step in schedule.steps {
            let number = nodes.count
            switch step {
            case .compute(let instruction):
                nodes.append(
                    Node(
                        work: .compute(instruction, seconds: costs.seconds(of: instruction)),
                        block: blocks[instruction.result] ?? -1, operands: instruction.operands.flatMap { writers[$0] })
                )
                writers[instruction.result].append(number)
            case .start(let group):
                let cost = costs.exchange(group)
                let members = group.map { partitioned.exchanges[$0] }
                let isLocal = members.allSatisfy(\.moves.isLocal)
                nodes.append(
                    Node(
                        work: isLocal ? .local(group, seconds: cost.combine) : .exchange(group, cost),
                        block: blocks[members[0].destination] ?? -1, operands: members.flatMap { writers[$0.source] }))
                for member in members { writers[member.destination].append(number) }
            case .finish: break
            }
        }
        connect()
    }

    /// Dependents, and how many exchanges come before each node; what needs nothing that was computed comes late.
    private mutating func connect() {
        dependents = Array(repeating: [], count: nodes.count)
        missing = Array(repeating: 0, count: nodes.count)
        var isFree = [Bool](repeating: true, count: nodes.count)
        for index in nodes.indices {
            nodes[index].operands = Set(nodes[index].operands).sorted()
            missing[index] = nodes[index].operands.count
            for operand in nodes[index].operands {
                dependents[operand].append(index)
                var depth = nodes[operand].depth
                if case .exchange = nodes[operand].work { depth += 1 }
                nodes[index].depth = max(nodes[index].depth, depth)
                isFree[index] = isFree[index] && isFree[operand]
            }
            if case .exchange = nodes[index].work { isFree[index] = false }
        }
        for index in nodes.indices.reversed() where isFree[index] {
            nodes[index].depth = dependents[index].map { nodes[$0].depth }.min() ?? 0
        }
        for index in nodes.indices where missing[index] == 0 { offer(index) }
    }

    private mutating func offer(_ index: Int) {
        let key = ReadyList.Key(depth: nodes[index].depth, block: nodes[index].block, node: index)
        if case .exchange = nodes[index].work { exchanges.insert(key) } else { ready.insert(key) }
    }

    private mutating func complete(_ index: Int) {
        for dependent in dependents[index] {
            missing[dependent] -= 1
            if missing[dependent] == 0 { offer(dependent) }
        }
    }

    // MARK: Running

    private mutating func run() {
        while true {
            if let first = underWay.first, first.arrival <= clock {
                finish()
            } else if let next = exchanges.first, canStart(next.node) {
                exchanges.removeFirst()
                start(next.node)
            } else if let next = ready.first {
                ready.removeFirst()
                compute(next.node)
            } else if !underWay.isEmpty {
                finish()
            } else {
                break
            }
        }
    }

    private func canStart(_ index: Int) -> Bool {
        guard case .exchange(_, let cost) = nodes[index].work else { return false }
        return cost.messageByteCount > Self.messageByteCountMax
            ? underWay.isEmpty : underWay.count < Self.underWayMax
    }

    private mutating func compute(_ index: Int) {
        switch nodes[index].work {
        case .compute(let instruction, let seconds):
            steps.append(.compute(instruction))
            clock += seconds
        case .local(let group, let seconds):
            steps += [.start(group), .finish(group)]
            clock += seconds
        case .exchange: break
        }
        complete(index)
    }

    private mutating func start(_ index: Int) {
        guard case .exchange(let group, let cost) = nodes[index].work else { return }
        steps.append(.start(group))
        clock += cost.send
        wireFree = max(wireFree, clock) + cost.transfer
        underWay.append((index, wireFree + cost.latency))
        if cost.messageByteCount > Self.messageByteCountMax { finish() }
    }

    private mutating func finish() {
        let (index, arrival) = underWay.removeFirst()
        guard case .exchange(let group, let cost) = nodes[index].work else { return }
        steps.append(.finish(group))
        clock = max(clock, arrival) + cost.combine
        complete(index)
    }
}

/// What can be done, in the order in which it had better be.
private struct ReadyList {
    struct Key: Comparable {
        var depth: Int
        var block: Int
        var node: Int

        static func < (a: Key, b: Key) -> Bool { (a.depth, a.block, a.node) < (b.depth, b.block, b.node) }
    }

    /// Descending, so that the first is taken from the end.
    private var keys: [Key] = []

    var first: Key? { keys.last }

    mutating func insert(_ key: Key) {
        var (lower, upper) = (0, keys.count)
        while lower < upper {
            let middle = (lower + upper) / 2
            if key < keys[middle] { lower = middle + 1 } else { upper = middle }
        }
        keys.insert(key, at: lower)
    }

    mutating func removeFirst() { keys.removeLast() }
}
