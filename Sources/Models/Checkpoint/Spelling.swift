/// Finds what somebody may have meant.
enum Spelling {
    /// ", did you mean …?" with the nearest of the names, or nothing where none is near.
    static func suggestion(for name: String, among names: some Collection<String>) -> String {
        let wanted = Array(name.utf8)
        var best: (distance: Int, name: String)?
        for candidate in names.sorted() {
            let limit = min(wanted.count / 3 + 1, best.map { $0.distance - 1 } ?? Int.max)
            if let distance = distance(wanted, Array(candidate.utf8), limit: limit) { best = (distance, candidate) }
        }
        return best.map { " (did you mean \($0.name)?)" } ?? ""
    }

    /// Number of insertions, deletions and substitutions (Levenshtein), or nil where it is more than `limit`.
    private static func distance(_ a: [UInt8], _ b: [UInt8], limit: Int) -> Int? {
        guard abs(a.count - b.count) <= limit, a.count <= 512, b.count <= 512 else { return nil }
        var row = Array(0...b.count)
        for (i, left) in a.enumerated() {
            var diagonal = row[0]
            row[0] = i + 1
            var least = row[0]
            for (j, right) in b.enumerated() {
                let substituted = diagonal + (left == right ? 0 : 1)
                diagonal = row[j + 1]
                row[j + 1] = min(substituted, row[j] + 1, row[j + 1] + 1)
                least = min(least, row[j + 1])
            }
            guard least <= limit else { return nil }
        }
        return row[b.count] <= limit ? row[b.count] : nil
    }
}
