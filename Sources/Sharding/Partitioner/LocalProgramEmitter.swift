import Program
import Tensor

/// Writes one device's ``LocalProgram`` from the partitioned program, with its memory plan.
struct LocalProgramEmitter {
    let partitioned: PartitionedProgram
    /// First and last step of every arena buffer and staging area: the same on all devices.
    private let lifetimes: [MemoryPlan.Lifetime]
    /// For every output, the devices that hand over their box.
    private let primaries: [[Bool]]
    private let instructions: [Instruction]
    /// For each exchange that carries others, those.
    private let fused: [Int: [Int]]
    private var plans: [[Int]: MemoryPlacement] = [:]

    private struct MemoryPlacement {
        var offsets: [Int: Int]
        var byteCount: Int
    }

    init(_ partitioned: PartitionedProgram, _ schedule: Schedule) {
        self.partitioned = partitioned
        instructions = schedule.instructions
        fused = schedule.fused
        primaries = partitioned.outputs.map { Self.primaries(of: partitioned.buffers[$0.buffer].boxes) }
        lifetimes = Self.lifetimes(partitioned, schedule)
    }

    mutating func emit(device: Int) -> LocalProgram {
        var local = LocalProgram(name: partitioned.name, device: device)
        var parameterIndex: [ParameterSlice: Int] = [:]
        local.buffers.reserveCapacity(partitioned.buffers.count)
        for (index, buffer) in partitioned.buffers.enumerated() {
            var entry = LocalBuffer(
                dtype: buffer.type.dtype, dims: buffer.type.dims, box: buffer.boxes[device],
                nodes: buffer.nodes?[device], leafCount: buffer.leafCount, isLocalSum: buffer.isLocalSum,
                storage: .arena(offset: 0))
            switch buffer.kind {
            case .arena: break
            case .input(let name): local.inputs.append(.init(name: name, buffer: index))
            case .resident(let name):
                let isOutput = partitioned.outputs.contains { $0.buffer == index && $0.isResident }
                entry.storage = .resident(local.residents.count)
                local.residents.append(.init(name: name, buffer: index, isOutput: isOutput))
            case .parameter(let spec):
                let slice = ParameterSlice(spec: spec, dtype: buffer.type.dtype, box: buffer.boxes[device])
                let known = parameterIndex[slice] ?? local.parameters.count
                if known == local.parameters.count { local.parameters.append(slice) }
                parameterIndex[slice] = known
                entry.storage = .parameter(known)
            }
            local.buffers.append(entry)
        }
        local.instructions = instructions
        local.exchanges = partitioned.exchanges.enumerated().map { index, collective in
            let side = collective.moves.sides[device]
            return Exchange(
                kind: collective.kind, axes: collective.axes, source: collective.source,
                destination: collective.destination, sends: side.sends, receives: side.receives, copies: side.copies,
                reduction: side.reduction, scope: collective.scope, fused: fused[index] ?? [])
        }
        for (index, output) in partitioned.outputs.enumerated() where !output.isResident {
            local.outputs.append(
                .init(name: output.name, buffer: output.buffer, isPrimary: primaries[index][device]))
        }
        plan(&local)
        return local
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

    /// Places arena buffers and staging areas by their lifetimes; devices with equal sizes share the placement.
    private mutating func plan(_ local: inout LocalProgram) {
        let bufferCount = local.buffers.count
        let sizes = lifetimes.map { lifetime in
            if lifetime.id < bufferCount { return local.buffers[lifetime.id].byteCount }
            let index = lifetime.id - bufferCount
            return ([index] + (fused[index] ?? [])).reduce(0) { sum, index in
                let collective = partitioned.exchanges[index]
                return sum
                    + collective.moves.stagingByteCount(
                        device: local.device, elementSize: local.buffers[collective.source].dtype.byteCount)
            }
        }
        let placement = plans[sizes] ?? place(sizes, bufferCount)
        plans[sizes] = placement
        for (id, offset) in placement.offsets {
            if id < bufferCount {
                local.buffers[id].storage = .arena(offset: offset)
            } else {
                local.exchanges[id - bufferCount].stagingOffset = offset
            }
        }
        local.arenaByteCount = placement.byteCount
    }

    private func place(_ sizes: [Int], _ bufferCount: Int) -> MemoryPlacement {
        var memory = MemoryPlan()
        let offsets = memory.place(
            zip(lifetimes, sizes).filter { $0.0.id < bufferCount || $0.1 > 0 }.map { lifetime, size in
                .init(id: lifetime.id, byteCount: size, first: lifetime.first, last: lifetime.last)
            })
        return MemoryPlacement(offsets: offsets, byteCount: memory.byteCount)
    }
}
