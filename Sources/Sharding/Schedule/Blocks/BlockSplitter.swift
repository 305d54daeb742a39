import Program
import Tensor

/// Writes a partitioned program anew with the steps along a row-like factor done in blocks, so that exchanges of one block
/// can travel while another is computed.
///
/// A device's part of each buffer is cut into ranges of the factor. What reads the same range of its operands is done range
/// by range, and so are exchanges between devices that hold the same range; parts of weights and other whole buffers are
/// the whole ones. What reads more than its range (attention its keys and values) reads all blocks, copied together before.
/// Every element is computed from the same elements in the same order as before.
struct BlockSplitter {
    private let old: PartitionedProgram
    private let root: Int
    private let lastStep: Int
    private let count: Int
    private var factors: BlockFactors
    private var rules: StepRules
    private var geometry: ShardGeometry
    private var moves: MoveTable
    /// Local copies made so far.
    private var localCount = 0
    private var partialCount: Int
    private var partials: [PartialKey: PartialValue] = [:]
    private var buffers: BlockBuffers
    /// By old buffer that is cut into pieces for each block: by block and device, the range that is gathered again.
    private var relayed: [Int: [[Range<Int>]]] = [:]
    /// Of the step that is written.
    private var scope = ""
    private(set) var result: BlockProgram

    private struct PartialKey: Hashable {
        var partial: PartialValue
        var set: Int
    }

    /// A compute step in blocks: by block, boxes of the result and of each operand.
    private struct Cut {
        var dim: Int
        var results: [Int]
        var operands: [[Int]]
    }

    init(
        _ partitioner: Partitioner, factors: BlockFactors, rules: StepRules, candidate: BlockFactors.Candidate,
        count: Int
    ) {
        old = partitioner.result
        root = candidate.root
        lastStep = candidate.lastStep
        self.count = count
        self.factors = factors
        self.rules = rules
        geometry = partitioner.geometry
        moves = partitioner.moves
        partialCount = partitioner.partialCount
        buffers = BlockBuffers(count: old.buffers.count)
        result = BlockProgram(partitioned: PartitionedProgram(name: old.name))
    }

    mutating func run() {
        result.partitioned.residents = old.residents
        for (index, buffer) in old.buffers.enumerated() where buffer.kind != .arena {
            buffers.wholes[index] = add(buffer)
            if let layout = old.parameterLayouts[index] {
                result.partitioned.parameterLayouts[result.partitioned.buffers.count - 1] = layout
            }
        }
        for (index, step) in old.steps.enumerated() {
            switch step {
            case .compute(let instruction):
                scope = instruction.scope
                compute(instruction, index)
            case .exchange(let exchange):
                scope = old.exchanges[exchange].scope
                self.exchange(old.exchanges[exchange], index)
            }
        }
        for output in old.outputs {
            result.partitioned.outputs.append((output.name, whole(output.buffer), output.isResident))
        }
    }

    // MARK: Instructions

    private mutating func compute(_ instruction: ComputeInstruction, _ step: Int) {
        var instruction = instruction
        guard step <= lastStep, let cut = cut(instruction) else {
            instruction.operands = instruction.operands.map { whole($0) }
            instruction.result = wholeResult(instruction.result)
            return append(.compute(instruction), block: nil)
        }
        let (operands, made) = (instruction.operands, instruction.result)
        var parts = BlockBuffers.Parts(buffers: [], dim: cut.dim)
        for block in 0..<count {
            instruction.operands = zip(operands, cut.operands[block]).map { part($0, block, $1) }
            instruction.result = add(old.buffers[made], set: cut.results[block])
            append(.compute(instruction), block: block)
            parts.buffers.append(instruction.result)
        }
        buffers.parts[made] = parts
    }

    /// How an instruction is done in blocks; nil where it is not.
    private mutating func cut(_ instruction: ComputeInstruction) -> Cut? {
        let buffer = old.buffers[instruction.result]
        guard factors.isInternal(instruction.result) else { return nil }
        let rule = rules.rule(of: instruction, in: old)
        guard let dim = dimension(instruction, rule),
            buffer.nodes == nil || factors.isCombinedInBlocks(instruction.result, dim, until: lastStep)
        else { return nil }
        guard let full = operandBoxes(instruction, rule, dim, buffer.boxes),
            full == instruction.operands.map({ old.buffers[$0].boxes })
        else { return nil }
        var cut = Cut(dim: dim, results: [], operands: [])
        let leader = instruction.operands.indices.first { index in
            guard let parts = buffers.parts[instruction.operands[index]] else { return false }
            return rule.operandDim(index, for: dim) == parts.dim && rule.reads[index][parts.dim] == .same(dim)
        }
        for block in 0..<count {
            var boxes = part(block, of: buffer, dim)
            if let leader, let parts = buffers.parts[instruction.operands[leader]] {
                // The cuts of what it is made of.
                let cuts = result.partitioned.buffers[parts.buffers[block]].boxes
                for device in boxes.indices { boxes[device].ranges[dim] = cuts[device].ranges[parts.dim] }
            }
            guard let needed = operandBoxes(instruction, rule, dim, boxes) else { return nil }
            cut.results.append(geometry.table.intern(boxes))
            cut.operands.append(needed.map { geometry.table.intern($0) })
        }
        return cut
    }

    /// The dimension of the result that is cut: where its operands are, if they are.
    private mutating func dimension(_ instruction: ComputeInstruction, _ rule: ShardingRule) -> Int? {
        let buffer = old.buffers[instruction.result]
        let possible = buffer.type.dims.indices.filter { dim in
            rule.result[dim].first.map { !rule.factors[$0].isReduction } ?? false
                && factors.isMember(instruction.result, dim, of: root)
                && buffer.boxes.contains { buffer.type.dims[dim].granules(in: $0.ranges[dim]) > 1 }
        }
        let following = possible.first { dim in
            instruction.operands.enumerated().contains { index, operand in
                buffers.parts[operand].map { rule.operandDim(index, for: dim) == $0.dim } ?? false
            }
        }
        return following ?? possible.first
    }

    /// Boxes of the operands that boxes of the result read, where they differ along one dimension from the usual ones.
    private func operandBoxes(
        _ instruction: ComputeInstruction, _ rule: ShardingRule, _ dim: Int, _ boxes: [Box]
    ) -> [[Box]]? {
        let type = old.buffers[instruction.result].type
        return instruction.operands.enumerated().map { index, operand in
            let buffer = old.buffers[operand]
            var needed = buffer.boxes
            for (other, read) in rule.reads[index].enumerated() where read.resultDims.contains(dim) {
                for device in boxes.indices {
                    needed[device].ranges[other] = read.range(
                        of: buffer.type.dims, at: other, result: boxes[device], resultDims: type.dims, reduced: [:])
                }
            }
            return needed
        }
    }

    private func part(_ block: Int, of buffer: PartitionedProgram.Buffer, _ dim: Int) -> [Box] {
        buffer.boxes.map { box in
            var box = box
            box.ranges[dim] = buffer.type.dims[dim].part(block, of: count, in: box.ranges[dim])
            return box
        }
    }

    // MARK: Exchanges

    private mutating func exchange(_ collective: PartitionedProgram.Collective, _ step: Int) {
        let destination = old.buffers[collective.destination]
        guard step <= lastStep || relayed[collective.source] != nil, let parts = buffers.parts[collective.source],
            factors.isInternal(collective.destination), let sets = destinations(of: collective, parts)
        else {
            var collective = collective
            collective.source = whole(collective.source)
            collective.destination = wholeResult(collective.destination)
            return append(collective, block: nil)
        }
        var made = BlockBuffers.Parts(buffers: [], dim: parts.dim)
        for block in 0..<count {
            var part = collective
            part.source = parts.buffers[block]
            part.destination = add(destination, set: sets[block])
            if let partial = collective.partial {
                let own = self.partial(partial, set: result.partitioned.buffers[part.source].set)
                part.partial = own
                part.moves = moves.reduce(own, to: sets[block], &geometry)
            } else {
                let from = result.partitioned.buffers[part.source].set
                part.moves = moves.move(from: from, to: sets[block], &geometry)
            }
            if part.moves.isLocal { (part.kind, part.axes) = (.slice, []) }
            if part.wire == .int8, !result.partitioned.canTravelAsInt8(part) { part.wire = .exact }
            append(part, block: block)
            made.buffers.append(part.destination)
        }
        buffers.parts[collective.destination] = made
    }

    /// Boxes that the blocks of an exchange bring, as sets; nil where it does not travel in blocks.
    private mutating func destinations(
        of collective: PartitionedProgram.Collective, _ parts: BlockBuffers.Parts
    ) -> [Int]? {
        let destination = old.buffers[collective.destination]
        let isParallel = BlockFactors.isParallel(collective, parts.dim, old)
        if !isParallel, factors.isRelayed(collective, parts.dim), let partial = collective.partial {
            // Pieces of every block of its own, which are gathered to the ranges that the source has.
            relayed[collective.destination] = parts.buffers.map { ranges(of: $0, parts.dim) }
            return parts.buffers.map { buffer in
                let own = self.partial(partial, set: result.partitioned.buffers[buffer].set)
                return geometry.pieces(
                    of: own, rank: destination.type.rank,
                    columnUnit: collective.wire.columnUnit(destination.type.sizes.last ?? 1))
            }
        }
        let own = isParallel ? parts.buffers.map { ranges(of: $0, parts.dim) } : nil
        guard let cuts = relayed[collective.source] ?? own else { return nil }
        return cuts.map { ranges in
            var boxes = destination.boxes
            for device in boxes.indices { boxes[device].ranges[parts.dim] = ranges[device] }
            return geometry.table.intern(boxes)
        }
    }

    private func ranges(of buffer: Int, _ dim: Int) -> [Range<Int>] {
        result.partitioned.buffers[buffer].boxes.map { $0.ranges[dim] }
    }

    /// A block of partial results.
    private mutating func partial(_ partial: PartialValue, set: Int) -> PartialValue {
        let key = PartialKey(partial: partial, set: set)
        if let known = partials[key] { return known }
        partialCount += 1
        var own = partial
        (own.number, own.set) = (partialCount, set)
        partials[key] = own
        return own
    }

    // MARK: Buffers

    /// The buffer that holds a block of an operand's boxes, or all of it where all is read.
    private mutating func part(_ operand: Int, _ block: Int, _ set: Int) -> Int {
        let own = old.buffers[operand]
        if geometry.table[set].boxes == own.boxes { return whole(operand) }
        if let parts = buffers.parts[operand], result.partitioned.buffers[parts.buffers[block]].set == set {
            return parts.buffers[block]
        }
        let key = BlockBuffers.Slice(buffer: operand, set: set)
        if let known = buffers.slices[key] { return known }
        let source = whole(operand)
        let slice = add(PartitionedProgram.Buffer(type: own.type, set: set, boxes: [], kind: .arena), set: set)
        let sides = own.boxes.indices.map { device in
            copying(geometry.table[set].boxes[device], from: own.boxes[device], to: geometry.table[set].boxes[device])
        }
        append(local(sides, source, slice), block: block)
        buffers.slices[key] = slice
        return slice
    }

    /// The buffer that holds all of a value; its blocks are copied together where there is none.
    private mutating func whole(_ buffer: Int) -> Int {
        if let known = buffers.wholes[buffer] { return known }
        guard let parts = buffers.parts[buffer] else { preconditionFailure("a buffer is written before it is read") }
        let made = wholeResult(buffer)
        for (block, part) in parts.buffers.enumerated() {
            let sides = old.buffers[buffer].boxes.indices.map { device in
                let box = result.partitioned.buffers[part].boxes[device]
                return copying(box, from: box, to: old.buffers[buffer].boxes[device])
            }
            append(local(sides, part, made), block: block)
        }
        return made
    }

    /// The new buffer for all of a value.
    private mutating func wholeResult(_ buffer: Int) -> Int {
        if let known = buffers.wholes[buffer] { return known }
        let made = add(old.buffers[buffer])
        buffers.wholes[buffer] = made
        return made
    }

    private mutating func add(_ buffer: PartitionedProgram.Buffer, set: Int? = nil) -> Int {
        var buffer = buffer
        if let set { (buffer.set, buffer.boxes) = (set, geometry.table[set].boxes) }
        result.partitioned.buffers.append(buffer)
        return result.partitioned.buffers.count - 1
    }

    // MARK: Steps

    private func copying(_ box: Box, from source: Box, to destination: Box) -> Moves.Side {
        if box.isEmpty { return Moves.Side() }
        return Moves.Side(copies: [.init(from: box.relative(to: source), to: box.relative(to: destination))])
    }

    private mutating func local(
        _ sides: [Moves.Side], _ source: Int, _ destination: Int
    ) -> PartitionedProgram.Collective {
        // Below all of the table's numbers, and each its own.
        localCount += 1
        return .init(
            kind: .slice, axes: [], source: source, destination: destination,
            moves: Moves(sides, number: -localCount, coordinates: geometry.coordinates), scope: scope)
    }

    private mutating func append(_ collective: PartitionedProgram.Collective, block: Int?) {
        result.partitioned.exchanges.append(collective)
        append(.exchange(result.partitioned.exchanges.count - 1), block: block)
    }

    private mutating func append(_ step: PartitionedProgram.Step, block: Int?) {
        result.partitioned.steps.append(step)
        result.blocks.append(block)
    }
}
