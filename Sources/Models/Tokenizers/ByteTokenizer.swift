/// A tokenizer without a vocabulary file: one token a byte of UTF-8, then the end token.
///
/// The ids are those of ByT5 ("ByT5: Towards a Token-Free Future with Pre-trained Byte-to-Byte Models", §3.1): 0 pads, 1
/// ends, 2 is unused, byte b is b + 3. It stands in for T5's SentencePiece model where weights are generated.
public struct ByteTokenizer: Sendable, Hashable {
    /// Ids that can occur.
    public static let idCount = 259
    /// Rows of an embedding table for it, as ByT5 has them.
    public static let vocabularySize = 384
    /// Id of the first byte.
    static let firstByte: Int32 = 3

    /// Longest encoding, end token included.
    public let maxLength: Int

    /// Makes a tokenizer.
    public init(maxLength: Int) {
        precondition(maxLength >= 2, "a text has room for a byte and its end")
        self.maxLength = maxLength
    }

    /// Ids of a text padded to ``maxLength``, and how many bytes did not fit; an empty text is all padding, without an
    /// end.
    public func encodePadded(_ text: String) -> (ids: [Int32], cutCount: Int) {
        var ids: [Int32] = []
        ids.reserveCapacity(maxLength)
        let bytes = text.utf8
        if !bytes.isEmpty {
            ids += bytes.prefix(maxLength - 1).map { Int32($0) + Self.firstByte }
            ids.append(T5Configuration.endToken)
        }
        ids += repeatElement(T5Configuration.padToken, count: maxLength - ids.count)
        return (ids, max(0, bytes.count - (maxLength - 1)))
    }
}
