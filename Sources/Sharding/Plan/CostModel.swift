public import Program
import Tensor

/// Predicted work of local programs: FLOPs, bytes moved, memory.
public enum CostModel {
    /// Floating-point operations of one kernel call on one device (a multiply-add counts as two).
    public static func flops(of instruction: ComputeInstruction, in local: LocalProgram) -> Int {
        let result = local.buffers[instruction.result].box.elementCount
        switch work(of: instruction, in: local) {
        case .attention(let flops): return flops
        case .matrix(_, let rows, let depth, let columns): return 2 * rows * depth * columns
        case .elements, .movement: return instruction.opcode == .depthwiseConv ? 2 * 9 * result : result
        }
    }

    /// Floating-point operations of a whole local program.
    public static func flops(of local: LocalProgram) -> Int {
        local.instructions.reduce(0) { sum, instruction in
            guard case .compute(let compute) = instruction else { return sum }
            return sum + flops(of: compute, in: local)
        }
    }

    /// Payload bytes that one device sends in one call.
    public static func sentByteCount(of local: LocalProgram) -> Int {
        local.exchanges.reduce(0) { $0 + $1.sentByteCount(dtype: local.buffers[$1.source].dtype) }
    }

    /// Bytes of the weights that a device holds for some programs; what several use counts once.
    public static func weightByteCount(of locals: [LocalProgram]) -> Int {
        var weights: Set<StoredWeight> = []
        for local in locals { weights.formUnion(local.storedWeights) }
        return weights.reduce(0) { $0 + $1.byteCount }
    }

    /// Bytes that one request keeps on a device between its programs.
    public static func residentByteCount(of locals: [LocalProgram]) -> Int {
        locals.reduce(0) { sum, local in
            sum + local.residents.filter(\.isOutput).reduce(0) { $0 + local.buffers[$1.buffer].byteCount }
        }
    }
}
