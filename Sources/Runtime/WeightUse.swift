import Program
import Tensor

/// In which forms a program's kernels read its weights.
enum WeightUse {
    /// (parameter, form) in the order of first use.
    static func scan(_ program: LocalProgram) -> [(parameter: Int, layout: WeightLayout)] {
        struct Use: Hashable {
            let parameter: Int
            let layout: WeightLayout
        }
        var seen = Set<Use>()
        var uses: [(parameter: Int, layout: WeightLayout)] = []
        func note(_ buffer: Int, _ layout: WeightLayout) {
            guard case .parameter(let index) = program.buffers[buffer].storage else { return }
            if seen.insert(Use(parameter: index, layout: layout)).inserted { uses.append((index, layout)) }
        }
        for instruction in program.instructions {
            switch instruction {
            case .compute(let compute):
                for (position, buffer) in compute.operands.enumerated() {
                    note(buffer, layout(compute, position, program.buffers))
                }
            case .exchangeStart(let index):
                for exchange in program.exchangeIndices(startedBy: index) {
                    note(program.exchanges[exchange].source, .plain)
                }
            case .exchangeFinish: break
            }
        }
        for output in program.outputs { note(output.buffer, .plain) }
        return uses
    }

    /// The form of one operand.
    static func layout(_ compute: ComputeInstruction, _ position: Int, _ buffers: [LocalBuffer]) -> WeightLayout {
        guard position == 1, compute.opcode == .dot || compute.opcode == .conv else { return .plain }
        let weights = buffers[compute.operands[1]]
        let isHalf = isHalf(buffers[compute.operands[0]], weights)
        let geometry =
            compute.opcode == .dot
            ? DotGeometry(
                weights: weights, result: buffers[compute.result], contract: compute.attributes.int("contract"))
            : convolution(weights)
        if isInt8(compute.opcode, compute.attributes) { return .packedInt8(geometry) }
        let channelsLast = compute.opcode == .conv
        return isHalf
            ? .packedBF16(geometry, channelsLast: channelsLast) : .packedF32(geometry, channelsLast: channelsLast)
    }

    /// True for products that ask for int8.
    static func isInt8(_ opcode: Opcode, _ attributes: Attributes) -> Bool {
        opcode == .dot && attributes.values["precision"] != nil
    }

    /// bf16 products need both operands in bf16; any other pair is computed in f32.
    static func isHalf(_ x: LocalBuffer, _ weights: LocalBuffer) -> Bool {
        x.dtype == .bf16 && weights.dtype == .bf16
    }

    /// The matrix product that a convolution with these weights [Co, Ci, kh, kw] is.
    static func convolution(_ weights: LocalBuffer) -> DotGeometry {
        let dims = weights.box.dims
        return DotGeometry(convolutionChannels: dims[0], patch: dims[1] * dims[2] * dims[3])
    }
}
