import Tensor

/// Sizes of pictures that are read and written.
enum PictureLimits {
    /// Longest side.
    static let side = 16_384
    /// Most pixels.
    static let pixels = 64 << 20

    /// Height and width of a picture to write, u8[H, W, 3].
    ///
    /// Throws ``PictureError/tooLarge``.
    static func size(of rgb: HostTensor) throws(PictureError) -> (height: Int, width: Int) {
        precondition(
            rgb.dtype == .u8 && rgb.dims.count == 3 && rgb.dims[2] == 3 && rgb.elementCount > 0,
            "a picture to write is u8 [H, W, 3]")
        let (height, width) = (rgb.dims[0], rgb.dims[1])
        guard height <= side, width <= side, height * width <= pixels else { throw .tooLarge }
        return (height, width)
    }
}
