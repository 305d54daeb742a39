import CImage
public import Tensor

/// A PNG in memory: 8-bit pixels and text chunks (W3C "Portable Network Graphics", third edition).
public struct PNGFile: Sendable, Hashable {
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

    /// Longest side that is read or written.
    public static let sideLimit = 16_384
    /// Most pixels that are read or written.
    public static let pixelLimit = 64 << 20

    /// u8[H, W, C]; C is 1 (grey), 2 (grey and alpha), 3 (RGB) or 4 (RGBA).
    public let pixels: HostTensor
    /// Text chunks in the order of the file.
    public let texts: [Text]

    /// Reads a PNG of any colour type, bit depth and interlacing.
    ///
    /// Palettes are expanded, low depths stretched to 8 bits, 16 bits cut to their upper 8. At most 64 text chunks are
    /// kept. Throws ``PNGError``.
    public static func decode(_ bytes: [UInt8]) throws(PNGError) -> PNGFile {
        var png = cimage_png()
        var message = [CChar](repeating: 0, count: Int(CIMAGE_MESSAGE_BYTES))
        let status = cimage_png_read(
            bytes, bytes.count, UInt32(sideLimit), UInt64(pixelLimit), &png, &message)
        try check(status, message)
        defer { cimage_png_free(&png) }
        let dims = [Int(png.height), Int(png.width), Int(png.channels)]
        let pixels = Array(UnsafeBufferPointer(start: png.pixels, count: dims.reduce(1, *)))
        var texts: [Text] = []
        for index in 0..<png.text_count {
            guard let keyword = png.keywords[index], let value = png.values[index] else { continue }
            texts.append(Text(keyword: String(cString: keyword), value: String(cString: value)))
        }
        return PNGFile(pixels: HostTensor(dtype: .u8, dims: dims, bytes: pixels), texts: texts)
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
    /// Plain ASCII becomes a tEXt chunk, anything else iTXt. Throws ``PNGError``.
    public static func encode(_ rgb: HostTensor, texts: [Text] = []) throws(PNGError) -> [UInt8] {
        precondition(
            rgb.dtype == .u8 && rgb.dims.count == 3 && rgb.dims[2] == 3 && rgb.elementCount > 0,
            "a picture to write is u8 [H, W, 3]")
        let (height, width) = (rgb.dims[0], rgb.dims[1])
        guard height <= sideLimit, width <= sideLimit, height * width <= pixelLimit else {
            throw .tooLarge(sideLimit: sideLimit, pixelLimit: pixelLimit)
        }
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
        try check(status, message)
        defer { cimage_free(bytes) }
        return Array(UnsafeBufferPointer(start: bytes, count: byteCount))
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

    private static func isValid(_ text: Text) -> Bool {
        let keyword = text.keyword.utf8
        return (1...79).contains(keyword.count) && keyword.allSatisfy { (0x20...0x7E).contains($0) }
            && keyword.first != 0x20 && keyword.last != 0x20 && !text.keyword.contains("  ")
            && !text.value.utf8.contains(0)
    }

    private static func isPlain(_ value: String) -> Bool {
        value.utf8.allSatisfy { (0x20...0x7E).contains($0) || $0 == 0x0A }
    }

    private static func check(_ status: cimage_status, _ message: [CChar]) throws(PNGError) {
        switch status {
        case CIMAGE_OK: return
        case CIMAGE_OUT_OF_MEMORY: throw .outOfMemory
        case CIMAGE_NOT_A_PNG: throw .notPNG
        case CIMAGE_TOO_LARGE: throw .tooLarge(sideLimit: sideLimit, pixelLimit: pixelLimit)
        default:
            let bytes = message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
            throw .damaged(reason: bytes.isEmpty ? "unknown form" : String(decoding: bytes, as: UTF8.self))
        }
    }
}
