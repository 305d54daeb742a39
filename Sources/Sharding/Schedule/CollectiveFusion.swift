import Program
import Tensor

/// Puts small exchanges that do not depend on each other into common messages: one a pair of devices instead of several.
///
/// Exchanges are fused where they can start at one place: after everything that one of them sends is there, and before
/// anything that another brings is read. Either may move for that. Where a product lies between the places at which two
/// could start by themselves, or between those at which they are read, one of them could be on its way meanwhile; then
/// only messages so small that what counts is their number are fused. What is fused runs between the same pairs of
/// devices, or between some of them.
struct CollectiveFusion {
    private let partitioned: PartitionedProgram
    private let uses: BufferUses
    private let limits: FusionLimits
    /// Heavy instructions before each step.
    private var heavy: [Int] = [0]
    private var groups: [Group] = []
    /// By exchange.
    private var groupOf: [Int]
    /// Groups that others may join.
    private var open: [Int] = []

    /// Groups that an exchange looks at, so that the work stays linear.
    private static let lookback = 8

    /// Exchanges that travel together.
    private struct Group {
        var members: [Int]
        /// The step before which they start.
        var place: Int
        /// The first step at which everything that they send is there.
        var ready: Int
        /// The last step before which they may start.
        var deadline: Int
        /// Bytes of the largest message.
        var byteCount: Int
        /// By device, whom it sends something.
        var peers: [[Int]]
    }

    init(_ partitioned: PartitionedProgram, limits: FusionLimits) {
        self.partitioned = partitioned
        self.limits = limits
        uses = BufferUses(partitioned)
        groupOf = Array(repeating: -1, count: partitioned.exchanges.count)
        for step in partitioned.steps {
            var count = heavy[heavy.count - 1]
            if case .compute(let instruction) = step, instruction.isHeavy { count += 1 }
            heavy.append(count)
        }
    }

    /// The partitioner's order, with exchanges fused.
    static func schedule(_ partitioned: PartitionedProgram, limits: FusionLimits) -> Schedule {
        var fusion = CollectiveFusion(partitioned, limits: limits)
        for (step, entry) in partitioned.steps.enumerated() {
            if case .exchange(let exchange) = entry { fusion.add(exchange, at: step) }
        }
        return fusion.schedule()
    }

    // MARK: Grouping

    private mutating func add(_ exchange: Int, at step: Int) {
        let collective = partitioned.exchanges[exchange]
        var group = Group(
            members: [exchange], place: step, ready: ready(collective, at: step),
            deadline: deadline(collective, after: step),
            byteCount: partitioned.byteCount(collective.moves.messageElementMax, of: collective),
            peers: collective.moves.peers)
        let isFixed =
            collective.moves.isLocal || uses.isReplaced[collective.source] || uses.isReplaced[collective.destination]
        if isFixed { (group.ready, group.deadline) = (step, step) }
        let producer = producer(collective)
        if !isFixed, let host = open.last(where: { $0 != producer && canJoin(group, groups[$0]) }) {
            join(group, host)
        } else {
            groupOf[exchange] = groups.count
            groups.append(group)
            if !isFixed { open.append(groups.count - 1) }
        }
        if open.count > Self.lookback { open.removeFirst() }
        // Who brings what this one sends can no longer move behind it.
        let joined = groups[groupOf[exchange]]
        if let producer {
            groups[producer].deadline = min(groups[producer].deadline, joined.place - 1)
        }
    }

    private func canJoin(_ group: Group, _ host: Group) -> Bool {
        let place = max(host.place, group.ready)
        guard place <= host.deadline, place <= group.deadline else { return false }
        let isSamePlace =
            heavy[host.ready] == heavy[group.ready] && heavy[host.deadline] == heavy[group.deadline]
        let limit = isSamePlace ? limits.byteCountMax : min(limits.byteCountMax, limits.waitingByteCountMax)
        guard host.byteCount + group.byteCount <= limit else { return false }
        return group.peers == host.peers || Self.isPart(group.peers, of: host.peers)
            || Self.isPart(host.peers, of: group.peers)
    }

    private mutating func join(_ group: Group, _ host: Int) {
        groups[host].place = max(groups[host].place, group.ready)
        groups[host].ready = max(groups[host].ready, group.ready)
        groups[host].deadline = min(groups[host].deadline, group.deadline)
        groups[host].byteCount += group.byteCount
        groups[host].members += group.members
        if groups[host].peers != group.peers, Self.isPart(groups[host].peers, of: group.peers) {
            groups[host].peers = group.peers
        }
        for member in group.members { groupOf[member] = host }
    }

    /// The group that brings what an exchange sends.
    private func producer(_ collective: PartitionedProgram.Collective) -> Int? {
        guard let writer = uses.writer[collective.source], case .exchange(let other) = partitioned.steps[writer] else {
            return nil
        }
        return groupOf[other]
    }

    private func ready(_ collective: PartitionedProgram.Collective, at step: Int) -> Int {
        if let producer = producer(collective) { return groups[producer].place + 1 }
        return uses.writer[collective.source].map { $0 + 1 } ?? 0
    }

    private func deadline(_ collective: PartitionedProgram.Collective, after step: Int) -> Int {
        guard let reader = uses.readers[collective.destination].first(where: { $0 > step }) else {
            return partitioned.steps.count
        }
        // Another exchange that reads it starts one place later.
        if case .exchange = partitioned.steps[reader] { return reader - 1 }
        return reader
    }

    /// True where every message of `part` has one of `whole` to travel in; both ascend.
    private static func isPart(_ part: [[Int]], of whole: [[Int]]) -> Bool {
        zip(part, whole).allSatisfy { part, whole in
            var rest = whole[...]
            return part.count <= whole.count
                && part.allSatisfy { peer in
                    rest = rest.drop { $0 < peer }
                    return rest.popFirst() == peer
                }
        }
    }

    private func elementSize(_ exchange: Int) -> Int {
        partitioned.elementByteCount(of: partitioned.exchanges[exchange])
    }

    // MARK: Writing

    private func schedule() -> Schedule {
        var starting: [[[Int]]] = Array(repeating: [], count: partitioned.steps.count + 1)
        for group in groups {
            // Larger elements first: everything in a message is aligned.
            let ordered = group.members.enumerated().sorted {
                (-elementSize($0.element), $0.offset) < (-elementSize($1.element), $1.offset)
            }
            starting[group.place].append(ordered.map(\.element))
        }
        var steps: [Schedule.Step] = []
        for index in starting.indices {
            for group in starting[index] { steps += [.start(group), .finish(group)] }
            guard index < partitioned.steps.count, case .compute(let instruction) = partitioned.steps[index] else {
                continue
            }
            steps.append(.compute(instruction))
        }
        return Schedule(steps: steps)
    }
}
