/// CLIP's tokenizer: lower-cased byte-level byte-pair encoding between a start and an end token ("Learning
/// Transferable Visual Models From Natural Language Supervision", §2.4), in the flavour of the Hugging Face files.
public struct CLIPTokenizer: Sendable {
    /// A text as ids.
    public struct Encoding: Sendable, Hashable {
        /// Start token, the text's tokens, end token, then padding where asked for.
        public var ids: [Int32]
        /// Tokens of the text that did not fit and were left out.
        public var cutCount: Int
    }

    /// Id that starts every text.
    public let startToken: Int32
    /// Id that ends every text.
    public let endToken: Int32
    /// Id that fills up to the full length.
    public let padToken: Int32
    /// Longest encoding, start and end included.
    public let maxLength: Int

    private let encoder: BytePairEncoding?
    private let foldedSize: Int32
    private let rawTokens: SpecialTokens
    private let normalizedTokens: SpecialTokens

    init(
        encoder: BytePairEncoding, special: [SpecialToken], start: Int32, end: Int32, pad: Int32, maxLength: Int
    ) {
        precondition(maxLength >= 2, "a text has room for its start and its end")
        self.encoder = encoder
        foldedSize = 0
        startToken = start
        endToken = end
        padToken = pad
        self.maxLength = maxLength
        rawTokens = SpecialTokens(special.filter { !$0.isNormalized })
        normalizedTokens = SpecialTokens(
            special.filter(\.isNormalized).map { token in
                var token = token
                token.content = String(CLIPText.normalize(token.content[...]))
                return token
            })
    }

    private init(foldedSize: Int32, maxLength: Int) {
        encoder = nil
        self.foldedSize = foldedSize
        startToken = foldedSize
        endToken = foldedSize + 1
        padToken = foldedSize + 1
        self.maxLength = maxLength
        rawTokens = SpecialTokens([])
        normalizedTokens = SpecialTokens([])
    }

    /// A tokenizer without files, for models with generated weights: one token a byte, folded into the vocabulary.
    ///
    /// The last two ids are start and end; padding is the end token. A byte at the end of a word is 256 higher than
    /// inside it, as in CLIP's vocabulary.
    public static func byteLevel(vocabularySize: Int, maxLength: Int) -> CLIPTokenizer {
        precondition(vocabularySize >= 3 && vocabularySize <= Int(Int32.max), "a vocabulary has at least three ids")
        precondition(maxLength >= 2, "a text has room for its start and its end")
        return CLIPTokenizer(foldedSize: Int32(vocabularySize - 2), maxLength: maxLength)
    }

    /// Ids of a text with start and end token, cut to ``maxLength`` (the end token stays); not padded.
    public func encode(_ text: String) -> Encoding {
        var ids: [Int32] = [startToken]
        for piece in rawTokens.split(text[...]) {
            switch piece {
            case .token(let id): ids.append(id)
            case .text(let raw):
                let normalized = String(CLIPText.normalize(raw))
                for part in normalizedTokens.split(normalized[...]) {
                    switch part {
                    case .token(let id): ids.append(id)
                    case .text(let text):
                        for word in CLIPText.words(String.UnicodeScalarView(text.unicodeScalars)) {
                            ids.append(contentsOf: tokens(of: word))
                        }
                    }
                }
            }
        }
        let cut = max(0, ids.count + 1 - maxLength)
        ids.removeLast(cut)
        ids.append(endToken)
        return Encoding(ids: ids, cutCount: cut)
    }

    /// Ids of a text as ``encode(_:)`` makes them, filled with ``padToken`` up to ``maxLength``.
    public func encodePadded(_ text: String) -> Encoding {
        var encoding = encode(text)
        encoding.ids.append(contentsOf: repeatElement(padToken, count: maxLength - encoding.ids.count))
        return encoding
    }

    private func tokens(of word: [UInt8]) -> [Int32] {
        if let encoder { return encoder.encode(word) }
        return word.enumerated().map { index, byte in
            (Int32(byte) + (index == word.count - 1 ? 256 : 0)) % foldedSize
        }
    }
}
