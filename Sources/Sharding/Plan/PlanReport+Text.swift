extension PlanReport {
    /// The report for a terminal.
    public var text: String {
        var lines = ["Mesh: \(mesh)", "", "Workers"]
        for worker in workers {
            let place = worker.coordinates.isEmpty ? "" : " (\(worker.coordinates))"
            lines.append(
                "  \(worker.name)\(place): weights \(Self.bytes(worker.weightBytes)), activations "
                    + "\(Self.bytes(worker.arenaBytes)), per request \(Self.bytes(worker.residentBytes))")
        }
        for program in programs {
            lines += ["", "Program \(program.name)"]
            lines.append(
                "  work per worker: " + program.flops.map { Self.count($0, "FLOP") }.joined(separator: ", "))
            lines.append(
                "  bytes sent per worker: " + program.sentBytes.map { "\($0)" }.joined(separator: ", "))
            lines += Self.grouped(program.collectives)
        }
        lines += ["", "Weights"]
        lines += parameters.map { "  \($0.name) \($0.dims) \($0.sharding)  \($0.reason)" }
        if !inexactSettings.isEmpty {
            lines += ["", "These settings change pixels between meshes: " + inexactSettings.joined(separator: ", ")]
        }
        return lines.joined(separator: "\n")
    }

    /// Equal neighbours in one line, so that 22 layers do not take 22 times the space.
    private static func grouped(_ collectives: [Collective]) -> [String] {
        if collectives.isEmpty { return ["  no communication"] }
        var order: [String] = []
        var groups: [String: (count: Int, bytes: Int)] = [:]
        for collective in collectives {
            let scope = collective.scope.split(separator: ".").map { $0.allSatisfy(\.isNumber) ? "*" : String($0) }
                .joined(separator: ".")
            let key = "\(collective.kind) over \(collective.axes.joined(separator: "+")), \(scope)"
            if groups[key] == nil { order.append(key) }
            groups[key, default: (0, 0)].count += 1
            groups[key, default: (0, 0)].bytes += collective.bytes
        }
        return order.map { key in
            let group = groups[key] ?? (0, 0)
            return "  \(group.count) x \(key): \(bytes(group.bytes)) (\(group.bytes) bytes)"
        }
    }

    /// `1.5 MiB`.
    static func bytes(_ count: Int) -> String {
        let units = ["B", "KiB", "MiB", "GiB", "TiB"]
        var value = Double(count)
        var unit = 0
        while value >= 1024, unit < units.count - 1 {
            value /= 1024
            unit += 1
        }
        return unit == 0 ? "\(count) B" : "\((value * 10).rounded() / 10) \(units[unit])"
    }

    private static func count(_ value: Int, _ unit: String) -> String {
        let prefixes = ["", "k", "M", "G", "T", "P"]
        var scaled = Double(value)
        var index = 0
        while scaled >= 1000, index < prefixes.count - 1 {
            scaled /= 1000
            index += 1
        }
        return "\((scaled * 10).rounded() / 10) \(prefixes[index])\(unit)"
    }
}
