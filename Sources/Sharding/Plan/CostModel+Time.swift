public import Program
import Tensor

extension CostModel {
    /// What bounds an instruction.
    public enum Work: Sendable, Hashable {
        /// Fused attention; floating-point operations.
        case attention(flops: Int)
        /// Point-wise and reducing kernels; elements, counted as gelus.
        case elements(Double)
        /// A matrix product.
        case matrix(MachineProfile.Precision, rows: Int, depth: Int, columns: Int)
        /// Only memory.
        case movement
    }

    /// The kind and amount of one kernel call's work.
    public static func work(of instruction: ComputeInstruction, in local: LocalProgram) -> Work {
        let result = local.buffers[instruction.result].box
        let operands = instruction.operands.map { local.buffers[$0] }
        func product(_ depth: Int, columns: Int) -> Work {
            let isHalf = operands[0].dtype == .bf16 && operands[1].dtype == .bf16
            let isQuantised = instruction.attributes.values["precision"] != nil
            return .matrix(
                isQuantised ? .int8 : isHalf ? .bf16 : .f32, rows: result.elementCount / max(1, columns), depth: depth,
                columns: columns)
        }
        switch instruction.opcode {
        case .attention:
            let keyDims = instruction.attributes.int("keyDims")
            let keys = operands[1].box.dims.dropLast(2).suffix(keyDims).reduce(1, *)
            return .attention(flops: 4 * result.elementCount * keys)
        case .dot:
            let weights = operands[1].box.dims
            let count = instruction.attributes.int("contract")
            return product(
                weights.suffix(count).reduce(1, *), columns: weights.dropLast(count).reduce(1, *))
        case .dotGeneral:
            let right = operands[1].box.dims
            let contracted = instruction.attributes.ints("rhsContract").reduce(1) { $0 * right[$1] }
            let batch = instruction.attributes.ints("rhsBatch").reduce(1) { $0 * right[$1] }
            return product(contracted, columns: operands[1].box.elementCount / max(1, contracted * batch))
        case .conv:
            return product(
                operands[1].box.dims.dropFirst().reduce(1, *), columns: operands[1].box.dims[0])
        case .convGeneral:
            return product(
                operands[1].box.dims.dropLast().reduce(1, *), columns: operands[1].box.dims.last ?? 1)
        case .nearestCode:
            let codes = operands[1].box.dims
            return .matrix(.f32, rows: result.elementCount / 3, depth: codes.last ?? 1, columns: codes.first ?? 1)
        default:
            guard let weight = elementWeight(instruction.opcode) else { return .movement }
            let elements = max(result.elementCount, operands.first?.box.elementCount ?? 0)
            return .elements(weight * Double(elements))
        }
    }

    /// Time of an element relative to one of gelu; nil where memory alone counts.
    private static func elementWeight(_ opcode: Opcode) -> Double? {
        switch opcode {
        case .activation, .gatedGelu, .unary: 1
        case .rmsNorm, .layerNorm, .groupNormalize, .globalResponseNorm, .modulate: 0.5
        case .reduce, .groupSum, .groupSquares, .compare, .select, .binary, .maxPool, .argMax: 0.25
        case .sumExp, .sinusoid: 2
        case .choose, .confidence: 8
        case .remask, .sort, .topK: 8
        case .depthwiseConv: 2
        default: nil
        }
    }

    /// Bytes that a kernel call reads and writes.
    public static func byteCount(of instruction: ComputeInstruction, in local: LocalProgram) -> Int {
        let result = local.buffers[instruction.result].byteCount
        // A lookup reads what it gives, not the whole table.
        switch instruction.opcode {
        case .gather, .takeRow, .slice, .dynamicSlice, .annotate: return 2 * result
        default: return instruction.operands.reduce(result) { $0 + local.buffers[$1].byteCount }
        }
    }

    /// Predicted seconds of one kernel call: the longer of computing and moving its bytes, and what any call takes.
    public static func seconds(
        of instruction: ComputeInstruction, in local: LocalProgram, on worker: MachineProfile.Worker
    ) -> Double {
        let memory = Double(byteCount(of: instruction, in: local)) / worker.memoryBandwidth
        let compute =
            switch work(of: instruction, in: local) {
            case .attention(let flops): Double(flops) / worker.attentionRate
            case .elements(let count): count / worker.elementRate
            case .matrix(let precision, let rows, let depth, let columns):
                // As many as the result has, in nodes of the reduction tree or not.
                2 * Double(rows) * Double(depth) * Double(columns)
                    / worker.matrixRate(precision, rows: rows, depth: depth, columns: columns)
            case .movement: 0.0
            }
        // The rates of products were measured with weights in memory: reading them is in the rate.
        if instruction.opcode == .dot { return worker.instructionSeconds + compute }
        return worker.instructionSeconds + max(compute, memory)
    }

    /// Messages that one device sends in one call.
    public static func messageCount(of local: LocalProgram) -> Int {
        local.instructions.reduce(0) { sum, instruction in
            guard case .exchangeStart(let index) = instruction else { return sum }
            return sum + local.messages(sentBy: index).count
        }
    }

    /// Bytes that some programs need on a device at once: weights, the largest arena, and what so many prompts keep.
    public static func peakByteCount(of locals: [LocalProgram], promptCount: Int = 1) -> Int {
        weightByteCount(of: locals) + (locals.map(\.arenaByteCount).max() ?? 0)
            + residentByteCount(of: locals) * promptCount
    }
}
