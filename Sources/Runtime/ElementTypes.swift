import Program
import Tensor

/// Which element types the general operations' kernels take and give.
enum ElementTypes {
    private static let real: Set<DType> = [.f32, .bf16]
    private static let stored: Set<DType> = [.f32, .bf16, .i32, .u8]

    /// What is wrong with an instruction's element types; nil where nothing is, or where its kernel looks itself.
    static func problem(_ compute: ComputeInstruction, _ buffers: [LocalBuffer]) -> String? {
        let operands = compute.operands.map { buffers[$0].dtype }
        let result = buffers[compute.result].dtype
        func need(_ condition: Bool, _ what: String) -> String? { condition ? nil : what }
        switch compute.opcode {
        case .constant, .cast:
            return need(stored.isSuperset(of: operands + [result]), "f16 is never computed with")
        case .iota:
            return need(result == .i32 || real.contains(result), "it counts in i32 or real numbers")
        case .concat:
            return need(
                operands.allSatisfy { $0 == result } || real.isSuperset(of: operands + [result]),
                "operands and result have one element type, or are real")
        case .annotate, .broadcast, .transpose, .reshape, .slice, .pad, .reverse, .dynamicSlice, .dynamicUpdate, .sort,
            .resize:
            return need(operands[0] == result && stored.contains(result), "the result has the operand's element type")
        case .select:
            return need(operands[1] == result && stored.contains(result), "the result has the choices' element type")
        case .unary, .dotGeneral, .convGeneral, .maxPool, .reduce:
            return need(real.isSuperset(of: operands + [result]), "operands and result are real")
        case .binary:
            return need(
                operands.allSatisfy { $0 == .i32 } ? result == .i32 : real.contains(result),
                "the result is i32 where the operands are, else real")
        case .compare: return need(result == .u8, "the result is u8")
        case .argMax, .topK, .mergeTopK: return need(result == .f32, "the result is f32")
        default: return nil
        }
    }
}
