/// Why bytes are not a usable PNG, or a picture cannot become one.
public enum PNGError: Error, Sendable, Hashable, CustomStringConvertible {
    /// It starts as a PNG but breaks the format's rules; the reason is libpng's.
    case damaged(reason: String)
    /// Text chunks whose keyword or value the format does not allow.
    case keyword(String)
    /// The bytes are something else.
    case notPNG
    /// There is no memory for it.
    case outOfMemory
    /// More pixels than are read or written.
    case tooLarge(sideLimit: Int, pixelLimit: Int)

    /// One sentence: what, where, what to do.
    public var description: String {
        switch self {
        case .damaged(let reason): "the PNG is damaged (\(reason)); export it again"
        case .keyword(let keyword):
            "the text chunk \"\(keyword)\" needs a keyword of 1 to 79 printable ASCII characters and a value without zeros"
        case .notPNG: "the file is not a PNG; convert it to PNG first"
        case .outOfMemory: "there is not enough memory for the PNG"
        case .tooLarge(let sideLimit, let pixelLimit):
            "the PNG is larger than \(sideLimit) pixels a side or \(pixelLimit) pixels in all; make it smaller"
        }
    }
}
