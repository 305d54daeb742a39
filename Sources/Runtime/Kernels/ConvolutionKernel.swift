import CKernels
import Program
import Tensor

/// ``Opcode/conv``: the patches of some rows as a matrix, times the weights [Co, kh·kw·Ci], plus the bias.
enum ConvolutionKernel {
    /// Pixels whose patches are multiplied at a time, about; more read the weights less often.
    private static let pixelsPerBlock = 512

    static func make(_ context: OperationContext) -> Kernel {
        let (x, weights, bias) = (context.operands[0], context.operands[1], context.operands[2])
        let result = context.result
        let rank = x.rank
        context.check(x.isWhole(rank - 2) && x.isWhole(rank - 1), "a picture is split by rows only")
        let kernel = weights.sizes.suffix(2)
        let isHalf = WeightUse.isHalf(x.buffer, weights.buffer)
        let size = isHalf ? 2 : 4
        let window = tk_window(
            height: x.sizes[rank - 3], width: x.sizes[rank - 2], channels: x.sizes[rank - 1],
            kernel_height: kernel.first ?? 1, kernel_width: kernel.last ?? 1,
            stride: context.attributes.int("stride", default: 1), pad_low: context.attributes.int("padLow"),
            pad_high: context.attributes.int("padHigh"), upsample: context.attributes.int("upsample", default: 1),
            element_size: size)
        let geometry = WeightUse.convolution(weights.buffer)
        let (columns, channels) = (result.shape[rank - 2], geometry.columns)
        context.check(result.shape[rank - 1] == channels && bias.count == channels, "weights and bias fit the result")
        context.check(weights.isWhole(1), "the weights' input channels are whole")
        let rowsPerBlock = max(1, pixelsPerBlock / max(1, columns))
        var matrixProduct = MatrixProduct(
            geometry: geometry, form: isHalf ? .bf16 : .f32, rows: rowsPerBlock * columns, context)
        // Scratch: widened picture | patches | products | packed weights where they are no parameter.
        let widened = isHalf || x.dtype == .f32 ? 0 : aligned(x.count * 4)
        let patches = aligned(rowsPerBlock * columns * geometry.depth * size)
        let products = aligned(rowsPerBlock * columns * channels * 4)
        let packedBytes = context.packed == nil ? aligned(matrixProduct.packedByteCount) : 0
        context.scratch.reserve(shared: widened + patches + products + packedBytes)
        matrixProduct.stage(
            after: widened + patches + products + packedBytes, rows: rowsPerBlock * columns)
        let product = matrixProduct
        let (packed, scratch, pool) = (context.packed, context.scratch, context.pool)
        checkRows(window, context)
        let pictures = x.shape.dropLast(3).reduce(1, *)
        let pictureByteCount = x.shape.suffix(3).reduce(1, *) * size
        let (firstRow, rowCount) = (result.ranges[rank - 3].lowerBound, result.shape[rank - 3])
        let (inputFirst, inputCount) = (x.ranges[rank - 3].lowerBound, x.shape[rank - 3])
        return {
            let base = scratch.shared
            var source = UnsafeRawPointer(x.pointer)
            if widened > 0 {
                tk_convert(base, TK_F32, source, x.real, x.count)
                source = UnsafeRawPointer(base)
            }
            let (matrix, sums) = (base + widened, base + widened + patches)
            let form = packed ?? base + widened + patches + products
            if packed == nil { packChannelsLast(weights, product, into: form) }
            for picture in 0..<pictures {
                for row in stride(from: 0, to: rowCount, by: rowsPerBlock) {
                    let count = min(rowsPerBlock, rowCount - row)
                    pool.parallelFor(count) { index in
                        withUnsafePointer(to: window) { window in
                            tk_im2col(
                                window, firstRow + row + index, source + picture * pictureByteCount, inputFirst,
                                inputCount, matrix + index * columns * geometry.depth * size, geometry.depth)
                        }
                    }
                    product.run(
                        rows: count * columns, x: matrix, packed: form, node: 0, out: sums, outType: TK_F32)
                    let first = (picture * rowCount + row) * columns
                    OperationContext.blocks(pool, count * columns, grain: context.grain(rowElements: channels)) {
                        part, _ in
                        tk_add_bias(
                            result.pointer, result.real, (first + part.lowerBound) * channels,
                            sums.assumingMemoryBound(to: Float.self) + part.lowerBound * channels, bias.pointer,
                            bias.real, part.count, channels)
                    }
                }
            }
        }
    }

    /// The operand holds every row inside the picture that the result's rows read.
    private static func checkRows(_ window: tk_window, _ context: OperationContext) {
        let dimension = context.result.rank - 3
        let (rows, held) = (context.result.ranges[dimension], context.operands[0].ranges[dimension])
        if rows.isEmpty { return }
        let first = max(0, rows.lowerBound * window.stride - window.pad_low) / window.upsample
        let last = (rows.upperBound - 1) * window.stride - window.pad_low + window.kernel_height - 1
        let end = min(window.height, max(0, last / window.upsample + 1))
        context.check(held.lowerBound <= first && end <= held.upperBound, "the operand holds the rows that are read")
    }

    /// Weights that are no parameter: [Co, Ci, kh, kw] to [Co, kh, kw, Ci], then packed.
    private static func packChannelsLast(
        _ weights: Operand, _ product: MatrixProduct, into form: UnsafeMutableRawPointer
    ) {
        let dims = weights.shape
        let size = weights.dtype.byteCount
        let plain = UnsafeMutableRawPointer.allocate(byteCount: max(1, weights.count * size), alignment: 64)
        defer { plain.deallocate() }
        let area = dims[2] * dims[3]
        tk_copy_box(
            plain, weights.pointer, size, 3, [dims[0], area, dims[1]], [dims[1] * area * size, size, area * size],
            [dims[1] * area * size, dims[1] * size, size])
        product.pack(plain, weights.real, into: form)
    }
}
