import Foundation

/// What happens to a text before its words are encoded, as CLIP's tokenizer does it.
enum CLIPText {
    /// Composes canonically (NFC), makes each run of white space one space, and lower-cases character by character.
    static func normalize(_ text: Substring) -> String.UnicodeScalarView {
        // Decomposing first: composing alone leaves a Hangul syllable and a following final consonant apart.
        let composed = String(text).decomposedStringWithCanonicalMapping.precomposedStringWithCanonicalMapping
        var result = String.UnicodeScalarView()
        var inSpace = false
        for scalar in composed.unicodeScalars {
            if scalar.properties.isWhitespace {
                if !inSpace { result.append(" ") }
                inSpace = true
            } else {
                result.append(contentsOf: scalar.properties.lowercaseMapping.unicodeScalars)
                inSpace = false
            }
        }
        return result
    }

    private enum Kind { case letter, number, space, other }

    private static func kind(_ scalar: Unicode.Scalar) -> Kind {
        switch scalar.properties.generalCategory {
        case .lowercaseLetter, .uppercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: .letter
        case .decimalNumber, .letterNumber, .otherNumber: .number
        default: scalar.properties.isWhitespace ? .space : .other
        }
    }

    private static let contractions: [[Unicode.Scalar]] = ["'s", "'t", "'re", "'ve", "'m", "'ll", "'d"].map {
        Array($0.unicodeScalars)
    }
    private static let markers: [[[Unicode.Scalar]]] = ["startoftext", "endoftext"].map { name in
        ["<|", name, "|>"].map { Array($0.unicodeScalars) }
    }

    /// Splits normalised text into words: a contraction, a run of letters, one number character, or a run of anything
    /// else that is not white space.
    ///
    /// White space is dropped.
    ///
    /// The start and end markers, spelt out in lower case, are words too, which byte-level splitting cuts in three.
    static func words(_ text: String.UnicodeScalarView) -> [[UInt8]] {
        let scalars = Array(text)
        var words: [[UInt8]] = []
        var index = 0
        func starts(with pattern: [Unicode.Scalar]) -> Bool { scalars[index...].starts(with: pattern) }
        func take(_ count: Int) {
            words.append(Array(String(String.UnicodeScalarView(scalars[index..<(index + count)])).utf8))
            index += count
        }
        while index < scalars.count {
            if scalars[index] == "<", let parts = markers.first(where: { starts(with: Array($0.joined())) }) {
                for part in parts { take(part.count) }
                continue
            }
            if scalars[index] == "'", let contraction = contractions.first(where: { starts(with: $0) }) {
                take(contraction.count)
                continue
            }
            let first = kind(scalars[index])
            switch first {
            case .space: index += 1
            case .number: take(1)
            case .letter, .other:
                let end = scalars[index...].firstIndex { kind($0) != first } ?? scalars.count
                take(end - index)
            }
        }
        return words
    }
}
