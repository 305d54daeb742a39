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

    /// What people call it.
    var name: String { rawValue.uppercased() }

    /// What files' names end with.
    var suffix: String { self == .jpeg ? "jpg" : "png" }

    /// The size that a file's header gives, without decoding it; nil where it gives none.
    static func size(of file: [UInt8]) -> (width: Int, height: Int)? {
        switch PictureKind(of: file) {
        case .png: PNGFile.announcedSize(file)
        case .jpeg: JPEGFile.announcedSize(file)
        }
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
    /// Of the texts JPEG files keep the last one, as their comment. Throws ``PictureError``.
    public func encode(_ rgb: HostTensor, texts: [PNGFile.Text] = []) throws(PictureError) -> [UInt8] {
        switch kind {
        case .png: try PNGFile.encode(rgb, texts: texts)
        case .jpeg: try JPEGFile.encode(rgb, quality: quality, comment: Array((texts.last?.value ?? "").utf8))
        }
    }
}
