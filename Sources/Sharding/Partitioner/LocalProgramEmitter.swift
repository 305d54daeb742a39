import Program
import Tensor

/// Writes the devices' ``LocalProgram``s from the partitioned program, with their memory plans.
struct LocalProgramEmitter {
    let partitioned: PartitionedProgram
    /// First and last step of every arena buffer and staging area: the same on all devices.
    private let lifetimes: [MemoryPlan.Lifetime]
    /// For every output, the devices that hand over their box.
    private let primaries: [[Bool]]
    private let instructions: [Instruction]
    /// By exchange: those that travel in its messages.
    private let fused: [[Int]]
    /// By buffer: true for residents that the program writes.
    private let isWritten: [Bool]
    /// For each buffer of a weight, earlier ones of the same weight.
    private let twins: [Int: [Int]]
    /// By device: number of its memory plan; devices whose buffers have equal sizes share one.
    private var planOf: [Int] = []
    private var plans: [MemoryPlacement] = []

    private struct MemoryPlacement {
        /// By lifetime; nil where nothing is placed.
        var offsets: [Int?]
        var byteCount: Int
    }

    /// A weight as it is kept, whichever part of it.
    private struct KeptWeight: Hashable {
        var name: String
        var dtype: DType
    }

    init(_ partitioned: PartitionedProgram, _ schedule: Schedule, deviceCount: Int) {
        self.partitioned = partitioned
        instructions = schedule.instructions
        var fused = [[Int]](repeating: [], count: partitioned.exchanges.count)
        for (index, others) in schedule.fused { fused[index] = others }
        self.fused = fused
        primaries = partitioned.outputs.map { Self.primaries(of: partitioned.buffers[$0.buffer].boxes) }
        lifetimes = Self.lifetimes(partitioned, schedule)
        var isWritten = [Bool](repeating: false, count: partitioned.buffers.count)
        for output in partitioned.outputs where output.isResident { isWritten[output.buffer] = true }
        self.isWritten = isWritten
        var kept: [KeptWeight: [Int]] = [:]
        var twins: [Int: [Int]] = [:]
        for (index, buffer) in partitioned.buffers.enumerated() {
            guard case .parameter(let spec) = buffer.kind else { continue }
            let weight = KeptWeight(name: spec.name, dtype: buffer.type.dtype)
            if let known = kept[weight] { twins[index] = known }
            kept[weight, default: []].append(index)
        }
        self.twins = twins
        placeAll(deviceCount)
    }

    func emit(device: Int) -> LocalProgram {
        var local = LocalProgram(name: partitioned.name, device: device)
        let plan = plans[planOf[device]]
        local.arenaByteCount = plan.byteCount
        local.instructions = instructions
        addBuffers(&local)
        local.exchanges.reserveCapacity(partitioned.exchanges.count)
        for (index, collective) in partitioned.exchanges.enumerated() {
            let side = collective.moves.sides[device]
            local.exchanges.append(
                Exchange(
                    kind: collective.kind, axes: collective.axes, source: collective.source,
                    destination: collective.destination, sends: side.sends, receives: side.receives,
                    copies: side.copies, reduction: side.reduction, scope: collective.scope, fused: fused[index],
                    wire: collective.wire))
        }
        for (index, output) in partitioned.outputs.enumerated() where !output.isResident {
            local.outputs.append(
                .init(name: output.name, buffer: output.buffer, isPrimary: primaries[index][device]))
        }
        for (lifetime, offset) in zip(lifetimes, plan.offsets) {
            guard let offset else { continue }
            if lifetime.id < local.buffers.count {
                local.buffers[lifetime.id].storage = .arena(offset: offset)
            } else {
                local.exchanges[lifetime.id - local.buffers.count].stagingOffset = offset
            }
        }
        return local
    }

    private func addBuffers(_ local: inout LocalProgram) {
        let device = local.device
        var parameterOf: [Int: Int] = [:]
        local.buffers.reserveCapacity(partitioned.buffers.count)
        for (index, buffer) in partitioned.buffers.enumerated() {
            let box = buffer.boxes[device]
            var storage = LocalBuffer.Storage.arena(offset: 0)
            switch buffer.kind {
            case .arena: break
            case .input(let name): local.inputs.append(.init(name: name, buffer: index))
            case .resident(let name):
                storage = .resident(local.residents.count)
                local.residents.append(.init(name: name, buffer: index, isOutput: isWritten[index]))
            case .parameter(let spec):
                let twin = twins[index]?.first { partitioned.buffers[$0].boxes[device] == box }
                let known = twin.flatMap { parameterOf[$0] } ?? local.parameters.count
                if known == local.parameters.count {
                    local.parameters.append(ParameterSlice(spec: spec, dtype: buffer.type.dtype, box: box))
                }
                parameterOf[index] = known
                storage = .parameter(known)
            }
            local.buffers.append(
                LocalBuffer(
                    dtype: buffer.type.dtype, dims: buffer.type.dims, box: box, nodes: buffer.nodes?[device],
                    leafCount: buffer.leafCount, isLocalSum: buffer.isLocalSum, storage: storage))
        }
    }

    /// One device of each set that holds the same box; of those that hold nothing none, unless nobody holds anything.
    private static func primaries(of boxes: [Box]) -> [Bool] {
        var seen: Set<Box> = []
        let result = boxes.map { !$0.isEmpty && seen.insert($0).inserted }
        return seen.isEmpty ? boxes.indices.map { $0 == 0 } : result
    }

    /// Steps at which buffers, and after them staging areas, are in use; bytes are filled in for each device.
    ///
    /// A buffer's id is its number, a staging area's the number of buffers and that of the exchange that is named.
    static func lifetimes(
        _ partitioned: PartitionedProgram, _ schedule: Schedule
    ) -> [MemoryPlan.Lifetime] {
        let bufferCount = partitioned.buffers.count
        var first: [Int?] = Array(repeating: nil, count: bufferCount)
        var last = [Int](repeating: -1, count: bufferCount)
        func touch(_ buffer: Int, _ step: Int) {
            first[buffer] = first[buffer] ?? step
            last[buffer] = max(last[buffer], step)
        }
        for (index, buffer) in partitioned.buffers.enumerated() {
            if case .input = buffer.kind { touch(index, 0) }
        }
        var staging: [Int: (start: Int, finish: Int)] = [:]
        for (step, entry) in schedule.steps.enumerated() {
            switch entry {
            case .compute(let compute):
                for buffer in compute.operands + [compute.result] { touch(buffer, step) }
            case .start(let group), .finish(let group):
                for index in group {
                    touch(partitioned.exchanges[index].source, step)
                    if case .finish = entry { touch(partitioned.exchanges[index].destination, step) }
                }
                staging[group[0]] = (staging[group[0]]?.start ?? step, step)
            }
        }
        for output in partitioned.outputs where !output.isResident { touch(output.buffer, schedule.steps.count) }
        var lifetimes: [MemoryPlan.Lifetime] = []
        for (index, buffer) in partitioned.buffers.enumerated() {
            guard let start = first[index] else { continue }
            switch buffer.kind {
            case .arena, .input: lifetimes.append(.init(id: index, byteCount: 0, first: start, last: last[index]))
            case .parameter, .resident: break
            }
        }
        for (index, steps) in staging.sorted(by: { $0.key < $1.key }) {
            lifetimes.append(.init(id: bufferCount + index, byteCount: 0, first: steps.start, last: steps.finish))
        }
        return lifetimes
    }

    /// Places arena buffers and staging areas by their lifetimes, once for all devices with equal sizes.
    private mutating func placeAll(_ deviceCount: Int) {
        var known: [[Int]: Int] = [:]
        for sizes in sizes(deviceCount) {
            let number = known[sizes] ?? plans.count
            if number == plans.count { plans.append(place(sizes)) }
            known[sizes] = number
            planOf.append(number)
        }
    }

    /// Bytes by device and lifetime.
    private func sizes(_ deviceCount: Int) -> [[Int]] {
        var result = [[Int]](repeating: [Int](repeating: 0, count: lifetimes.count), count: deviceCount)
        var elements: [Int: [Int]] = [:]
        for (place, lifetime) in lifetimes.enumerated() {
            if lifetime.id < partitioned.buffers.count {
                let buffer = partitioned.buffers[lifetime.id]
                let counts = elements[buffer.set] ?? buffer.boxes.map(\.elementCount)
                elements[buffer.set] = counts
                let size = buffer.type.dtype.byteCount
                for device in 0..<deviceCount {
                    result[device][place] = counts[device] * size * (buffer.nodes?[device].count ?? 1)
                }
            } else {
                let index = lifetime.id - partitioned.buffers.count
                for collective in ([index] + fused[index]).map({ partitioned.exchanges[$0] }) {
                    for device in 0..<deviceCount {
                        result[device][place] += partitioned.stagingByteCount(of: collective, device: device)
                    }
                }
            }
        }
        return result
    }

    private func place(_ sizes: [Int]) -> MemoryPlacement {
        let bufferCount = partitioned.buffers.count
        var memory = MemoryPlan()
        let offsets = memory.place(
            zip(lifetimes, sizes).filter { $0.0.id < bufferCount || $0.1 > 0 }.map { lifetime, size in
                .init(id: lifetime.id, byteCount: size, first: lifetime.first, last: lifetime.last)
            })
        return MemoryPlacement(offsets: lifetimes.map { offsets[$0.id] }, byteCount: memory.byteCount)
    }
}
