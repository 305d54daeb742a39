/// A token that is found in the text as it stands, before words are split.
struct SpecialToken: Sendable, Hashable {
    /// How it is written.
    var content: String
    /// Its id.
    var id: Int32
    /// True: looked for after normalisation (in the normalised spelling); false: in the text as given.
    var isNormalized = false
    /// True: only where no letter, number or underscore touches it.
    var isWholeWord = false
}

/// Finds special tokens in a text: at each place the longest that matches.
struct SpecialTokens: Sendable {
    /// A part of a text.
    enum Piece {
        case text(Substring)
        case token(Int32)
    }

    private let patterns: [(scalars: [Unicode.Scalar], token: SpecialToken)]

    /// - Parameter tokens: their `content` is the spelling to look for.
    init(_ tokens: [SpecialToken]) {
        patterns = tokens.map { (Array($0.content.unicodeScalars), $0) }
            .filter { !$0.scalars.isEmpty }
            .sorted { $0.scalars.count > $1.scalars.count }
    }

    /// Cuts a text at its special tokens.
    func split(_ text: Substring) -> [Piece] {
        let scalars = text.unicodeScalars
        var pieces: [Piece] = []
        var start = scalars.startIndex
        var index = start
        while index < scalars.endIndex {
            if let (end, id) = match(in: scalars, at: index) {
                if start < index { pieces.append(.text(Substring(scalars[start..<index]))) }
                pieces.append(.token(id))
                start = end
                index = end
            } else {
                index = scalars.index(after: index)
            }
        }
        if start < scalars.endIndex { pieces.append(.text(Substring(scalars[start...]))) }
        return pieces
    }

    private func match(
        in scalars: Substring.UnicodeScalarView, at index: Substring.Index
    ) -> (end: Substring.Index, id: Int32)? {
        for (pattern, token) in patterns where scalars[index] == pattern[0] {
            guard scalars[index...].starts(with: pattern) else { continue }
            let end = scalars.index(index, offsetBy: pattern.count)
            if token.isWholeWord {
                let before = index == scalars.startIndex ? nil : scalars[scalars.index(before: index)]
                let after = end == scalars.endIndex ? nil : scalars[end]
                if [before, after].contains(where: { $0.map(Self.isWordScalar) ?? false }) { continue }
            }
            return (end, token.id)
        }
        return nil
    }

    private static func isWordScalar(_ scalar: Unicode.Scalar) -> Bool {
        scalar == "_" || scalar.properties.isAlphabetic || scalar.properties.numericType != nil
    }
}
