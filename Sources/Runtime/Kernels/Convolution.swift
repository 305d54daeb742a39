import CKernels

/// A convolution with everything but its source's address: patches of pixels as a matrix, times the weights, plus the bias.
struct Convolution {
    let product: MatrixProduct
    let window: tk_window
    /// Rows of the source that are here.
    let held: Range<Int>
    let bias: Operand
    let result: Operand
    let firstRow: Int
    let rowCount: Int
    let columns: Int
    let pictureCount: Int
    let pictureByteCount: Int
    /// Bytes of a block's patches, which its products follow.
    let patchBytes: Int
    let rowGrain: Int

    private var channels: Int { product.geometry.columns }

    /// Each thread makes blocks of its own, from patches to result.
    func run(_ blocks: PixelBlocks, source: UnsafeRawPointer, weights: UnsafeRawPointer) {
        let count = blocks.count
        product.pool.parallelFor(pictureCount * count) { index, thread in
            let (picture, block) = (index / count, blocks[index % count])
            let patches = product.scratch.ofThread(thread) + product.threadByteCount
            let width = block.columns.count
            for (place, row) in block.rows.enumerated() {
                copyPatches(
                    source + picture * pictureByteCount, row: row, columns: block.columns,
                    to: patches + place * width * patchByteCount)
            }
            let pixels = block.rows.count * width
            let sums = patches + patchBytes
            product.runAlone(
                rows: pixels, x: patches, packed: weights, node: 0, out: sums, outType: TK_F32, thread: thread)
            let first = (picture * rowCount + block.rows.lowerBound) * columns + block.columns.lowerBound
            addBias(sums, to: first, count: pixels)
        }
    }

    /// All threads work on one block of rows at a time, sharing weights by columns.
    func run(
        rowsPerBlock: Int, source: UnsafeRawPointer, weights: UnsafeRawPointer, room patches: UnsafeMutableRawPointer
    ) {
        let sums = patches + patchBytes
        for picture in 0..<pictureCount {
            for row in stride(from: 0, to: rowCount, by: rowsPerBlock) {
                let count = min(rowsPerBlock, rowCount - row)
                product.pool.parallelFor(count) { index in
                    copyPatches(
                        source + picture * pictureByteCount, row: row + index, columns: 0..<columns,
                        to: patches + index * columns * patchByteCount)
                }
                product.run(rows: count * columns, x: patches, packed: weights, node: 0, out: sums, outType: TK_F32)
                let first = (picture * rowCount + row) * columns
                OperationContext.blocks(product.pool, count * columns, grain: rowGrain) { part, _ in
                    addBias(sums + part.lowerBound * channels * 4, to: first + part.lowerBound, count: part.count)
                }
            }
        }
    }

    private var patchByteCount: Int { product.geometry.depth * window.element_size }

    /// `row`: of the result that this device holds.
    private func copyPatches(
        _ picture: UnsafeRawPointer, row: Int, columns: Range<Int>, to patches: UnsafeMutableRawPointer
    ) {
        withUnsafePointer(to: window) { window in
            tk_im2col(
                window, firstRow + row, columns.lowerBound, columns.upperBound, picture, held.lowerBound,
                held.count, patches, product.geometry.depth)
        }
    }

    private func addBias(_ sums: UnsafeMutableRawPointer, to pixel: Int, count: Int) {
        tk_add_bias(
            result.pointer, result.real, pixel * channels, sums.assumingMemoryBound(to: Float.self), bias.pointer,
            bias.real, count, channels)
    }
}
