import CKernels

/// A convolution with everything but its source's address: patches of pixels as a matrix, times the weights, plus the bias.
struct Convolution {
    let product: MatrixProduct
    let window: tk_window
    /// Rows of the source that are here.
    let held: Range<Int>
    let bias: Place
    let result: Place
    let firstRow: Int
    let rowCount: Int
    let columns: Int
    let pictureCount: Int
    let pictureByteCount: Int
    /// Bytes of a block's patches, which its products follow.
    let patchBytes: Int
    let rowGrain: Int

    /// Each thread makes blocks of its own, from patches to result.
    func run(_ blocks: PixelBlocks, source: UnsafeRawPointer, weights: UnsafeRawPointer) {
        let count = pictureCount * blocks.count
        let captures = (blocks, core, weights, product.nodes[0], source, product.threadByteCount)
        product.pool.parallelFor(count, captures) { captured, index, thread in
            let (blocks, core, weights, node, source, threadByteCount) = captured.pointee
            let (picture, block) = (index / blocks.count, blocks[index % blocks.count])
            let patches = core.product.scratch.ofThread(thread) + threadByteCount
            let width = block.columns.count
            for place in 0..<block.rows.count {
                core.copyPatches(
                    source + picture * core.pictureByteCount, row: block.rows.lowerBound + place,
                    columns: block.columns, to: patches + place * width * core.patchByteCount)
            }
            let pixels = block.rows.count * width
            let sums = patches + core.patchBytes
            let call = MatrixProduct.Call(
                rows: pixels, x: UnsafeRawPointer(patches), packed: weights, node: node, out: sums, outType: TK_F32)
            core.product.run(call, rows: 0..<pixels, columns: 0..<core.product.columns, thread: thread)
            let first = (picture * core.rowCount + block.rows.lowerBound) * core.columns + block.columns.lowerBound
            core.addBias(sums, to: first, count: pixels)
        }
    }

    /// All threads work on one block of rows at a time, sharing weights by columns.
    func run(
        rowsPerBlock: Int, source: UnsafeRawPointer, weights: UnsafeRawPointer, room patches: UnsafeMutableRawPointer
    ) {
        let (core, pool) = (core, product.pool)
        let sums = patches + patchBytes
        for picture in 0..<pictureCount {
            let base = source + picture * pictureByteCount
            for row in stride(from: 0, to: rowCount, by: rowsPerBlock) {
                let count = min(rowsPerBlock, rowCount - row)
                pool.parallelFor(count, (core, base, row, patches)) { captured, index, _ in
                    let (core, base, row, patches) = captured.pointee
                    core.copyPatches(
                        base, row: row + index, columns: 0..<core.columns,
                        to: patches + index * core.columns * core.patchByteCount)
                }
                product.run(rows: count * columns, x: patches, packed: weights, node: 0, out: sums, outType: TK_F32)
                let first = (picture * rowCount + row) * columns
                pool.blocks(count * columns, grain: rowGrain, (core, sums, first)) { captured, part, _ in
                    let (core, sums, first) = captured.pointee
                    core.addBias(
                        sums + part.lowerBound * core.product.columns * 4, to: first + part.lowerBound,
                        count: part.count)
                }
            }
        }
    }

    /// What loops see of the convolution.
    private struct Core: BitwiseCopyable {
        let product: MatrixProduct.Core
        let window: tk_window
        let held: Stretch
        let bias: Place
        let result: Place
        let firstRow, rowCount, columns: Int
        let pictureByteCount, patchBytes: Int

        var patchByteCount: Int { product.depth * window.element_size }

        /// `row`: of the result that this device holds.
        func copyPatches(
            _ picture: UnsafeRawPointer, row: Int, columns: Range<Int>, to patches: UnsafeMutableRawPointer
        ) {
            withUnsafePointer(to: window) { window in
                tk_im2col(
                    window, firstRow + row, columns.lowerBound, columns.upperBound, picture, held.lowerBound,
                    held.count, patches, product.depth)
            }
        }

        func addBias(_ sums: UnsafeMutableRawPointer, to pixel: Int, count: Int) {
            tk_add_bias(
                result.pointer, result.real, pixel * product.columns, sums.assumingMemoryBound(to: Float.self),
                bias.pointer, bias.real, count, product.columns)
        }
    }

    private var core: Core {
        Core(
            product: product.core, window: window, held: Stretch(held), bias: bias, result: result, firstRow: firstRow,
            rowCount: rowCount, columns: columns, pictureByteCount: pictureByteCount, patchBytes: patchBytes)
    }
}
