import Dispatch
import Foundation
import Program
import Runtime
import Sharding
import Synchronization
import Tensor
import Transport

/// Runs the local programs of one program, each on a thread of its own, joined by the in-process fabric.
enum InProcessMesh {
    /// What came back.
    struct Result {
        /// Whole outputs by name.
        var outputs: [String: HostTensor]
        /// Payload bytes that the fabric counted, by device.
        var sentBytes: [Int]
    }

    private typealias Part = [(name: String, box: Box, tensor: HostTensor)]

    /// Runs all devices to their end; throws what the first device threw.
    static func run(
        _ locals: [LocalProgram], inputs: [String: HostTensor], sources: [String: ParameterSource] = [:]
    ) throws -> Result {
        let fabrics = LocalFabric.make(size: locals.count)
        let parts = Mutex<[Swift.Result<Part, any Error>?]>(Array(repeating: nil, count: locals.count))
        if locals.count == 1 {
            let end = work(locals[0], inputs, sources, fabrics[0])
            parts.withLock { $0[0] = end }
        } else {
            let group = DispatchGroup()
            for (local, fabric) in zip(locals, fabrics) {
                group.enter()
                let thread = Thread {
                    let end = work(local, inputs, sources, fabric)
                    parts.withLock { $0[fabric.rank] = end }
                    group.leave()
                }
                thread.stackSize = 4 << 20
                thread.start()
            }
            group.wait()
        }
        let ends = parts.withLock { $0 }
        let results = try ends.compactMap { try $0?.get() }
        return Result(outputs: assemble(results, locals), sentBytes: fabrics.map(\.sentByteCount))
    }

    private static func work(
        _ local: LocalProgram, _ inputs: [String: HostTensor], _ sources: [String: ParameterSource],
        _ fabric: LocalFabric
    ) -> Swift.Result<Part, any Error> {
        let end = Swift.Result<Part, any Error> {
            let executor = try Executor(
                program: local, weights: WeightStore(sources: sources), threads: ThreadPool(threads: 1))
            return try executor.run(
                inputs: inputs, residents: ResidentStore(), request: 1,
                tag: FrameTag(epoch: 1, request: 1, step: 1, instruction: 0), fabric: fabric,
                deadline: .seconds(60))
        }
        // Peers of a device that failed wait no longer.
        if case .failure = end { fabric.close() }
        return end
    }

    private static func assemble(_ parts: [Part], _ locals: [LocalProgram]) -> [String: HostTensor] {
        var whole: [String: HostTensor] = [:]
        for (rank, outputs) in parts.enumerated() {
            for output in outputs {
                guard let port = locals[rank].outputs.first(where: { $0.name == output.name }) else { continue }
                let dims = locals[rank].buffers[port.buffer].dims.map(\.size)
                let count = dims.reduce(1, *) * output.tensor.dtype.byteCount
                var target =
                    whole[output.name]
                    ?? HostTensor(dtype: output.tensor.dtype, dims: dims, bytes: Array(repeating: 0xEE, count: count))
                target.insert(output.tensor, at: output.box)
                whole[output.name] = target
            }
        }
        return whole
    }
}
