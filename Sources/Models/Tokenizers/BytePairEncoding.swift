/// Byte-pair encoding over integer symbols ("Neural Machine Translation of Rare Words with Subword Units", §3.2).
///
/// The symbols of a word are merged pair by pair, always the pair that was learnt first, the leftmost of equals.
struct BytePairEncoding: Sendable {
    /// The word boundary that is part of a word's last symbol.
    static let endOfWord = "</w>"

    private struct Pair: Hashable {
        let left: Int32
        let right: Int32
    }
    private struct Merge {
        let rank: Int
        let id: Int32
    }

    /// Ids by token.
    let vocabulary: [String: Int32]
    /// Id of each byte as a symbol inside a word, and at its end; the unknown token where the vocabulary lacks it.
    private let inner: [Int32]
    private let last: [Int32]
    private let merges: [Pair: Merge]

    /// Makes an encoder.
    ///
    /// - Parameter merges: pairs of tokens, the first learnt first.
    /// Throws the sentence that says which merge is not in the vocabulary.
    init(vocabulary: [String: Int32], merges: [(String, String)], unknown: Int32) throws(MergeProblem) {
        self.vocabulary = vocabulary
        let symbols = ByteAlphabet.characters.map { String($0) }
        inner = symbols.map { vocabulary[$0] ?? unknown }
        last = symbols.map { vocabulary[$0 + Self.endOfWord] ?? unknown }
        var table: [Pair: Merge] = [:]
        table.reserveCapacity(merges.count)
        for (rank, merge) in merges.enumerated() {
            guard let left = vocabulary[merge.0], let right = vocabulary[merge.1],
                let id = vocabulary[merge.0 + merge.1]
            else { throw MergeProblem(index: rank, left: merge.0, right: merge.1) }
            let pair = Pair(left: left, right: right)
            if table[pair] == nil { table[pair] = Merge(rank: rank, id: id) }
        }
        self.merges = table
    }

    /// Ids of one word, given as bytes of UTF-8; none for an empty word.
    func encode(_ word: [UInt8]) -> [Int32] {
        var ids = word.map { inner[Int($0)] }
        guard let final = word.last else { return [] }
        ids[ids.count - 1] = last[Int(final)]
        // Rank of the merge at each place, kept up to date, so that a long word costs comparisons, not look-ups.
        var ranks = (1..<ids.count).map { rank(ids[$0 - 1], ids[$0]) }
        while let (index, best) = ranks.enumerated().min(by: { $0.element < $1.element }), best != Int.max {
            guard let merge = merges[Pair(left: ids[index], right: ids[index + 1])] else { break }
            ids[index] = merge.id
            ids.remove(at: index + 1)
            ranks.remove(at: index)
            if index > 0 { ranks[index - 1] = rank(ids[index - 1], ids[index]) }
            if index < ranks.count { ranks[index] = rank(ids[index], ids[index + 1]) }
        }
        return ids
    }

    private func rank(_ left: Int32, _ right: Int32) -> Int {
        merges[Pair(left: left, right: right)]?.rank ?? Int.max
    }
}

/// A merge whose parts or whole are not in the vocabulary.
struct MergeProblem: Error, Sendable {
    let index: Int
    let left: String
    let right: String
}
