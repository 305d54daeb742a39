import CImage
import Tensor

/// A JPEG in memory (ITU-T T.81), through libjpeg.
enum JPEGFile {
    /// Reads a baseline or progressive JPEG of 8 bits a sample.
    ///
    /// The picture stands upright where its Exif block tells how the camera was held; grey and CMYK become RGB. Throws
    /// ``PictureError``.
    static func decode(_ bytes: [UInt8]) throws(PictureError) -> DecodedPicture {
        var jpeg = cimage_jpeg()
        var message = [CChar](repeating: 0, count: Int(CIMAGE_MESSAGE_BYTES))
        let status = cimage_jpeg_read(
            bytes, bytes.count, UInt32(PictureLimits.side), UInt64(PictureLimits.pixels), &jpeg, &message)
        try PictureError.check(status, .jpeg, message)
        defer { cimage_free(jpeg.pixels) }
        let dims = [Int(jpeg.height), Int(jpeg.width), 3]
        let pixels = Array(UnsafeBufferPointer(start: jpeg.pixels, count: dims.reduce(1, *)))
        return DecodedPicture(pixels: HostTensor(dtype: .u8, dims: dims, bytes: pixels))
    }

    /// The size that the frame header gives, without decoding it; nil where there is none.
    ///
    /// Segments begin with FF, a kind and a length (ITU-T T.81, B.1.1.4 and B.2.2).
    static func announcedSize(_ file: [UInt8]) -> (width: Int, height: Int)? {
        func number(_ index: Int) -> Int { Int(file[index]) << 8 | Int(file[index + 1]) }
        var at = 2
        while at + 9 <= file.count, file[at] == 0xFF {
            // C4, C8 and CC are no frames.
            if (0xC0...0xCF).contains(file[at + 1]), ![0xC4, 0xC8, 0xCC].contains(file[at + 1]) {
                return (number(at + 7), number(at + 5))
            }
            at += 2 + max(2, number(at + 2))
        }
        return nil
    }

    /// Writes u8[H, W, 3] with a comment, at a quality from 0 to 100: the same bytes for the same arguments and libjpeg.
    ///
    /// Colours are at full resolution from quality 90 on, and at half of it below. Throws ``PictureError``.
    static func encode(_ rgb: HostTensor, quality: Int, comment: [UInt8]) throws(PictureError) -> [UInt8] {
        let (height, width) = try PictureLimits.size(of: rgb)
        var bytes: UnsafeMutablePointer<UInt8>?
        var count = 0
        var message = [CChar](repeating: 0, count: Int(CIMAGE_MESSAGE_BYTES))
        let status = cimage_jpeg_write(
            rgb.bytes, UInt32(width), UInt32(height), Int32(quality), comment, comment.count, &bytes, &count, &message)
        // With a picture of a right size there is only one thing that goes wrong.
        guard status == CIMAGE_OK else { throw .outOfMemory }
        defer { cimage_free(bytes) }
        return Array(UnsafeBufferPointer(start: bytes, count: count))
    }
}
