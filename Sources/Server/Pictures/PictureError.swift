import CImage

/// Why bytes are not a usable picture, or a picture cannot become a file.
public enum PictureError: Error, Sendable, Hashable, CustomStringConvertible {
    /// It starts as a file of its kind but breaks the format's rules; the reason is the library's.
    case damaged(PictureKind, reason: String)
    /// Text chunks whose keyword or value PNG does not allow.
    case keyword(String)
    /// There is no memory for it.
    case outOfMemory
    /// More pixels than are read or written.
    case tooLarge
    /// The bytes are something else.
    case unknownFormat

    /// One sentence: what, where, what to do.
    public var description: String {
        switch self {
        case .damaged(let kind, let reason): "the \(kind.name) is damaged (\(reason)); export it again"
        case .keyword(let keyword):
            "the text chunk \"\(keyword)\" needs a keyword of 1 to 79 printable ASCII characters and a value without zeros"
        case .outOfMemory: "there is not enough memory for the picture"
        case .tooLarge:
            "the picture is larger than \(PictureLimits.side) pixels a side or \(PictureLimits.pixels) pixels in all; make it smaller"
        case .unknownFormat: "the file is neither a PNG nor a JPEG; convert it to one of them first"
        }
    }

    /// Throws what a status of libpng's or libjpeg's side means.
    static func check(_ status: cimage_status, _ kind: PictureKind, _ message: [CChar]) throws(PictureError) {
        switch status {
        case CIMAGE_OK: return
        case CIMAGE_OUT_OF_MEMORY: throw .outOfMemory
        case CIMAGE_UNKNOWN_FORMAT: throw .unknownFormat
        case CIMAGE_TOO_LARGE: throw .tooLarge
        default:
            let bytes = message.prefix { $0 != 0 }.map { UInt8(bitPattern: $0) }
            throw .damaged(kind, reason: bytes.isEmpty ? "unknown form" : String(decoding: bytes, as: UTF8.self))
        }
    }
}
