/// Finds what somebody probably meant to write.
package enum Spelling {
    /// Longer words are taken as they are.
    private static let byteCountMax = 512

    /// The candidate closest to `word`, if it is close enough to be a likely slip; the first of equals.
    ///
    /// Case does not count, `-` and space are `_`, and a word that another one begins with is as good as a single slip.
    package static func nearest(to word: String, among candidates: some Sequence<String>) -> String? {
        let folded = fold(word)
        guard (1...byteCountMax).contains(folded.count) else { return nil }
        var best: (candidate: String, distance: Int)?
        for candidate in candidates {
            let other = fold(candidate)
            let limit = best.map { $0.distance - 1 } ?? max(1, folded.count / 3)
            guard limit >= 0, let distance = distance(folded, other, limit: limit) else { continue }
            best = (candidate, distance)
        }
        return best?.candidate
    }

    /// " (did you mean …?)" with the nearest of the names, or nothing where none is near.
    static func suggestion(for name: String, among names: some Collection<String>) -> String {
        nearest(to: name, among: names.sorted()).map { " (did you mean \($0)?)" } ?? ""
    }

    /// Edits between two words, or nil where they are more than `limit`: insertions, deletions, substitutions and swaps
    /// of neighbours ("optimal string alignment").
    private static func distance(_ a: [UInt8], _ b: [UInt8], limit: Int) -> Int? {
        if a == b { return 0 }
        if limit >= 1, a.count >= 3, !b.isEmpty, a.starts(with: b) || b.starts(with: a) { return 1 }
        guard abs(a.count - b.count) <= limit, b.count <= byteCountMax else { return nil }
        if a.isEmpty || b.isEmpty { return max(a.count, b.count) }
        var beforeLast = [Int](repeating: 0, count: b.count + 1)
        var last = Array(0...b.count)
        for i in 1...a.count {
            var row = [i] + [Int](repeating: 0, count: b.count)
            for j in 1...b.count {
                row[j] = min(last[j] + 1, row[j - 1] + 1, last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1))
                if i > 1, j > 1, a[i - 1] == b[j - 2], a[i - 2] == b[j - 1] {
                    row[j] = min(row[j], beforeLast[j - 2] + 1)
                }
            }
            // No later row gets below both of the last two.
            if row.allSatisfy({ $0 > limit }), last.allSatisfy({ $0 > limit }) { return nil }
            (beforeLast, last) = (last, row)
        }
        return last[b.count] <= limit ? last[b.count] : nil
    }

    private static func fold(_ word: String) -> [UInt8] {
        word.lowercased().utf8.map { [UInt8(ascii: "-"), UInt8(ascii: " ")].contains($0) ? UInt8(ascii: "_") : $0 }
    }
}
