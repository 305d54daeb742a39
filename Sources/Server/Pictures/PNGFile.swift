import CImage
public import Tensor

/// A PNG in memory (W3C "Portable Network Graphics", third edition), through libpng.
public enum PNGFile {
    /// One text chunk.
    public struct Text: Sendable, Hashable {
        /// 1 to 79 printable ASCII characters.
        public var keyword: String
        /// Any text without zero characters.
        public var value: String

        /// Makes a chunk.
        public init(keyword: String, value: String) {
            self.keyword = keyword
            self.value = value
        }
    }

    /// Reads a PNG of any colour type, bit depth and interlacing.
    ///
    /// Palettes are expanded, low depths stretched to 8 bits, 16 bits cut to their upper 8. At most 64 text chunks are
    /// kept. Throws ``PictureError``.
    public static func decode(_ bytes: [UInt8]) throws(PictureError) -> DecodedPicture {
        var png = cimage_png()
        var message = [CChar](repeating: 0, count: Int(CIMAGE_MESSAGE_BYTES))
        let status = cimage_png_read(
            bytes, bytes.count, UInt32(PictureLimits.side), UInt64(PictureLimits.pixels), &png, &message)
        try PictureError.check(status, .png, message)
        defer { cimage_png_free(&png) }
        let dims = [Int(png.height), Int(png.width), Int(png.channels)]
        let pixels = Array(UnsafeBufferPointer(start: png.pixels, count: dims.reduce(1, *)))
        var texts: [Text] = []
        for index in 0..<png.text_count {
            guard let keyword = png.keywords[index], let value = png.values[index] else { continue }
            texts.append(Text(keyword: String(cString: keyword), value: String(cString: value)))
        }
        return DecodedPicture(pixels: HostTensor(dtype: .u8, dims: dims, bytes: pixels), texts: texts)
    }

    /// The size that a PNG's header gives, without decoding it; nil where the bytes do not begin as a PNG does.
    static func announcedSize(_ bytes: [UInt8]) -> (width: Int, height: Int)? {
        // Signature, length and name of the first chunk (W3C PNG, 5.2 and 11.2.1), then two numbers of four bytes.
        let start: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0, 0, 0, 13] + Array("IHDR".utf8)
        guard bytes.count >= 24, bytes.starts(with: start) else { return nil }
        func number(_ range: Range<Int>) -> Int { bytes[range].reduce(0) { $0 << 8 | Int($1) } }
        return (number(16..<20), number(20..<24))
    }

    /// Writes u8[H, W, 3] with text chunks before the pixels: the same bytes for the same arguments and libpng.
    ///
    /// Plain ASCII becomes a tEXt chunk, anything else iTXt. Throws ``PictureError``.
    public static func encode(_ rgb: HostTensor, texts: [Text] = []) throws(PictureError) -> [UInt8] {
        let (height, width) = try PictureLimits.size(of: rgb)
        for text in texts where !isValid(text) { throw .keyword(text.keyword) }
        // All strings one after the other, each with its zero; the chunks point into them.
        var strings: [CChar] = []
        var offsets: [(keyword: Int, value: Int)] = []
        for text in texts {
            let keyword = strings.count
            strings += text.keyword.utf8CString
            offsets.append((keyword, strings.count))
            strings += text.value.utf8CString
        }
        var bytes: UnsafeMutablePointer<UInt8>?
        var byteCount = 0
        var message = [CChar](repeating: 0, count: Int(CIMAGE_MESSAGE_BYTES))
        let status = strings.withUnsafeBufferPointer { pool in
            let chunks = zip(texts, offsets).map { text, offset in
                cimage_text(
                    keyword: pool.baseAddress.map { $0 + offset.keyword },
                    value: pool.baseAddress.map { $0 + offset.value }, is_latin: isPlain(text.value) ? 1 : 0)
            }
            return cimage_png_write(
                rgb.bytes, UInt32(width), UInt32(height), chunks, chunks.count, &bytes, &byteCount, &message)
        }
        try PictureError.check(status, .png, message)
        defer { cimage_free(bytes) }
        return Array(UnsafeBufferPointer(start: bytes, count: byteCount))
    }

    private static func isValid(_ text: Text) -> Bool {
        let keyword = text.keyword.utf8
        return (1...79).contains(keyword.count) && keyword.allSatisfy { (0x20...0x7E).contains($0) }
            && keyword.first != 0x20 && keyword.last != 0x20 && !text.keyword.contains("  ")
            && !text.value.utf8.contains(0)
    }

    private static func isPlain(_ value: String) -> Bool {
        value.utf8.allSatisfy { (0x20...0x7E).contains($0) || $0 == 0x0A }
    }
}
