import CKernels
import Program
import Tensor

/// ``Opcode/dot``: one matrix product for each tree node that the result holds here.
enum DotKernel {
    static func make(_ context: OperationContext) -> Kernel {
        let (x, weights, result) = (context.operands[0], context.operands[1], context.result)
        let contract = context.attributes.int("contract")
        let geometry = DotGeometry(weights: weights.buffer, result: result.buffer, contract: contract)
        let rows = x.shape.dropLast(contract).reduce(1, *)
        context.check(
            x.shape.suffix(contract).elementsEqual(weights.shape.suffix(contract))
                && x.ranges.suffix(contract).elementsEqual(weights.ranges.suffix(contract)),
            "both operands hold the same part of the contracted dimensions")
        context.check(rows * geometry.columns == result.count, "the result has a row for each row of the operands")
        let isHalf = WeightUse.isHalf(x.buffer, weights.buffer)
        let isInt8 = WeightUse.isInt8(context.opcode, context.attributes)
        context.check(isHalf || !isInt8, "int8 products take bf16 operands")
        var matrixProduct = MatrixProduct(
            geometry: geometry, form: isInt8 ? .int8 : isHalf ? .bf16 : .f32, rows: rows, context)
        let widened = isHalf || x.dtype == .f32 ? 0 : aligned(x.count * 4)
        let packedBytes = context.packed == nil ? aligned(matrixProduct.packedByteCount) : 0
        context.scratch.reserve(shared: widened + packedBytes)
        matrixProduct.stage(after: widened + packedBytes, rows: rows)
        let product = matrixProduct
        let (packed, outType, scratch) = (context.packed, result.real, context.scratch.places)
        let (xPlace, weightPlace, out) = (x.place, weights.place, result.place)
        let nodeStride = result.count * result.dtype.byteCount
        return {
            var source = UnsafeRawPointer(xPlace.pointer)
            if widened > 0 {
                tk_convert(scratch.shared + packedBytes, TK_F32, source, xPlace.real, xPlace.count)
                source = UnsafeRawPointer(scratch.shared + packedBytes)
            }
            let form = packed ?? scratch.shared
            if packed == nil { product.pack(weightPlace.pointer, weightPlace.real, into: form) }
            for node in 0..<product.nodes.count {
                product.run(
                    rows: rows, x: source, packed: form, node: node, out: out.pointer + node * nodeStride,
                    outType: outType)
            }
        }
    }
}
