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
    let memory: KernelMemory

    func kernel(_ compute: ComputeInstruction) throws(KernelError) -> Kernel {
        var operands = compute.operands.map { Operand(index: $0, buffer: program.buffers[$0], table: table) }
        let result = Operand(index: compute.result, buffer: program.buffers[compute.result], table: table)
        if result.buffer.byteCount == 0 { return {} }
        let copies = narrow(&operands, compute)
        let context = OperationContext(
            opcode: compute.opcode, attributes: compute.attributes, operands: operands, result: result, pool: pool,
            scratch: scratch, memory: memory, isa: weights.isa, packed: packed(compute))
        let kernel = try make(context)
        return copies.isEmpty ? kernel : after(copies, kernel)
    }

    /// A copy of what a kernel reads of an operand, to a place in scratch.
    private struct OperandCopy {
        let source: Int
        let offset: Int
        let copy: BoxCopy
    }

    private func after(_ copies: [OperandCopy], _ kernel: @escaping Kernel) -> Kernel {
        let (bases, operands) = (table, scratch.places.operands)
        return {
            for index in 0..<copies.count {
                copies[index].copy.run(from: bases[copies[index].source], to: operands.pointee + copies[index].offset)
            }
            kernel()
        }
    }

    /// Replaces operands that hold more than the kernel reads by copies of what it reads; those copies.
    ///
    /// Movements take what they need from where it is.
    private func narrow(
        _ operands: inout [Operand], _ compute: ComputeInstruction
    ) -> [OperandCopy] {
        switch compute.opcode {
        case .concat, .broadcast, .transpose, .slice, .pad, .reverse, .dynamicSlice, .dynamicUpdate: return []
        default: break
        }
        guard let needs = OperandNeeds(compute, program.buffers).boxes() else { return [] }
        var copies: [OperandCopy] = []
        var offset = 0
        for (index, need) in needs.enumerated() where need != operands[index].buffer.box {
            let source = operands[index].index
            if need.isEmpty {
                // Nothing is read of an empty part, wherever it is.
                var empty = operands[index].buffer
                empty.box = need
                operands[index] = Operand(index: source, buffer: empty, table: table)
                continue
            }
            let (operand, copy) = operands[index].narrowed(to: need, at: offset, scratch)
            operands[index] = operand
            copies.append(OperandCopy(source: source, offset: offset, copy: copy))
            offset += aligned(operand.count * operand.dtype.byteCount)
        }
        scratch.reserve(operands: offset)
        return copies
    }

    private func packed(_ compute: ComputeInstruction) -> UnsafeMutableRawPointer? {
        guard compute.opcode == .dot || compute.opcode == .conv,
            case .parameter(let parameter) = program.buffers[compute.operands[1]].storage
        else { return nil }
        return weights.find(program.parameters[parameter], WeightUse.layout(compute, 1, program.buffers))
    }

    private func make(_ context: OperationContext) throws(KernelError) -> Kernel {
        switch context.opcode {
        case .parameter, .input: preconditionFailure("\(context.opcode.rawValue) is no instruction of a local program")
        case .constant: MovementKernels.constant(context)
        case .iota: MovementKernels.iota(context)
        case .annotate, .concat, .broadcast, .transpose, .slice, .pad, .reverse, .dynamicSlice, .dynamicUpdate:
            MovementKernels.make(context)
        case .reshape: try ReshapeKernel.make(context)
        case .unary: ArithmeticKernels.unary(context)
        case .binary: ArithmeticKernels.binary(context)
        case .compare: ArithmeticKernels.compare(context)
        case .select: ArithmeticKernels.select(context)
        case .cast: ArithmeticKernels.cast(context)
        case .dotGeneral: try DotGeneralKernel.make(context)
        case .convGeneral: WindowKernels.convolution(context)
        case .maxPool: WindowKernels.maxPool(context)
        case .resize: WindowKernels.resize(context)
        case .sort: ChoiceKernels.sort(context)
        case .argMax: ChoiceKernels.argMax(context)
        case .topK: ChoiceKernels.topK(context)
        case .mergeTopK: ChoiceKernels.mergeTopK(context)
        case .dot: DotKernel.make(context)
        case .gather: LookupKernels.gather(context)
        case .takeRow: LookupKernels.takeRow(context)
        case .nearestCode: LookupKernels.nearestCode(context)
        case .add: ElementwiseKernels.binary(context, TK_ADD)
        case .multiply: ElementwiseKernels.binary(context, TK_MULTIPLY)
        case .activation: ElementwiseKernels.activation(context)
        case .gatedGelu: ElementwiseKernels.gatedGelu(context)
        case .modulate: ElementwiseKernels.modulate(context)
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
