/// A piece of a program's text.
struct ProgramToken {
    enum Kind: Hashable {
        /// Letters, digits and `_`, not beginning with a digit.
        case word(String)
        /// `%17`.
        case value(Int)
        case int(Int)
        case float(Double)
        /// In quotes; without them and their escapes.
        case text(String)
        /// One of `=(){}[],:/`.
        case symbol(UInt8)
        case end
    }

    var kind: Kind
    /// Where it starts, in bytes.
    var offset: Int

    /// For errors: what a reader sees, at most a few dozen characters of it.
    var described: String {
        switch kind {
        case .word(let word): "'\(Self.clipped(word))'"
        case .value(let id): "'%\(id)'"
        case .int(let value): "'\(value)'"
        case .float(let value): "'\(value)'"
        case .text(let text): Self.clipped(ProgramText.quoted(text))
        case .symbol(let byte): "'\(Character(Unicode.Scalar(byte)))'"
        case .end: "the end of the text"
        }
    }

    private static func clipped(_ text: String) -> String {
        text.unicodeScalars.count <= 40 ? text : "\(String(text.unicodeScalars.prefix(39)))…"
    }
}
