extension MachineProfile {
    /// Tables for people: what workers do, then every link.
    ///
    /// - Parameter linksMax: links listed; the slowest and the fastest of the rest are summed up in a line.
    public func text(linksMax: Int = 24) -> String {
        var lines: [String] = []
        for worker in workers {
            lines.append(
                "\(worker.name): \(worker.cores == 1 ? "1 thread" : "\(worker.cores) threads"), "
                    + worker.origin.rawValue)
            for entry in worker.matrixRates {
                lines.append(
                    "  \(entry.precision.rawValue) product \(entry.rows) x \(entry.depth) x \(entry.columns): "
                        + "\(Self.rate(entry.rate)) FLOP/s")
            }
            lines.append("  attention: \(Self.rate(worker.attentionRate)) FLOP/s")
            lines.append("  gelu: \(Self.rate(worker.elementRate)) elements/s")
            lines.append("  memory: \(Self.rate(worker.memoryBandwidth))B/s")
            lines.append("  an instruction: \(MeshChoice.text(worker.instructionSeconds))")
        }
        let pairs = workers.indices.flatMap { from in
            workers.indices.filter { $0 != from }.map { (from: from, to: $0, link: self[from, $0]) }
        }
        for pair in pairs.prefix(linksMax) {
            lines.append(
                "\(workers[pair.from].name) -> \(workers[pair.to].name): \(MeshChoice.text(pair.link.latency)), "
                    + "\(Self.rate(pair.link.bandwidth))B/s, \(pair.link.origin.rawValue)")
        }
        if pairs.count > linksMax {
            let rest = pairs.dropFirst(linksMax).map(\.link.bandwidth)
            lines.append(
                "and \(rest.count) more links from \(Self.rate(rest.min() ?? 0))B/s to \(Self.rate(rest.max() ?? 0))B/s"
            )
        }
        return lines.joined(separator: "\n")
    }

    /// "1.25 G", "117.00 M".
    private static func rate(_ value: Double) -> String {
        let prefixes = ["", "k", "M", "G", "T", "P"]
        var value = value
        var index = 0
        while value >= 1000, index < prefixes.count - 1 {
            value /= 1000
            index += 1
        }
        return "\(MeshChoice.rounded(value, digits: 2)) \(prefixes[index])"
    }
}
