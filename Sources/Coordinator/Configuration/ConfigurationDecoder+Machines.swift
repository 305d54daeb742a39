import Models
import Program
import Sharding
import Yams

extension ConfigurationDecoder {
    /// Units of bandwidth, with the number of bytes a second in each.
    private static let bandwidthUnits: [(name: String, scale: Int)] = [
        ("Mbit/s", 125_000), ("Gbit/s", 125_000_000), ("kB/s", 1_000), ("MB/s", 1_000_000), ("GB/s", 1_000_000_000),
        ("KiB/s", 1 << 10), ("MiB/s", 1 << 20), ("GiB/s", 1 << 30),
    ]
    /// Units of latency, with the number of nanoseconds in each.
    private static let latencyUnits: [(name: String, scale: Int)] = [
        ("ns", 1), ("us", 1_000), ("µs", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000),
    ]

    /// What `mesh: auto` looks for; nil where the file has a mesh of its own, or none.
    func automaticMesh(_ top: ConfigurationSection) -> MeshSearch.Objective? {
        let mesh = reader.word(top, "mesh")
        let objective = reader.choice(top, "objective", of: MeshSearch.Objective.allCases.map(\.rawValue))
        guard let mesh else {
            noteIdleObjective(top, objective)
            return nil
        }
        guard mesh.text == "auto" else {
            reader.note(
                "'\(reader.clipped(mesh.text))' is neither a mapping of axes to sizes nor 'auto'", at: mesh.location,
                keyPath: "mesh", allowed: ["auto"], written: mesh.text)
            return nil
        }
        for key in ["rules", "overrides"] {
            guard let node = top.values[key], !ConfigurationReader.isNull(node) else { continue }
            reader.note(
                "'mesh: auto' chooses the rules; remove this, or write the mesh down", at: top.location(of: key),
                keyPath: key)
        }
        return objective.flatMap(MeshSearch.Objective.init) ?? .latency
    }

    private func noteIdleObjective(_ top: ConfigurationSection, _ objective: String?) {
        guard objective != nil, let setting = reader.setting(top, "objective") else { return }
        reader.note(
            "has no effect without 'mesh: auto'", at: setting.location, keyPath: "objective", severity: .warning)
    }

    /// How partial sums travel; of an f32 model they are f32 either way.
    func partialSums(_ top: ConfigurationSection, dtype: ModelPrecision) -> PartialSums {
        let choice = reader.choice(top, "partial_sums", of: PartialSums.allCases.map(\.rawValue))
        let result = choice.flatMap(PartialSums.init) ?? .f32
        if result == .activations, dtype == .f32 { noteIdle(top, "partial_sums", Self.isReference) }
        return result
    }

    /// How elements travel: as they are where nothing would travel otherwise.
    func wire(_ top: ConfigurationSection, dtype: ModelPrecision, workers: Int) -> WireFormat {
        let choice = reader.choice(top, "wire", of: WireFormat.allCases.map(\.rawValue))
        guard choice.flatMap(WireFormat.init) == .int8 else { return .exact }
        if dtype != .f32, workers > 1 { return .int8 }
        noteIdle(top, "wire", dtype == .f32 ? Self.isReference : "there is one worker")
        return .exact
    }

    private static let isReference = "the model's activations are f32"

    private func noteIdle(_ top: ConfigurationSection, _ key: String, _ reason: String) {
        guard let setting = reader.setting(top, key) else { return }
        reader.note("has no effect: \(reason)", at: setting.location, keyPath: setting.keyPath, severity: .warning)
    }

    /// How messages are hidden.
    func overlap(_ top: ConfigurationSection) -> Overlap {
        switch reader.choice(top, "overlap", of: ["auto", "blocks", "messages", "off"]) {
        case "blocks": .blocks(2)
        case "messages": .messages
        case "off": .off
        default: .auto
        }
    }

    /// The links' figures.
    func links(_ top: ConfigurationSection, workers: [WorkerSettings]?) -> LinkSettings {
        let section = reader.section(top.values["links"], keyPath: "links", keys: ["latency", "bandwidth", "pairs"])
        var settings = LinkSettings(latency: latency(section), bandwidth: bandwidth(section))
        guard let node = section.values["pairs"], !ConfigurationReader.isNull(node) else { return settings }
        guard case .sequence(let sequence) = node else {
            reader.note("a list belongs here", at: ConfigurationReader.location(of: node), keyPath: "links.pairs")
            return settings
        }
        var seen: Set<Set<String>> = []
        settings.pairs = sequence.prefix(4096).enumerated().compactMap { index, item in
            pair(item, keyPath: "links.pairs[\(index)]", workers: workers, seen: &seen)
        }
        return settings
    }

    private func pair(
        _ node: Node, keyPath: String, workers: [WorkerSettings]?, seen: inout Set<Set<String>>
    ) -> LinkSettings.Pair? {
        let section = reader.section(node, keyPath: keyPath, keys: ["between", "latency", "bandwidth"])
        guard case .mapping = node else { return nil }
        let (latency, bandwidth) = (latency(section), bandwidth(section))
        guard let between = section.values["between"] else {
            reader.note("'between' is missing", at: ConfigurationReader.location(of: node), keyPath: keyPath)
            return nil
        }
        let place = ConfigurationReader.location(of: between)
        let names: [String] = between.sequence?.compactMap { $0.scalar?.string } ?? []
        guard names.count == 2, between.sequence?.count == 2, names[0] != names[1] else {
            reader.note("the names of two workers belong here", at: place, keyPath: section.path(of: "between"))
            return nil
        }
        if let known = workers?.map(\.name) {
            for name in names where !known.contains(name) {
                reader.note(
                    "there is no worker '\(reader.clipped(name))'", at: place, keyPath: section.path(of: "between"),
                    allowed: known.count <= 16 ? known : [], written: name)
            }
        }
        if !seen.insert(Set(names)).inserted {
            reader.note(
                "these two workers have a link in this list already", at: place, keyPath: section.path(of: "between"))
        }
        return LinkSettings.Pair(first: names[0], second: names[1], latency: latency, bandwidth: bandwidth)
    }

    private func latency(_ section: ConfigurationSection) -> Duration? {
        reader.quantity(
            section, "latency", units: Self.latencyUnits, in: 100...10_000_000_000, rangeText: "between 100ns and 10s",
            example: "100us"
        ).map { .nanoseconds($0) }
    }

    private func bandwidth(_ section: ConfigurationSection) -> Int? {
        reader.quantity(
            section, "bandwidth", units: Self.bandwidthUnits, in: 1_000...(1 << 50),
            rangeText: "between 1kB/s and 1024TiB/s", example: "1Gbit/s")
    }

    /// The profile that the file names: its path, and what it holds where files are looked at.
    func profile(_ top: ConfigurationSection, workers: [WorkerSettings]?) -> (path: String, profile: MachineProfile?)? {
        guard let setting = reader.setting(top, "profile") else { return nil }
        var path = setting.text
        if case .text = setting.location, !path.hasPrefix("/") { path = folder + path }
        guard checksFiles else { return (path, nil) }
        do throws(ProfileError) {
            let profile = try ProfileFile.read(path)
            let missing = (workers ?? []).map(\.name).filter { name in
                !profile.workers.contains { $0.name == name }
            }
            if !missing.isEmpty {
                let names = missing.prefix(8).joined(separator: ", ") + (missing.count > 8 ? " and more" : "")
                reader.note(
                    "'\(path)' has no figures of \(names); typical ones are assumed", at: setting.location,
                    keyPath: "profile", severity: .warning)
            }
            return (path, profile)
        } catch {
            reader.note("\(error)", at: setting.location, keyPath: "profile")
            return (path, nil)
        }
    }
}
