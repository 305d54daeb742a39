import CImage
public import Tensor

/// The formats of files that pictures come as.
public enum PictureKind: String, Sendable, Hashable, Codable, CaseIterable {
    /// Loses nothing; holds the picture's settings in text chunks.
    case png
    /// Smaller, and not quite the same; holds the picture's settings in a comment.
    case jpeg

    /// What a file's first bytes say that it is; PNG where they say nothing.
    init(of file: [UInt8]) { self = file.starts(with: [0xFF, 0xD8, 0xFF]) ? .jpeg : .png }

    /// Media type (RFC 2046, 4.2; W3C PNG, annex A).
    var mediaType: String { "image/\(rawValue)" }

    /// What files' names end with.
    var suffix: String { self == .jpeg ? "jpg" : "png" }

    /// The size that a file's header gives, without decoding it; nil where it gives none.
    static func size(of file: [UInt8]) -> (width: Int, height: Int)? {
        switch PictureKind(of: file) {
        case .png: PNGFile.announcedSize(file)
        case .jpeg: jpegSize(file)
        }
    }

    /// Looks for the frame header: segments begin with FF, a kind and a length (ITU-T T.81, B.1.1.4 and B.2.2).
    private static func jpegSize(_ file: [UInt8]) -> (width: Int, height: Int)? {
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
}

/// What a picture is written as.
public struct PictureFormat: Sendable, Hashable, Codable {
    /// The file's format.
    public var kind: PictureKind
    /// 0 to 100: how much of a picture a JPEG file keeps; a PNG file keeps all.
    public var quality: Int

    /// Makes a format.
    public init(_ kind: PictureKind, quality: Int = 100) {
        precondition((0...100).contains(quality), "a quality is 0 to 100")
        self.kind = kind
        self.quality = quality
    }

    /// All of a picture.
    public static let png = PictureFormat(.png)

    /// Writes u8[H, W, 3]: the same bytes for the same arguments and libraries.
    ///
    /// JPEG files have colours at full resolution from quality 90 on, and at half of it below. Of the texts they keep the
    /// last one, as their comment. Throws ``PNGError``.
    public func encode(_ rgb: HostTensor, texts: [PNGFile.Text] = []) throws(PNGError) -> [UInt8] {
        switch kind {
        case .png: try PNGFile.encode(rgb, texts: texts)
        case .jpeg: try jpeg(rgb, comment: Array((texts.last?.value ?? "").utf8))
        }
    }

    private func jpeg(_ rgb: HostTensor, comment: [UInt8]) throws(PNGError) -> [UInt8] {
        precondition(
            rgb.dtype == .u8 && rgb.dims.count == 3 && rgb.dims[2] == 3 && rgb.elementCount > 0,
            "a picture to write is u8 [H, W, 3]")
        let (height, width) = (rgb.dims[0], rgb.dims[1])
        guard height <= PNGFile.sideLimit, width <= PNGFile.sideLimit, height * width <= PNGFile.pixelLimit else {
            throw .tooLarge(sideLimit: PNGFile.sideLimit, pixelLimit: PNGFile.pixelLimit)
        }
        var bytes: UnsafeMutablePointer<UInt8>?
        var count = 0
        var message = [CChar](repeating: 0, count: Int(CIMAGE_MESSAGE_BYTES))
        let status = cimage_jpeg_write(
            rgb.bytes, UInt32(width), UInt32(height), Int32(quality), comment, comment.count, &bytes, &count, &message)
        guard status == CIMAGE_OK else {
            // With a picture of a right size there is only one thing that goes wrong.
            throw .outOfMemory
        }
        defer { cimage_free(bytes) }
        return Array(UnsafeBufferPointer(start: bytes, count: count))
    }
}
