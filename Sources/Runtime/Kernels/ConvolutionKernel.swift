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
        checkRows(window, context)
        let (firstRow, rowCount) = (result.ranges[rank - 3].lowerBound, result.shape[rank - 3])
        let pictures = x.shape.dropLast(3).reduce(1, *)
        let pixels = PixelBlocks(
            rowCount: rowCount, columns: columns, patchByteCount: geometry.depth * size)
        let rowsPerBlock = max(1, pixelsPerBlock / max(1, columns))
        var product = MatrixProduct(
            geometry: geometry, form: isHalf ? .bf16 : .f32, rows: max(rowsPerBlock * columns, pixels.pixelCountMax),
            context)
        // Scratch: widened picture | packed weights where they are no parameter | patches | products, the last two a
        // thread's own where threads take pixels.
        let isByPixels = pixels.fits(product, pictures: pictures)
        let widened = isHalf || x.dtype == .f32 ? 0 : aligned(x.count * 4)
        let packedBytes = context.packed == nil ? aligned(product.packedByteCount) : 0
        let pixelsAtOnce = isByPixels ? pixels.pixelCountMax : rowsPerBlock * columns
        let patchBytes = aligned(pixelsAtOnce * geometry.depth * size)
        let blockBytes = patchBytes + aligned(pixelsAtOnce * channels * 4)
        context.scratch.reserve(shared: widened + packedBytes + (isByPixels ? 0 : blockBytes))
        if isByPixels {
            context.scratch.reserve(perThread: product.threadByteCount + blockBytes)
        } else {
            product.stage(after: widened + packedBytes + blockBytes, rows: pixelsAtOnce)
        }
        let convolution = Convolution(
            product: product, window: window, held: x.ranges[rank - 3], bias: bias.place, result: result.place,
            firstRow: firstRow,
            rowCount: rowCount,
            columns: columns, pictureCount: pictures, pictureByteCount: x.shape.suffix(3).reduce(1, *) * size,
            patchBytes: patchBytes, rowGrain: context.grain(rowElements: channels))
        let (packed, scratch, xPlace) = (context.packed, context.scratch.places, x.place)
        return {
            var source = UnsafeRawPointer(xPlace.pointer)
            if widened > 0 {
                tk_convert(scratch.shared, TK_F32, source, xPlace.real, xPlace.count)
                source = UnsafeRawPointer(scratch.shared)
            }
            if packed == nil { packChannelsLast(weights, convolution.product, into: scratch.shared + widened) }
            let form = packed ?? scratch.shared + widened
            if isByPixels {
                convolution.run(pixels, source: source, weights: form)
            } else {
                convolution.run(
                    rowsPerBlock: rowsPerBlock, source: source, weights: form,
                    room: scratch.shared + widened + packedBytes)
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
            plain, weights.place.pointer, size, 3, [dims[0], area, dims[1]],
            [dims[1] * area * size, size, area * size],
            [dims[1] * area * size, dims[1] * size, size])
        product.pack(plain, weights.real, into: form)
    }
}
