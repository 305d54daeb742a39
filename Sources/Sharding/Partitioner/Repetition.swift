import Program
import Tensor

/// What repeats in a compiled program, as layers do: reports look at one of each kind instead of at all of them.
struct Repetition: Sendable {
    /// Exchanges or instructions of one kind.
    struct Kind: Sendable {
        /// Index of the first.
        var sample: Int
        var count: Int
    }

    /// Kinds of exchanges: those of one kind have, on every device, the same transfers of equally large elements.
    private(set) var exchanges: [Kind] = []
    /// By exchange: number of its kind.
    private(set) var exchangeKinds: [Int] = []
    /// By exchange: payload bytes that all devices together send.
    private(set) var sentByteCounts: [Int] = []
    /// Kinds of computing instructions: those of one kind do the same work, on every device.
    private(set) var computations: [Kind] = []
    /// Kinds of starts, by what travels together.
    private(set) var starts: [Kind] = []

    private struct ExchangeKey: Hashable {
        var moves: Int
        var type: TensorType
        var wire: WireFormat
    }

    private struct ComputeKey: Hashable {
        struct Buffer: Hashable {
            var set: Int
            var type: TensorType
        }
        var opcode: Opcode
        var attributes: Attributes
        var buffers: [Buffer]
    }

    init(_ partitioned: PartitionedProgram, _ schedule: Schedule) {
        var keys: [ExchangeKey: Int] = [:]
        for collective in partitioned.exchanges {
            let type = partitioned.buffers[collective.source].type
            let key = ExchangeKey(moves: collective.moves.number, type: type, wire: collective.wire)
            let number = Self.count(key, sample: exchangeKinds.count, &keys, &exchanges)
            exchangeKinds.append(number)
            sentByteCounts.append(partitioned.byteCount(collective.moves.sentTotal, of: collective))
        }
        var computeKeys: [ComputeKey: Int] = [:]
        var startKeys: [[Int]: Int] = [:]
        for (index, step) in schedule.steps.enumerated() {
            switch step {
            case .compute(let instruction):
                let buffers = (instruction.operands + [instruction.result]).map { number in
                    let buffer = partitioned.buffers[number]
                    return ComputeKey.Buffer(set: buffer.set, type: buffer.type)
                }
                let key = ComputeKey(
                    opcode: instruction.opcode, attributes: instruction.attributes, buffers: buffers)
                _ = Self.count(key, sample: index, &computeKeys, &computations)
            case .start(let group):
                _ = Self.count(group.map { exchangeKinds[$0] }, sample: group[0], &startKeys, &starts)
            case .finish: break
            }
        }
    }

    /// Counts one more of its kind.
    private static func count<Key: Hashable>(
        _ key: Key, sample: Int, _ known: inout [Key: Int], _ kinds: inout [Kind]
    ) -> Int {
        let number = known[key] ?? kinds.count
        if number == kinds.count {
            known[key] = number
            kinds.append(Kind(sample: sample, count: 0))
        }
        kinds[number].count += 1
        return number
    }
}

extension CompiledProgram {
    /// Payload bytes that a device sends in one call.
    func sentByteCount(device: Int) -> Int {
        let local = locals[device]
        return repetition.exchanges.reduce(0) { sum, kind in
            let exchange = local.exchanges[kind.sample]
            return sum + kind.count * exchange.sentByteCount(dtype: local.buffers[exchange.source].dtype)
        }
    }

    /// Payload bytes of one call by receiver, of one sender.
    func sentByteCounts(device: Int) -> [Int: Int] {
        let local = locals[device]
        var bytes: [Int: Int] = [:]
        for kind in repetition.exchanges {
            let exchange = local.exchanges[kind.sample]
            let dtype = local.buffers[exchange.source].dtype
            for send in exchange.sends {
                bytes[send.peer, default: 0] += kind.count * exchange.byteCount(of: send, dtype: dtype)
            }
        }
        return bytes
    }

    /// Messages that all devices together send in one call.
    var messageCount: Int {
        repetition.starts.reduce(0) { sum, kind in
            sum + kind.count * locals.reduce(0) { $0 + $1.messageCount(sentBy: kind.sample) }
        }
    }

    /// Floating-point operations of one call on a device.
    func flops(device: Int) -> Int {
        let local = locals[device]
        return repetition.computations.reduce(0) { sum, kind in
            guard case .compute(let compute) = local.instructions[kind.sample] else { return sum }
            return sum + kind.count * CostModel.flops(of: compute, in: local)
        }
    }
}

extension LocalProgram {
    /// Messages that a start instruction sends: one for each peer.
    fileprivate func messageCount(sentBy index: Int) -> Int {
        if exchanges[index].fused.isEmpty {
            // Transfers come in the order of peers.
            var (count, last) = (0, -1)
            for send in exchanges[index].sends where send.peer != last { (count, last) = (count + 1, send.peer) }
            return count
        }
        return Set(exchangeIndices(startedBy: index).flatMap { exchanges[$0].sends.map(\.peer) }).count
    }
}
