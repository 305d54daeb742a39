import Tensor

extension TensorType {
    /// True for f32 and bf16.
    var isReal: Bool { dtype == .f32 || dtype == .bf16 }
}

extension ShapeRule {
    static func elementwise(_ question: ShapeQuestion) throws -> (dims: [Dim], dtype: DType?) {
        let operands = question.operands
        let x = operands[0]
        try question.need(operands.allSatisfy { $0.sizes == x.sizes }, "operands have one shape")
        switch question.opcode {
        case .unary:
            try question.need(x.isReal, "the operand is real")
            return (x.dims, nil)
        case .binary:
            let isInteger = operands.allSatisfy { $0.dtype == .i32 }
            try question.need(isInteger || operands.allSatisfy(\.isReal), "both operands are real or both i32")
            return (x.dims, isInteger ? .i32 : nil)
        case .compare:
            try question.need(
                operands.allSatisfy(\.isReal) || (x.dtype == operands[1].dtype && (x.dtype == .i32 || x.dtype == .u8)),
                "both operands are real, i32 or u8")
            return (x.dims, .u8)
        case .select:
            try question.need(x.dtype == .u8, "the predicate is u8")
            try question.need(operands[1].dtype == operands[2].dtype, "both choices have one element type")
            return (operands[1].dims, operands[1].dtype)
        default:
            return (x.dims, x.dtype)
        }
    }

    static func selection(_ question: ShapeQuestion) throws -> (dims: [Dim], dtype: DType?) {
        let x = question.operands[0]
        try question.need(x.rank >= 1, "the operand has dimensions")
        switch question.opcode {
        case .sort:
            try question.need(question.attributes.int("dim") < x.rank, "dim is a dimension of the operand")
            try question.need(x.isReal || x.dtype == .i32, "the operand is real or i32")
            return (x.dims, x.dtype)
        case .argMax:
            let dim = question.attributes.int("dim")
            try question.need(dim < x.rank, "dim is a dimension of the operand")
            try question.need(
                x.isReal && x.sizes[dim] > 0, "the operand is real, and there is something to choose from")
            return (x.dims.indices.filter { $0 != dim }.map { x.dims[$0] } + [Dim(3)], .f32)
        case .topK:
            let k = question.attributes.int("k")
            try question.need(x.isReal && k <= x.sizes[x.rank - 1], "the operand is real and has k elements in a row")
            return (x.dims.dropLast() + [Dim(k), Dim(2)], .f32)
        default:
            let k = question.attributes.int("k")
            try question.need(
                x.dtype == .f32 && x.rank >= 2 && x.sizes[x.rank - 1] == 2 && k <= x.sizes[x.rank - 2],
                "the operand is f32[…, N, 2] with at least k pairs")
            return (x.dims.dropLast(2) + [Dim(k), Dim(2)], .f32)
        }
    }
}
