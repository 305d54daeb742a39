/// Numbers of one look at `/metrics`.
struct MetricsSample {
    /// A series: a name and its labels, and the value.
    struct Series {
        var name: String
        var labels: [String: String]
        var value: Double
    }

    private(set) var series: [Series] = []

    /// Reads Prometheus' text format; lines that are none of it do not count.
    init(text: String) {
        for line in text.split(separator: "\n") where !line.hasPrefix("#") {
            guard let space = line.lastIndex(of: " "), let value = Double(line[line.index(after: space)...]) else {
                continue
            }
            let head = line[..<space]
            guard let brace = head.firstIndex(of: "{") else {
                series.append(Series(name: String(head), labels: [:], value: value))
                continue
            }
            let inner = head[head.index(after: brace)...].dropLast()
            series.append(Series(name: String(head[..<brace]), labels: Self.labels(inner), value: value))
        }
    }

    /// `a="x",b="y"`; backslashes keep the character after them.
    private static func labels(_ text: Substring) -> [String: String] {
        var labels: [String: String] = [:]
        var rest = text[...]
        while let equals = rest.firstIndex(of: "=") {
            let name = rest[..<equals].drop { $0 == "," || $0 == " " }
            rest = rest[equals...].dropFirst()
            guard rest.popFirst() == "\"" else { break }
            var value = ""
            while let character = rest.popFirst(), character != "\"" {
                guard character == "\\", let escaped = rest.popFirst() else {
                    value.append(character)
                    continue
                }
                value.append(escaped == "n" ? "\n" : escaped)
            }
            labels[String(name)] = value
        }
        return labels
    }

    /// Sum of all series of a name whose labels contain those; nil where there is none.
    func sum(_ name: String, where labels: [String: String] = [:]) -> Double? {
        let values = series.filter { entry in
            entry.name == name && labels.allSatisfy { entry.labels[$0.key] == $0.value }
        }.map(\.value)
        return values.isEmpty ? nil : values.reduce(0, +)
    }

    /// Values by one label.
    func values(_ name: String, by label: String) -> [String: Double] {
        var values: [String: Double] = [:]
        for entry in series where entry.name == name { values[entry.labels[label] ?? "", default: 0] += entry.value }
        return values
    }

    /// A quantile of a histogram, interpolated in its bucket as Prometheus' `histogram_quantile` does; nil without values.
    func quantile(_ part: Double, of name: String) -> Double? {
        let buckets = series.filter { $0.name == name + "_bucket" }
            .compactMap { entry in
                entry.labels["le"].map { (bound: $0 == "+Inf" ? .infinity : Double($0) ?? 0, entry.value) }
            }
            .sorted { $0.bound < $1.bound }
        guard let total = buckets.last?.1, total > 0 else { return nil }
        var (below, lower) = (0.0, 0.0)
        for (bound, count) in buckets {
            if count >= part * total {
                if bound == .infinity { return lower }
                return lower + (bound - lower) * (part * total - below) / max(count - below, 1)
            }
            (below, lower) = (count, bound)
        }
        return lower
    }
}
