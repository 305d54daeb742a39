import CKernels
import Program
import Tensor

/// Makes the kernel of an instruction: one case an operation, the work in one file a family.
struct KernelBuilder {
    let program: LocalProgram
    let table: BufferTable
    let weights: WeightStore
    let pool: ThreadPool
    let scratch: Scratch

    func kernel(_ compute: ComputeInstruction) -> Kernel {
        let operands = compute.operands.map { Operand(index: $0, buffer: program.buffers[$0], table: table) }
        let result = Operand(index: compute.result, buffer: program.buffers[compute.result], table: table)
        let context = OperationContext(
            opcode: compute.opcode, attributes: compute.attributes, operands: operands, result: result, pool: pool,
            scratch: scratch, isa: weights.isa, packed: packed(compute))
        if result.buffer.byteCount == 0 { return {} }
        return make(context)
    }

    private func packed(_ compute: ComputeInstruction) -> UnsafeMutableRawPointer? {
        guard compute.opcode == .dot || compute.opcode == .conv,
            case .parameter(let parameter) = program.buffers[compute.operands[1]].storage
        else { return nil }
        return weights.find(program.parameters[parameter], WeightUse.layout(compute, 1, program.buffers))
    }

    private func make(_ context: OperationContext) -> Kernel {
        switch context.opcode {
        case .parameter, .input: preconditionFailure("\(context.opcode.rawValue) is no instruction of a local program")
        case .constant, .iota, .dotGeneral, .unary, .binary, .compare, .select, .annotate, .broadcast, .transpose,
            .reshape, .slice, .pad, .reverse, .dynamicSlice, .dynamicUpdate, .sort, .convGeneral, .maxPool, .resize,
            .argMax, .topK, .mergeTopK:
            preconditionFailure("\(context.opcode.rawValue) has no kernel")
        case .dot: DotKernel.make(context)
        case .gather: LookupKernels.gather(context)
        case .takeRow: LookupKernels.takeRow(context)
        case .nearestCode: LookupKernels.nearestCode(context)
        case .add: ElementwiseKernels.binary(context, TK_ADD)
        case .multiply: ElementwiseKernels.binary(context, TK_MULTIPLY)
        case .activation: ElementwiseKernels.activation(context)
        case .gatedGelu: ElementwiseKernels.gatedGelu(context)
        case .modulate: ElementwiseKernels.modulate(context)
        case .cast: ElementwiseKernels.cast(context)
        case .concat: ElementwiseKernels.concat(context)
        case .sinusoid: ElementwiseKernels.sinusoid(context)
        case .pixels: ElementwiseKernels.pixels(context)
        case .rmsNorm, .layerNorm: NormalizationKernels.rows(context)
        case .groupSum, .groupSquares: NormalizationKernels.groupLeaves(context)
        case .groupNormalize: NormalizationKernels.groupNormalize(context)
        case .globalResponseNorm: NormalizationKernels.responseNorm(context)
        case .reduce: ReductionKernels.reduce(context)
        case .sumExp: ReductionKernels.sumExp(context)
        case .attention: AttentionKernel.make(context)
        case .conv: ConvolutionKernel.make(context)
        case .depthwiseConv: PictureKernels.depthwise(context)
        case .spaceToDepth: PictureKernels.spaceToDepth(context)
        case .depthToSpace: PictureKernels.depthToSpace(context)
        case .guide: SamplingKernels.guide(context)
        case .choose: SamplingKernels.choose(context)
        case .choiceIndex: SamplingKernels.choiceIndex(context)
        case .acceptTokens: SamplingKernels.acceptTokens(context)
        case .confidence: SamplingKernels.confidence(context)
        case .remask: SamplingKernels.remask(context)
        }
    }
}
