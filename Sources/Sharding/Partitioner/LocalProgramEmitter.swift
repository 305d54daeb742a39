import Program
import Tensor

/// Writes one device's ``LocalProgram`` from the partitioned program, with its memory plan.
struct LocalProgramEmitter {
    let partitioned: PartitionedProgram
    let geometry: ShardGeometry

    func emit(device: Int) -> LocalProgram {
        var local = LocalProgram(name: partitioned.name, device: device)
        var parameterIndex: [ParameterSlice: Int] = [:]
        for (index, buffer) in partitioned.buffers.enumerated() {
            var entry = LocalBuffer(
                dtype: buffer.type.dtype, dims: buffer.type.dims, box: buffer.boxes[device],
                nodes: buffer.nodes?[device], leafCount: buffer.leafCount, storage: .arena(offset: 0))
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
        for step in partitioned.steps {
            switch step {
            case .compute(let instruction): local.instructions.append(.compute(instruction))
            case .exchange(let index):
                local.instructions.append(.exchangeStart(index))
                local.instructions.append(.exchangeFinish(index))
            }
        }
        local.exchanges = partitioned.exchanges.map { $0[device] }
        for output in partitioned.outputs where !output.isResident {
            local.outputs.append(
                .init(
                    name: output.name, buffer: output.buffer,
                    isPrimary: geometry.isFirstReplica(device, axes: partitioned.buffers[output.buffer].axes)))
        }
        plan(&local)
        return local
    }

    /// Places arena buffers and staging areas by their lifetimes.
    private func plan(_ local: inout LocalProgram) {
        let bufferCount = local.buffers.count
        var first: [Int?] = Array(repeating: nil, count: bufferCount)
        var last = [Int](repeating: -1, count: bufferCount)
        func touch(_ buffer: Int, _ step: Int) {
            first[buffer] = first[buffer] ?? step
            last[buffer] = max(last[buffer], step)
        }
        for port in local.inputs { touch(port.buffer, 0) }
        var staging: [Int: (start: Int, finish: Int)] = [:]
        for (step, instruction) in local.instructions.enumerated() {
            switch instruction {
            case .compute(let compute):
                for buffer in compute.operands + [compute.result] { touch(buffer, step) }
            case .exchangeStart(let index), .exchangeFinish(let index):
                touch(local.exchanges[index].source, step)
                touch(local.exchanges[index].destination, step)
                staging[index] = (staging[index]?.start ?? step, step)
            }
        }
        for output in local.outputs { touch(output.buffer, local.instructions.count) }
        var lifetimes: [MemoryPlan.Lifetime] = []
        for (index, buffer) in local.buffers.enumerated() {
            guard case .arena = buffer.storage, let start = first[index] else { continue }
            lifetimes.append(.init(id: index, byteCount: buffer.byteCount, first: start, last: last[index]))
        }
        for (index, steps) in staging {
            let dtype = local.buffers[local.exchanges[index].source].dtype
            let bytes = local.exchanges[index].stagingByteCount(dtype: dtype)
            if bytes == 0 { continue }
            lifetimes.append(
                .init(id: bufferCount + index, byteCount: bytes, first: steps.start, last: steps.finish))
        }
        var memory = MemoryPlan()
        let offsets = memory.place(lifetimes)
        for (id, offset) in offsets {
            if id < bufferCount {
                local.buffers[id].storage = .arena(offset: offset)
            } else {
                local.exchanges[id - bufferCount].stagingOffset = offset
            }
        }
        local.arenaByteCount = memory.byteCount
    }
}
