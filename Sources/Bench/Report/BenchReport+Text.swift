import Foundation

extension BenchReport {
    /// The report as one JSON document with sorted keys.
    public var json: String {
        get throws {
            let encoder = JSONEncoder()
            encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
            return String(decoding: try encoder.encode(self), as: UTF8.self)
        }
    }

    /// The report as a table.
    public var text: String {
        let head = ["", "workers", "threads", "best run", "speed", "limit", "ratio", "runs, spread"]
        var rows = [head]
        for figure in figures {
            rows.append([
                figure.subject, "\(figure.workers)", "\(figure.threads)", Self.time(figure.seconds.best),
                Self.quantity(figure.value, figure.unit),
                figure.limit.map { Self.quantity($0.value, figure.unit) } ?? "-", figure.ratio.map(Self.percent) ?? "-",
                "\(figure.seconds.runs), \(Self.percent(figure.seconds.spread))",
            ])
        }
        let widths = head.indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
        var lines = ["\(benchmark) at \(instructionSet), \(cores) \(cores == 1 ? "core" : "cores")"]
        lines += rows.map { row in
            row.enumerated().map { column, cell in
                let padding = String(repeating: " ", count: widths[column] - cell.count)
                return column == 0 ? cell + padding : padding + cell
            }.joined(separator: "  ")
        }
        lines += details
        for name in Set(figures.compactMap { $0.limit?.name }).sorted() { lines.append("limit: \(name)") }
        return (lines + notes.map { "note: \($0)" }).joined(separator: "\n")
    }

    private var details: [String] {
        figures.flatMap { figure -> [String] in
            var lines: [String] = []
            if !figure.details.isEmpty {
                let list = figure.details.sorted { $0.key < $1.key }.map { "\($0.key) \(Self.plain($0.value))" }
                lines.append("  \(figure.subject): \(list.joined(separator: ", "))")
            }
            for split in figure.split ?? [] {
                let parts = [
                    ("compute", split.compute), ("wait", split.wait), ("transfer", split.transfer),
                    ("other", split.other), ("idle", split.idle),
                ]
                let total = max(parts.reduce(0) { $0 + $1.1 }, 1e-12)
                lines.append(
                    "  \(figure.subject), \(split.worker): "
                        + parts.map { "\($0.0) \(Self.time($0.1)) (\(Self.percent($0.1 / total)))" }
                        .joined(separator: ", ") + ", sent \(Self.quantity(Double(split.sentBytes), "B"))")
            }
            return lines
        }
    }

    static func percent(_ ratio: Double) -> String { "\(number(100 * ratio, digits: ratio < 0.1 ? 1 : 0)) %" }

    /// Seconds with a unit that leaves one to three digits before the point.
    static func time(_ seconds: Double) -> String {
        switch seconds {
        case 1...: "\(number(seconds, digits: 2)) s"
        case 1e-3...: "\(number(seconds * 1e3, digits: 2)) ms"
        default: "\(number(seconds * 1e6, digits: 1)) us"
        }
    }

    /// A number with a decimal prefix before its unit.
    static func quantity(_ value: Double, _ unit: String) -> String {
        for (limit, prefix) in [(1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")] where value >= limit {
            return "\(number(value / limit, digits: 2)) \(prefix)\(unit)"
        }
        return "\(number(value, digits: value < 10 ? 2 : 0)) \(unit)"
    }

    private static func plain(_ value: Double) -> String {
        value == value.rounded() && abs(value) < 1e15
            ? "\(Int(value))" : number(value, digits: abs(value) < 0.1 ? 6 : 3)
    }

    private static func number(_ value: Double, digits: Int) -> String {
        String(format: "%.\(digits)f", value)
    }
}
