import Program
import Tensor

/// Predicted seconds of a partitioned program's steps on the device that needs longest.
struct StepCosts {
    private let partitioned: PartitionedProgram
    private let machines: MachineProfile
    /// Buffers of each device, for the cost model.
    private let locals: [LocalProgram]
    private var known: [Key: Double] = [:]

    private struct Key: Hashable {
        var opcode: Opcode
        var attributes: Attributes
        var operands: [Shape]
        var result: Shape
    }

    private struct Shape: Hashable {
        var set: Int
        var type: TensorType
    }

    /// What an exchange takes.
    struct Exchange {
        /// Handing over what is sent.
        var send = 0.0
        /// From then until all has arrived where nothing else is on its way.
        var latency = 0.0
        /// For which it occupies the busiest way.
        var transfer = 0.0
        /// Adding up and copying.
        var combine = 0.0
        /// Bytes of the largest message.
        var messageByteCount = 0
    }

    init(_ partitioned: PartitionedProgram, machines: MachineProfile) {
        self.partitioned = partitioned
        self.machines = machines
        locals = machines.workers.indices.map { device in
            var local = LocalProgram(name: partitioned.name, device: device)
            local.buffers = partitioned.buffers.map { buffer in
                LocalBuffer(
                    dtype: buffer.type.dtype, dims: buffer.type.dims, box: buffer.boxes[device],
                    nodes: buffer.nodes?[device], leafCount: buffer.leafCount, isLocalSum: buffer.isLocalSum,
                    storage: .arena(offset: 0))
            }
            return local
        }
    }

    mutating func seconds(of instruction: ComputeInstruction) -> Double {
        func shape(_ buffer: Int) -> Shape {
            Shape(set: partitioned.buffers[buffer].set, type: partitioned.buffers[buffer].type)
        }
        let key = Key(
            opcode: instruction.opcode, attributes: instruction.attributes, operands: instruction.operands.map(shape),
            result: shape(instruction.result))
        if let seconds = known[key] { return seconds }
        let seconds = zip(locals, machines.workers).reduce(0) {
            max($0, CostModel.seconds(of: instruction, in: $1.0, on: $1.1))
        }
        known[key] = seconds
        return seconds
    }

    /// Of exchanges that travel in common messages.
    func exchange(_ group: [Int]) -> Exchange {
        var result = Exchange()
        for device in locals.indices {
            let worker = machines.workers[device]
            var sent: [Int: Int] = [:]
            var (combined, copied) = (0, 0)
            for collective in group.map({ partitioned.exchanges[$0] }) {
                let (side, isExact) = (collective.moves.sides[device], collective.wire == .exact)
                let size = partitioned.buffers[collective.source].type.dtype.byteCount
                for send in side.sends {
                    let elements = send.box.elementCount * send.partials
                    let bytes = partitioned.byteCount(elements, of: collective)
                    sent[send.peer, default: 0] += bytes
                    copied += isExact ? (group.count > 1 ? 2 * bytes : 0) : bytes + elements * size
                }
                let received = side.receives.reduce(0) { $0 + $1.box.elementCount * $1.partials }
                if !isExact { combined += partitioned.byteCount(received, of: collective) + received * size }
                let kept = side.copies.reduce(0) { $0 + 2 * $1.from.elementCount * size }
                guard collective.partial == nil else {
                    if !isExact { combined += kept * (locals[device].buffers[collective.source].nodes?.count ?? 1) }
                    combined += received * size + 2 * locals[device].buffers[collective.destination].byteCount
                    continue
                }
                combined += kept
            }
            result.combine = max(
                result.combine, worker.instructionSeconds + Double(combined) / worker.memoryBandwidth)
            if sent.isEmpty { continue }
            result.send = max(result.send, worker.instructionSeconds + Double(copied) / worker.memoryBandwidth)
            var transfer = 0.0
            for (peer, bytes) in sent.sorted(by: { $0.key < $1.key }) {
                transfer += Double(bytes) / machines[device, peer].bandwidth
                result.latency = max(result.latency, machines[device, peer].latency)
                result.messageByteCount = max(result.messageByteCount, bytes)
            }
            result.transfer = max(result.transfer, transfer)
        }
        return result
    }
}
