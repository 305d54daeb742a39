import Program
import Tensor

/// The row-like factors of a whole partitioned program: which dimensions of its buffers go through operations and
/// exchanges together, so that a part of the one is made of the same part of the other.
///
/// Guidance halves, the pictures of a batch and rows of tokens come out of the sharding rules; no names are known here.
struct BlockFactors {
    private let partitioned: PartitionedProgram
    private var parents: [Int]
    private let offsets: [Int]

    /// Exchanges that read each buffer, where nothing else does; nil for all others.
    let relays: [[Int]?]
    private let isOutput: [Bool]
    /// By exchange.
    private let steps: [Int]

    /// A factor that some exchanges leave alone.
    struct Candidate {
        /// What ``isMember(_:_:_:)`` takes.
        var root: Int
        /// The dimension of the first exchanged value, and that value's sizes: for people.
        var dim: Int
        var sizes: [Int]
        /// Bytes of the exchanges' largest messages.
        var byteCount: Int
        /// Most granules that a device has.
        var granuleCount: Int
        /// The step of the last exchange that counts.
        var lastStep: Int
    }

    init(_ partitioned: PartitionedProgram, _ rules: inout StepRules) {
        self.partitioned = partitioned
        var offsets: [Int] = []
        var count = 0
        for buffer in partitioned.buffers {
            offsets.append(count)
            count += buffer.type.rank
        }
        self.offsets = offsets
        parents = Array(0..<count)
        relays = Self.relays(partitioned)
        var isOutput = [Bool](repeating: false, count: partitioned.buffers.count)
        for output in partitioned.outputs { isOutput[output.buffer] = true }
        self.isOutput = isOutput
        var steps = [Int](repeating: 0, count: partitioned.exchanges.count)
        for case (let step, .exchange(let index)) in partitioned.steps.enumerated() { steps[index] = step }
        self.steps = steps
        for step in partitioned.steps {
            switch step {
            case .compute(let instruction): join(instruction, rules.rule(of: instruction, in: partitioned))
            case .exchange(let index): join(partitioned.exchanges[index])
            }
        }
    }

    private static func relays(_ partitioned: PartitionedProgram) -> [[Int]?] {
        var result: [[Int]?] = Array(repeating: [], count: partitioned.buffers.count)
        for step in partitioned.steps {
            switch step {
            case .compute(let instruction): for operand in instruction.operands { result[operand] = nil }
            case .exchange(let index): result[partitioned.exchanges[index].source]?.append(index)
            }
        }
        for output in partitioned.outputs { result[output.buffer] = nil }
        return result
    }

    // MARK: Union and find

    private mutating func join(_ instruction: ComputeInstruction, _ rule: ShardingRule) {
        for dim in rule.result.indices where partitioned.buffers[instruction.result].type.dims[dim].size > 1 {
            for (index, operand) in instruction.operands.enumerated() {
                guard let other = rule.operandDim(index, for: dim) else { continue }
                unite(offsets[instruction.result] + dim, offsets[operand] + other)
            }
        }
    }

    private mutating func join(_ collective: PartitionedProgram.Collective) {
        for dim in partitioned.buffers[collective.source].type.dims.indices {
            if Self.isParallel(collective, dim, partitioned) {
                unite(offsets[collective.source] + dim, offsets[collective.destination] + dim)
            } else if isRelayed(collective, dim) {
                for next in relays[collective.destination] ?? [] {
                    unite(
                        offsets[collective.source] + dim, offsets[partitioned.exchanges[next].destination] + dim)
                }
            }
        }
    }

    private mutating func unite(_ a: Int, _ b: Int) { parents[find(a)] = find(b) }

    private mutating func find(_ entry: Int) -> Int {
        var root = entry
        while parents[root] != root { root = parents[root] }
        var next = entry
        while parents[next] != root { (parents[next], next) = (root, parents[next]) }
        return root
    }

    /// True where a buffer's dimension belongs to a factor.
    mutating func isMember(_ buffer: Int, _ dim: Int, of root: Int) -> Bool { find(offsets[buffer] + dim) == root }

    // MARK: Exchanges

    /// True where devices hold, send and get the same range of a dimension: blocks of it travel one by one.
    static func isParallel(
        _ collective: PartitionedProgram.Collective, _ dim: Int, _ partitioned: PartitionedProgram
    ) -> Bool {
        let source = partitioned.buffers[collective.source].boxes
        return isSame(source, partitioned.buffers[collective.destination].boxes, dim)
            && arePeersAlike(collective, source, dim)
    }

    private static func isSame(_ a: [Box], _ b: [Box], _ dim: Int) -> Bool {
        zip(a, b).allSatisfy { $0.ranges[dim] == $1.ranges[dim] }
    }

    private static func arePeersAlike(
        _ collective: PartitionedProgram.Collective, _ boxes: [Box], _ dim: Int
    ) -> Bool {
        collective.moves.sides.enumerated().allSatisfy { device, side in
            side.sends.allSatisfy { boxes[$0.peer].ranges[dim] == boxes[device].ranges[dim] }
        }
    }

    /// True where a reduction leaves pieces of a dimension that are only gathered again: blocks can be cut into pieces of
    /// their own.
    func isRelayed(_ collective: PartitionedProgram.Collective, _ dim: Int) -> Bool {
        guard collective.partial != nil, let next = relays[collective.destination], !next.isEmpty else { return false }
        let source = partitioned.buffers[collective.source].boxes
        return Self.arePeersAlike(collective, source, dim)
            && next.allSatisfy { index in
                let gather = partitioned.exchanges[index]
                return gather.partial == nil && isInternal(gather.destination)
                    && Self.arePeersAlike(gather, source, dim)
                    && Self.isSame(source, partitioned.buffers[gather.destination].boxes, dim)
            }
    }

    /// False for what outlives the program: it is made whole.
    func isInternal(_ buffer: Int) -> Bool { partitioned.buffers[buffer].kind == .arena && !isOutput[buffer] }

    /// True where partial sums are combined in blocks, and need not be whole before.
    func isCombinedInBlocks(_ buffer: Int, _ dim: Int, until lastStep: Int) -> Bool {
        guard let next = relays[buffer], !next.isEmpty else { return false }
        return next.allSatisfy { index in
            let collective = partitioned.exchanges[index]
            return steps[index] <= lastStep && isInternal(collective.destination)
                && (Self.isParallel(collective, dim, partitioned) || isRelayed(collective, dim))
        }
    }

    // MARK: Candidates

    /// Factors along which exchanges can travel in blocks, those with most bytes first; of equal ones the outer first.
    mutating func candidates() -> [Candidate] {
        var found: [Int: Candidate] = [:]
        var order: [Int] = []
        var largest: [Int: Int] = [:]
        for (step, entry) in partitioned.steps.enumerated() {
            guard case .exchange(let index) = entry, !partitioned.exchanges[index].moves.isLocal else { continue }
            let collective = partitioned.exchanges[index]
            let source = partitioned.buffers[collective.source]
            let bytes = partitioned.byteCount(collective.moves.messageElementMax, of: collective)
            for dim in source.type.dims.indices {
                let granules = source.boxes.reduce(0) {
                    max($0, source.type.dims[dim].granules(in: $1.ranges[dim]))
                }
                guard granules > 1,
                    Self.isParallel(collective, dim, partitioned) || isRelayed(collective, dim)
                else { continue }
                let root = find(offsets[collective.source] + dim)
                if found[root] == nil { order.append(root) }
                var candidate =
                    found[root]
                    ?? Candidate(
                        root: root, dim: dim, sizes: source.type.sizes, byteCount: 0, granuleCount: granules,
                        lastStep: step)
                candidate.byteCount += bytes
                candidate.granuleCount = min(candidate.granuleCount, granules)
                largest[root] = max(largest[root] ?? 0, bytes)
                // Small exchanges after the last large one are not worth it.
                if bytes * 8 >= largest[root] ?? 0 { candidate.lastStep = step }
                found[root] = candidate
            }
        }
        return order.compactMap { found[$0] }.enumerated().sorted {
            (-$0.element.byteCount, $0.offset) < (-$1.element.byteCount, $1.offset)
        }.map(\.element)
    }
}

extension Dim {
    /// Granules that an element range touches.
    func granules(in range: Range<Int>) -> Int {
        range.isEmpty ? 0 : (range.upperBound - 1) / granule - range.lowerBound / granule + 1
    }

    /// One of `count` parts of an element range, of as equal numbers of granules as there can be.
    func part(_ index: Int, of count: Int, in range: Range<Int>) -> Range<Int> {
        if range.isEmpty { return range }
        let (first, total) = (range.lowerBound / granule, granules(in: range))
        func cut(_ index: Int) -> Int {
            if index == 0 { return range.lowerBound }
            if index == count { return range.upperBound }
            return min(range.upperBound, max(range.lowerBound, (first + total * index / count) * granule))
        }
        return cut(index)..<cut(index + 1)
    }
}
