extension PlanReport {
    /// Links and workers that are named one by one; of more, the rest is counted.
    private static let namedMax = 16

    /// The report for a terminal.
    ///
    /// - Parameter listsWeights: every weight by itself, instead of those of all layers in one line.
    public func text(listsWeights: Bool = false) -> String {
        var lines = ["Mesh: \(mesh)"]
        if !subject.isEmpty { lines.append("Plan for \(subject)") }
        lines += ["", "Workers"] + workerLines
        for program in programs { lines += [""] + self.lines(program) }
        lines += ["", "Weights"] + (listsWeights ? allWeights : groupedWeights)
        if !inexactSettings.isEmpty {
            lines += ["", "These settings change pixels between meshes: " + inexactSettings.joined(separator: ", ")]
        }
        return lines.joined(separator: "\n")
    }

    // MARK: Workers

    private var workerLines: [String] {
        // Hosts have a column only where the file names some.
        let hasHosts = workers.contains { $0.host != nil }
        let head =
            ["worker"] + (hasHosts ? ["host"] : [])
            + ["place", "weights", "activations", "a request", "together", "limit"]
        let rows = workers.map { worker in
            [worker.name] + (hasHosts ? [worker.host ?? "-"] : []) + [
                worker.coordinates.isEmpty ? "-" : worker.coordinates, Self.bytes(worker.weightBytes),
                Self.bytes(worker.arenaBytes), Self.bytes(worker.residentBytes), Self.bytes(worker.totalBytes),
                limit(worker),
            ]
        }
        return Self.table([head] + rows, right: Set((2...6).map { hasHosts ? $0 + 1 : $0 }))
    }

    private func limit(_ worker: WorkerPlan) -> String {
        guard let limit = worker.limitBytes else { return "none" }
        return Self.bytes(limit) + (worker.totalBytes > limit ? " (too small)" : "")
    }

    // MARK: Programs

    private func lines(_ program: ProgramPlan) -> [String] {
        let total = program.flops.reduce(0, +)
        var lines = ["Program \(program.name), \(program.name == "step" ? "a call a step" : "a call a request")"]
        let shares = program.flops.map { Self.percent($0, of: total) }
        lines.append("  work    \(Self.count(total, "FLOP")): " + perWorker(shares))
        if let timing = program.timing { lines.append("  time    " + Self.time(timing)) }
        if let blocks = program.blocks { lines.append("  blocks  " + Self.text(blocks)) }
        let sent = program.sentBytes.reduce(0, +)
        guard sent > 0 else { return lines + ["  sent    nothing"] }
        let each = program.sentBytes.map { $0 < 1024 ? "\($0) bytes" : "\($0) bytes (\(Self.bytes($0)))" }
        let messages = "\(program.messages) \(program.messages == 1 ? "message" : "messages")"
        lines.append("  sent    \(Self.bytes(sent)) in \(messages): " + perWorker(each))
        lines += self.links(program.links)
        return lines + Self.collectives(program.collectives)
    }

    /// `12.5 ms predicted; of the time that messages take, 40.0 % is spent waiting and 60.0 % computing`.
    private static func time(_ timing: Timing) -> String {
        let text = "\(duration(timing.seconds)) predicted"
        let (waiting, hidden) = (timing.waitingSeconds.reduce(0, +), timing.hiddenSeconds.reduce(0, +))
        guard waiting + hidden > 0 else { return text }
        let parts = [waiting, hidden].map { percent(Int($0 * 1e9), of: Int((waiting + hidden) * 1e9)) }
        let most = [timing.waitingSeconds, timing.hiddenSeconds].map { duration($0.max() ?? 0) }
        return text + "; while messages are on their way, workers wait for \(parts[0]) of the time (at most "
            + "\(most[0])) and compute for \(parts[1]) (\(most[1]) hidden)"
    }

    /// `2 along dimension 0 of [2, 1, 16, 16, 2048]; without them 35.1 ms predicted`.
    private static func text(_ blocks: Blocks) -> String {
        let text = "\(blocks.count) along dimension \(blocks.dimension) of \(blocks.sizes)"
        return text + (blocks.wholeSeconds.map { "; without them \(duration($0)) predicted" } ?? "")
    }

    private static func duration(_ seconds: Double) -> String {
        seconds < 1e-3 ? "\(tenths(seconds * 1e6)) µs" : "\(tenths(seconds * 1000)) ms"
    }

    /// "25.0 % by each worker", or the value of each.
    private func perWorker(_ values: [String]) -> String {
        guard let first = values.first, values.contains(where: { $0 != first }) else {
            return "\(values.first ?? "nothing") by \(values.count == 1 ? workers[0].name : "each worker")"
        }
        return listed(zip(workers, values).map { "\($0.name) \($1)" })
    }

    /// Links of equal load in one line.
    private func links(_ links: [Link]) -> [String] {
        var names: [Int: [String]] = [:]
        for link in links { names[link.bytes, default: []].append("\(link.from) to \(link.to)") }
        return names.sorted { $0.key > $1.key }.enumerated().map { index, entry in
            let size = entry.key < 1024 ? "" : " (\(Self.bytes(entry.key)))"
            return (index == 0 ? "  links   " : "          ") + "\(entry.key) bytes\(size): rank " + listed(entry.value)
        }
    }

    private func listed(_ names: [String]) -> String {
        let rest = names.count - Self.namedMax
        return names.prefix(Self.namedMax).joined(separator: ", ") + (rest > 0 ? " and \(rest) more (--json)" : "")
    }

    /// Equal ones in one line, so that 22 layers do not take 22 times the space.
    private static func collectives(_ collectives: [Collective]) -> [String] {
        let head = ["collective", "over", "where", "times", "bytes", ""]
        let groups = grouped(collectives) { [$0.kind, $0.axes.joined(separator: "+"), folded($0.scope)] }
        let rows = groups.map { key, group in
            let sum = group.reduce(0) { $0 + $1.bytes }
            return [
                key[0], key[1], key[2].isEmpty ? "-" : key[2], "\(group.count)", "\(sum)",
                sum < 1024 ? "" : "(\(bytes(sum)))",
            ]
        }
        return table([head] + rows, right: [3, 4, 5])
    }

    // MARK: Weights

    private var allWeights: [String] {
        parameters.map { "  \($0.name) \($0.dims) \($0.sharding)  \($0.reason)" }
    }

    /// Split weights by pattern; those that all workers hold only by their sum.
    private var groupedWeights: [String] {
        let head = ["weight", "shape", "split over", "times", "size", "because"]
        let split = Self.grouped(parameters.filter { !$0.isReplicated }) {
            [Self.folded($0.name), "\($0.dims)", $0.sharding, Self.folded($0.reason)]
        }
        var lines = ["  Names with * stand for all layers; --weights lists every weight."]
        lines += Self.table(
            [head]
                + split.map { key, group in
                    let size = Self.bytes(group.reduce(0) { $0 + $1.bytes })
                    return [key[0], key[1], key[2], "\(group.count)", size, key[3]]
                }, right: [3, 4])
        let whole = Self.grouped(parameters.filter(\.isReplicated)) {
            [String($0.name.prefix { $0 != "." }), $0.reason]
        }
        if !whole.isEmpty {
            lines += ["", "  On every worker"]
            lines += whole.map { key, group in
                "  \(key[0]): \(group.count) \(group.count == 1 ? "weight" : "weights"), "
                    + "\(Self.bytes(group.reduce(0) { $0 + $1.bytes })) (\(key[1]))"
            }
        }
        return lines
    }

    // MARK: Words

    /// Elements with equal keys together, in the order of their first.
    static func grouped<Element>(
        _ elements: [Element], by key: (Element) -> [String]
    ) -> [(key: [String], group: [Element])] {
        var groups: [(key: [String], group: [Element])] = []
        var places: [[String]: Int] = [:]
        for element in elements {
            let key = key(element)
            if let place = places[key] {
                groups[place].group.append(element)
            } else {
                places[key] = groups.count
                groups.append((key, [element]))
            }
        }
        return groups
    }

    /// `layers.*.attn1` for `layers.7.attn1`, wherever such a path stands in the text.
    static func folded(_ text: String) -> String {
        text.split(separator: " ", omittingEmptySubsequences: false).map { word in
            word.split(separator: ".", omittingEmptySubsequences: false).enumerated().map { index, part in
                let digits = part.prefix { $0.isNumber }
                let isIndex = index > 0 && !digits.isEmpty && part.dropFirst(digits.count).allSatisfy(\.isPunctuation)
                return isIndex ? "*" + part.dropFirst(digits.count) : String(part)
            }.joined(separator: ".")
        }.joined(separator: " ")
    }

    /// Rows in columns, indented; those of `right` end flush.
    private static func table(_ rows: [[String]], right: Set<Int>) -> [String] {
        var widths: [Int] = []
        for row in rows {
            for (column, cell) in row.enumerated() {
                if column == widths.count { widths.append(0) }
                widths[column] = max(widths[column], cell.count)
            }
        }
        return rows.map { row in
            let cells = row.enumerated().map { column, cell in
                let space = String(repeating: " ", count: widths[column] - cell.count)
                return right.contains(column) ? space + cell : cell + space
            }
            let line = "  " + cells.joined(separator: "  ")
            return String(line.reversed().drop { $0 == " " }.reversed())
        }
    }

    /// `1.5 MiB`.
    public static func bytes(_ count: Int) -> String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB"]
        var value = Double(count)
        var unit = 0
        while value >= 1024, unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        return unit == 0 ? "\(count) B" : "\(tenths(value)) \(units[unit])"
    }

    static func count(_ value: Int, _ unit: String) -> String {
        let prefixes = ["", "k", "M", "G", "T", "P"]
        var scaled = Double(value)
        var index = 0
        while scaled >= 1000, index < prefixes.count - 1 {
            scaled /= 1000
            index += 1
        }
        return "\(tenths(scaled)) \(prefixes[index])\(unit)"
    }

    private static func percent(_ part: Int, of total: Int) -> String {
        "\(tenths(total > 0 ? 100 * Double(part) / Double(total) : 0)) %"
    }

    private static func tenths(_ value: Double) -> String {
        let tenths = Int((value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10)"
    }
}
