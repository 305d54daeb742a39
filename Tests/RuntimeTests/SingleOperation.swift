import Foundation
import Program
import Runtime
import Tensor

/// Runs one instruction on one device, whole or on parts.
struct SingleOperation {
    var opcode: Opcode
    var operands: [Sample]
    var attributes: Attributes = [:]
    /// Element type of the result where the operation leaves it open.
    var dtype: DType = .f32
    /// Operands that are weights, read from a file.
    var weights: Set<Int> = []
    var threads = 2
    /// Type of the result where nothing is inferred.
    var declared: TensorType?

    /// Type of the whole result.
    func resultType() throws -> TensorType {
        if let declared { return declared }
        let (dims, decided) = try ShapeRule.infer(opcode, operands.map(\.type), attributes)
        return TensorType(decided ?? dtype, dims)
    }

    /// Runs on everything.
    func whole() throws -> HostTensor {
        try run(boxes: operands.map { Box(covering: $0.sizes) }, result: Box(covering: try resultType().sizes))
    }

    /// Runs on parts of the operands; with tree nodes the result has a leading dimension of them, in f32.
    func run(
        boxes: [Box], result box: Box, nodes: [ReductionTree.Node]? = nil, leafCount: Int = 0,
        isLocalSum: Bool = false
    ) throws -> HostTensor {
        let type = try resultType()
        var program = LocalProgram(name: "test", device: 0)
        var sources: [String: ParameterSource] = [:]
        var inputs: [String: HostTensor] = [:]
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        for (index, operand) in operands.enumerated() {
            let name = "operand\(index)"
            let storage: LocalBuffer.Storage
            if weights.contains(index) {
                let spec = ParameterSpec(name: name, part: "test", tensor: name, fileDims: operand.sizes)
                storage = .parameter(program.parameters.count)
                program.parameters.append(ParameterSlice(spec: spec, dtype: operand.type.dtype, box: boxes[index]))
                let file = folder.appendingPathComponent(name)
                try Data(operand.host.bytes).write(to: file)
                sources[name] = .file(path: file.path, offset: 0, dtype: operand.type.dtype)
            } else {
                storage = .arena(offset: program.arenaByteCount)
                program.inputs.append(.init(name: name, buffer: index))
                inputs[name] = operand.host
            }
            let buffer = LocalBuffer(
                dtype: operand.type.dtype, dims: operand.type.dims, box: boxes[index], storage: storage)
            if !weights.contains(index) { program.arenaByteCount += (buffer.byteCount + 63) / 64 * 64 }
            program.buffers.append(buffer)
        }
        let result = LocalBuffer(
            dtype: nodes == nil ? type.dtype : .f32, dims: type.dims, box: box, nodes: nodes, leafCount: leafCount,
            isLocalSum: isLocalSum, storage: .arena(offset: program.arenaByteCount))
        program.arenaByteCount += result.byteCount
        program.buffers.append(result)
        program.instructions = [
            .compute(
                ComputeInstruction(
                    opcode: opcode, operands: Array(operands.indices), result: operands.count, attributes: attributes,
                    scope: "test"))
        ]
        // A result with tree nodes goes out as [nodes] + its part.
        program.outputs = [.init(name: "result", buffer: operands.count, isPrimary: nodes == nil)]
        let executor = try Executor(
            program: nodes.map { flattened(program, nodes: $0.count) } ?? program,
            weights: WeightStore(sources: sources), threads: ThreadPool(threads: threads))
        let outputs = try executor.run(
            inputs: inputs, residents: ResidentStore(), request: 1,
            tag: FrameTag(epoch: 0, request: 1, step: 0, instruction: 0), fabric: NoFabric(), deadline: .seconds(1))
        return outputs[0].tensor
    }

    /// Adds a view of the result's storage in which tree nodes are an ordinary dimension.
    private func flattened(_ program: LocalProgram, nodes: Int) -> LocalProgram {
        var program = program
        let result = program.buffers[operands.count]
        program.buffers.append(
            LocalBuffer(
                dtype: .f32, dims: [Dim(nodes)] + result.box.dims.map { Dim($0) },
                box: Box(covering: [nodes] + result.box.dims), storage: result.storage))
        program.outputs = [.init(name: "result", buffer: operands.count + 1, isPrimary: true)]
        return program
    }
}

/// For programs without exchanges.
final class NoFabric: Fabric {
    let rank = 0
    let size = 1
    let sentByteCount = 0
    func send(to peer: Int, tag: FrameTag, bytes: UnsafeRawBufferPointer) throws {}
    func receive(
        from peer: Int, tag: FrameTag, into bytes: UnsafeMutableRawBufferPointer, deadline: Duration
    ) throws {}
}
