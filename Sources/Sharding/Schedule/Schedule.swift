import Program
import Tensor

/// In which order every device computes, sends and waits, and which exchanges travel in one message.
///
/// There is one schedule for all devices, so that all of them agree about order and membership. Exchanges finish in the
/// order in which they start: that is the order in which messages between two devices arrive.
struct Schedule: Sendable {
    enum Step: Sendable {
        case compute(ComputeInstruction)
        /// Exchanges that are sent together; the first carries the others.
        case start([Int])
        case finish([Int])
    }

    var steps: [Step]

    /// The partitioner's order: every exchange by itself, waited for at once.
    init(_ partitioned: PartitionedProgram) {
        steps = partitioned.steps.flatMap { step -> [Step] in
            switch step {
            case .compute(let instruction): [.compute(instruction)]
            case .exchange(let index): [.start([index]), .finish([index])]
            }
        }
    }

    init(steps: [Step]) { self.steps = steps }

    /// For each exchange that carries others, those.
    var fused: [Int: [Int]] {
        var result: [Int: [Int]] = [:]
        for case .start(let group) in steps where group.count > 1 { result[group[0]] = Array(group.dropFirst()) }
        return result
    }

    var instructions: [Instruction] {
        steps.map { step in
            switch step {
            case .compute(let instruction): .compute(instruction)
            case .start(let group): .exchangeStart(group[0])
            case .finish(let group): .exchangeFinish(group[0])
            }
        }
    }
}

/// Which step of a partitioned program writes a buffer, and which read it; a buffer is written once.
struct BufferUses {
    /// By buffer; nil for what is there from the start.
    private(set) var writer: [Int?]
    /// By buffer, ascending.
    private(set) var readers: [[Int]]
    /// True for buffers that outlive a call and are both read and replaced by it: order matters beyond reads and writes.
    private(set) var isReplaced: [Bool]

    init(_ partitioned: PartitionedProgram) {
        let count = partitioned.buffers.count
        writer = Array(repeating: nil, count: count)
        readers = Array(repeating: [], count: count)
        for (index, step) in partitioned.steps.enumerated() {
            switch step {
            case .compute(let instruction):
                for buffer in Set(instruction.operands) { readers[buffer].append(index) }
                writer[instruction.result] = index
            case .exchange(let exchange):
                readers[partitioned.exchanges[exchange].source].append(index)
                writer[partitioned.exchanges[exchange].destination] = index
            }
        }
        var names: [String: Int] = [:]
        for buffer in partitioned.buffers {
            if case .resident(let name) = buffer.kind { names[name, default: 0] += 1 }
        }
        isReplaced = partitioned.buffers.map { buffer in
            if case .resident(let name) = buffer.kind { return names[name, default: 0] > 1 }
            return false
        }
    }
}

extension ComputeInstruction {
    /// True for what takes so long that a message could be on its way meanwhile: products, convolutions and attention.
    var isHeavy: Bool {
        switch opcode {
        case .dot, .dotGeneral, .conv, .convGeneral, .attention, .nearestCode: true
        default: false
        }
    }
}
