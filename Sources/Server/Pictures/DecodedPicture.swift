public import Tensor

/// What a picture's file holds: 8-bit pixels and texts.
public struct DecodedPicture: Sendable, Hashable {
    /// u8[H, W, C]; C is 1 (grey), 2 (grey and alpha), 3 (RGB) or 4 (RGBA).
    public let pixels: HostTensor
    /// Text chunks of a PNG, in the order of the file.
    public let texts: [PNGFile.Text]

    init(pixels: HostTensor, texts: [PNGFile.Text] = []) {
        self.pixels = pixels
        self.texts = texts
    }

    /// Reads a file of any ``PictureKind``, as its first bytes tell.
    ///
    /// Throws ``PictureError``.
    public init(file: [UInt8]) throws(PictureError) {
        self =
            switch PictureKind(of: file) {
            case .png: try PNGFile.decode(file)
            case .jpeg: try JPEGFile.decode(file)
            }
    }

    /// The value of a text chunk.
    public func text(_ keyword: String) -> String? { texts.first { $0.keyword == keyword }?.value }

    /// The pixels as u8[H, W, 3]: grey in all three channels, alpha dropped, as Pillow converts.
    public var rgb: HostTensor {
        let channels = pixels.dims[2]
        if channels == 3 { return pixels }
        var bytes: [UInt8] = []
        bytes.reserveCapacity(pixels.bytes.count / channels * 3)
        for start in stride(from: 0, to: pixels.bytes.count, by: channels) {
            for channel in 0..<3 { bytes.append(pixels.bytes[start + (channels < 3 ? 0 : channel)]) }
        }
        return HostTensor(dtype: .u8, dims: [pixels.dims[0], pixels.dims[1], 3], bytes: bytes)
    }

    /// u8[H, W], white where a pixel is fully transparent; nil where none is.
    var transparency: HostTensor? {
        guard hasAlpha else { return nil }
        let channels = pixels.dims[2]
        let alpha = stride(from: channels - 1, to: pixels.bytes.count, by: channels)
        let bytes: [UInt8] = alpha.map { pixels.bytes[$0] == 0 ? 255 : 0 }
        guard bytes.contains(255) else { return nil }
        return HostTensor(dtype: .u8, dims: Array(pixels.dims.prefix(2)), bytes: bytes)
    }

    /// True where pixels can be transparent.
    var hasAlpha: Bool { pixels.dims[2] == 2 || pixels.dims[2] == 4 }
}
