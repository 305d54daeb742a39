/// Names that somebody may have meant: by edits between a glob and a name, wildcards for free.
public enum NearNames {
    /// Longest pattern or name that is compared, in bytes.
    private static let byteCountMax = 512

    /// The names closest to a pattern, best first, each kind of layer once; none that is far off.
    public static func of(_ pattern: String, among names: some Sequence<String>, countMax: Int = 3) -> [String] {
        let wanted = Array(pattern.lowercased().utf8)
        guard (1...byteCountMax).contains(wanted.count) else { return [] }
        let limit = max(2, wanted.count / 3)
        var seen: Set<String> = []
        var found: [(name: String, distance: Int)] = []
        for name in names.sorted() {
            guard let distance = distance(wanted, Array(name.lowercased().utf8), limit: limit) else { continue }
            found.append((name, distance))
        }
        let sorted = found.enumerated().sorted {
            ($0.element.distance, $0.offset) < ($1.element.distance, $1.offset)
        }
        let distinct = sorted.map(\.element.name).filter { seen.insert(PlanReport.folded($0)).inserted }
        return Array(distinct.prefix(countMax))
    }

    /// Insertions, deletions and substitutions between what a glob can stand for and a name; also of a part of the name
    /// that begins at a dot, at the price of one edit.
    private static func distance(_ pattern: [UInt8], _ name: [UInt8], limit: Int) -> Int? {
        guard name.count <= byteCountMax else { return nil }
        let (star, any, dot) = (UInt8(ascii: "*"), UInt8(ascii: "?"), UInt8(ascii: "."))
        // Beginning after a dot leaves out the parts before it.
        var row = [Int](repeating: 0, count: name.count + 1)
        for index in name.indices { row[index + 1] = min(index + 1, name[index] == dot ? 1 : .max) }
        for byte in pattern {
            var next = row
            next[0] = byte == star ? row[0] : row[0] + 1
            for (index, other) in name.enumerated() {
                let (from, before) = (row[index], row[index + 1])
                if byte == star {
                    next[index + 1] = min(before, next[index])
                } else {
                    next[index + 1] = min(from + (byte == other || byte == any ? 0 : 1), before + 1, next[index] + 1)
                }
            }
            row = next
        }
        let whole = row[name.count]
        // Ending before a dot, likewise.
        let parts = name.indices.filter { name[$0] == dot }.map { row[$0] + 1 }.min() ?? .max
        let best = min(whole, parts)
        return best <= limit ? best : nil
    }
}
