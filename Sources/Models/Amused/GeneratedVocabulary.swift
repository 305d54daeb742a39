/// A vocabulary for models with generated weights: every byte is a token, alone or at a word's end; nothing is merged.
///
/// It has the form that CLIP tokenizers are made of: text to id, in the byte alphabet of byte-level BPE, where printable
/// Latin-1 characters stand for themselves and the others for the characters from U+0100 on.
public enum GeneratedVocabulary {
    /// Text that marks a word's end.
    public static let wordEnd = "</w>"
    /// Token at the start of every text.
    public static let start = "<|startoftext|>"
    /// Token at the end of every text.
    public static let end = "<|endoftext|>"

    /// Bytes get the ids 0 to 255, bytes at a word's end 256 to 511, the two special tokens those of the configuration.
    public static func make(_ configuration: CLIPTextConfiguration) -> [String: Int] {
        precondition(configuration.vocabularySize >= 514, "a generated vocabulary has at least 514 ids")
        var vocabulary = [start: configuration.startToken, end: configuration.endToken]
        for (byte, character) in alphabet.enumerated() {
            vocabulary[String(character)] = byte
            vocabulary[String(character) + wordEnd] = 256 + byte
        }
        return vocabulary
    }

    /// The character that stands for each byte.
    static let alphabet: [Character] = {
        var stand: UInt32 = 0x100
        return (UInt8.min...UInt8.max).map { byte in
            let isPrintable = (0x21...0x7E).contains(byte) || (0xA1...0xAC).contains(byte) || byte >= 0xAE
            if isPrintable { return Character(Unicode.Scalar(byte)) }
            defer { stand += 1 }
            guard let scalar = Unicode.Scalar(stand) else { preconditionFailure("U+0100 to U+0143 are characters") }
            return Character(scalar)
        }
    }()
}
