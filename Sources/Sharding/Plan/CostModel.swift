public import Program
import Tensor

/// Predicted work of local programs: FLOPs, bytes moved, memory.
public enum CostModel {
    /// Floating-point operations of one kernel call on one device (a multiply-add counts as two).
    public static func flops(of instruction: ComputeInstruction, in local: LocalProgram) -> Int {
        let result = local.buffers[instruction.result].box.elementCount
        let operands = instruction.operands.map { local.buffers[$0].box }
        switch instruction.opcode {
        case .dot:
            let depth = operands[1].dims.suffix(instruction.attributes.int("contract")).reduce(1, *)
            return 2 * result * depth
        case .conv:
            return 2 * result * operands[1].dims.dropFirst().reduce(1, *)
        case .depthwiseConv:
            return 2 * 9 * result
        case .attention:
            let keyDims = instruction.attributes.int("keyDims")
            let keys = operands[1].dims.dropLast(2).suffix(keyDims).reduce(1, *)
            return 4 * result * keys
        case .nearestCode:
            return result * operands[1].elementCount
        default:
            return result
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
