/// A convolution's result, cut into blocks that one thread makes at a time: whole rows, or parts of a row.
///
/// A thread writes a block's patches, multiplies them and adds the bias while all of it is in its own cache. With K
/// elements a patch and N channels, patches and their staged copy are written and read once each, 8K bytes a pixel of
/// bf16 against 2KN operations: from the second-level cache some per cent of the time, from memory as long as the
/// product itself where N is 128.
struct PixelBlocks: BitwiseCopyable {
    /// Bytes of patches, with their staged copy, that stay in a core's cache beside a panel of weights.
    private static let patchByteCount = 640 << 10
    /// Packed weights that stay near enough to be read for every block.
    private static let weightByteCount = 2 << 20
    private static let (pixelsMin, pixelsMax) = (48, 512)

    let rowCount: Int
    let columns: Int
    let rowsPerBlock: Int
    let partsPerRow: Int

    /// Cuts a picture of so many rows and columns; `byteCount`: of a pixel's patch.
    init(rowCount: Int, columns: Int, patchByteCount byteCount: Int) {
        let fitting = Self.patchByteCount / max(1, 2 * byteCount)
        let pixels = min(max(fitting, Self.pixelsMin), Self.pixelsMax)
        (self.rowCount, self.columns) = (rowCount, columns)
        rowsPerBlock = max(1, min(rowCount, pixels / max(1, columns)))
        partsPerRow = max(1, (columns + pixels - 1) / pixels)
    }

    /// Blocks of one picture.
    var count: Int { (rowCount + rowsPerBlock - 1) / rowsPerBlock * partsPerRow }

    /// Most pixels in a block.
    var pixelCountMax: Int { rowsPerBlock * ((columns + partsPerRow - 1) / partsPerRow) }

    /// Rows and columns of a block; where it has several rows, all columns.
    subscript(index: Int) -> (rows: Range<Int>, columns: Range<Int>) {
        let row = index / partsPerRow * rowsPerBlock
        let part = index % partsPerRow
        return (
            row..<min(rowCount, row + rowsPerBlock),
            part * columns / partsPerRow..<(part + 1) * columns / partsPerRow
        )
    }

    /// True where blocks are worth it: the weights are small, and every thread has some pixels.
    func fits(_ product: MatrixProduct, pictures: Int) -> Bool {
        let isEven = pictures * rowCount * columns >= Self.pixelsMin * product.pool.threadCount
        let isOwn = product.form != .f32 || !MatrixProduct.usesOpenBLAS
        return isOwn && isEven && product.packedByteCount <= Self.weightByteCount
    }
}
