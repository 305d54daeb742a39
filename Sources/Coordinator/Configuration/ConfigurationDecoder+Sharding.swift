import Program
import Sharding
import Yams

extension ConfigurationDecoder {
    /// The mesh's axes in the order of the file; nil where they are wrong (and noted), empty where there are none.
    func mesh(_ top: ConfigurationSection) -> [Mesh.Axis]? {
        guard let node = top.values["mesh"], !ConfigurationReader.isNull(node) else { return [] }
        // Noted by ``automaticMesh(_:)``.
        if reader.word(top, "mesh") != nil { return nil }
        guard let entries = reader.entries(node, keyPath: "mesh") else { return nil }
        var axes: [Mesh.Axis] = []
        var isGood = true
        var count = 1
        for (name, keyNode, value) in entries {
            let keyPath = "mesh.\(reader.clipped(name))"
            if !ConfigurationReader.isName(name) {
                isGood = false
                reader.note(
                    "an axis has a name of letters, digits, '.', '_' and '-'",
                    at: ConfigurationReader.location(of: keyNode), keyPath: keyPath)
            }
            let limit = ClusterConfiguration.deviceCountMax
            guard case .scalar(let scalar) = value, let size = Int(scalar.string), (1...limit).contains(size) else {
                isGood = false
                reader.note(
                    "an axis has a size from 1 to \(limit)", at: ConfigurationReader.location(of: value),
                    keyPath: keyPath)
                continue
            }
            guard count * size <= limit else {
                isGood = false
                reader.note(
                    "the mesh has more than \(limit) devices", at: ConfigurationReader.location(of: value),
                    keyPath: keyPath)
                continue
            }
            count *= size
            axes.append(Mesh.Axis(name, size))
        }
        return isGood ? axes : nil
    }

    /// Lowest priority that a rule may have.
    private static let priorityMax = 100

    /// The rules of the file, or those that follow from the axes' names.
    func rules(_ top: ConfigurationSection, axes: [Mesh.Axis], hasOverrides: Bool) -> LogicalAxisRules {
        guard let node = top.values["rules"], !ConfigurationReader.isNull(node) else {
            if !hasOverrides { checkDefaultNames(top, axes) }
            return LogicalAxisRules(LogicalAxis.defaultRules(mesh: axes.map(\.name)))
        }
        guard let entries = reader.entries(node, keyPath: "rules") else { return LogicalAxisRules([:]) }
        var result = LogicalAxisRules([:])
        for (name, keyNode, value) in entries {
            let keyPath = "rules.\(reader.clipped(name))"
            guard LogicalAxis(rawValue: name) != nil else {
                reader.note(
                    "unknown logical axis", at: ConfigurationReader.location(of: keyNode), keyPath: keyPath,
                    allowed: LogicalAxis.allCases.map(\.rawValue), written: name)
                continue
            }
            var used: Set<String> = []
            reader.places.rules[name] = ConfigurationReader.place(of: keyNode)
            var list = value
            if case .mapping = value {
                let section = reader.section(value, keyPath: keyPath, keys: ["axes", "priority"])
                if let priority = reader.integer(section, "priority", in: 0...Self.priorityMax) {
                    result.priorities[name] = priority
                }
                guard let node = section.values["axes"] else {
                    reader.note("'axes' is missing", at: ConfigurationReader.location(of: value), keyPath: keyPath)
                    continue
                }
                list = node
            }
            result.rules[name] = meshAxes(list, keyPath: keyPath, axes: axes, used: &used, by: "this rule")
        }
        let used = Set(result.rules.values.joined().map { String($0.prefix { $0 != ":" }) })
        for axis in axes where axis.size > 1 && !used.contains(axis.name) && !hasOverrides {
            reader.note(
                "no rule uses this axis: its devices would all do the same work", at: axisLocation(top, axis.name),
                keyPath: "mesh.\(axis.name)", severity: .warning)
        }
        return result
    }

    private func checkDefaultNames(_ top: ConfigurationSection, _ axes: [Mesh.Axis]) {
        for axis in axes where axis.size > 1 && !LogicalAxis.defaultMeshAxisNames.contains(axis.name) {
            reader.note(
                "without 'rules' an axis of this name splits nothing; rename it, or say under 'rules' what it splits",
                at: axisLocation(top, axis.name), keyPath: "mesh.\(axis.name)",
                allowed: LogicalAxis.defaultMeshAxisNames, written: axis.name)
        }
    }

    private func axisLocation(_ top: ConfigurationSection, _ name: String) -> ConfigurationProblem.Location {
        guard case .mapping(let mapping)? = top.values["mesh"] else { return .file }
        for (key, _) in mapping {
            if case .scalar(let scalar) = key, scalar.string == name { return ConfigurationReader.location(of: key) }
        }
        return .file
    }

    /// A mesh axis, a list of them, or nothing; each at most once in `used`, which grows.
    private func meshAxes(
        _ node: Node, keyPath: String, axes: [Mesh.Axis], used: inout Set<String>, by what: String
    ) -> [String] {
        if ConfigurationReader.isNull(node) { return [] }
        let nodes: [Node]
        switch node {
        case .sequence(let sequence): nodes = Array(sequence)
        case .scalar: nodes = [node]
        case .mapping, .alias:
            reader.note(
                "a mesh axis, or a list of them, belongs here", at: ConfigurationReader.location(of: node),
                keyPath: keyPath)
            return []
        }
        var result: [String] = []
        for item in nodes {
            let location = ConfigurationReader.location(of: item)
            guard case .scalar(let scalar) = item else {
                reader.note("the name of a mesh axis belongs here", at: location, keyPath: keyPath)
                continue
            }
            let name = scalar.string
            // `model`, or a part of it such as `model:(1)2`.
            if AxisRef(name, mesh: Mesh(axes)) == nil {
                reader.note(
                    "the mesh has no axis '\(reader.clipped(name))'", at: location, keyPath: keyPath,
                    allowed: axes.map(\.name), written: name)
            } else if !used.insert(name).inserted {
                reader.note("mesh axis '\(name)' is used twice by \(what)", at: location, keyPath: keyPath)
            } else {
                result.append(name)
            }
        }
        return result
    }

    /// Shardings of single parameters.
    func overrides(_ top: ConfigurationSection, axes: [Mesh.Axis]) -> [LogicalAxisRules.Override] {
        guard let node = top.values["overrides"], !ConfigurationReader.isNull(node) else { return [] }
        guard case .sequence(let sequence) = node else {
            reader.note("a list belongs here", at: ConfigurationReader.location(of: node), keyPath: "overrides")
            return []
        }
        return sequence.prefix(1024).enumerated().compactMap { index, item in
            let keyPath = "overrides[\(index)]"
            let section = reader.section(item, keyPath: keyPath, keys: ["parameter", "dimensions"])
            guard case .mapping = item else { return nil }
            for key in ["parameter", "dimensions"] where section.values[key] == nil {
                reader.note("'\(key)' is missing", at: ConfigurationReader.location(of: item), keyPath: keyPath)
            }
            let pattern = reader.setting(section, "parameter")
            if let pattern, !(1...256).contains(pattern.text.utf8.count) {
                reader.note(
                    "a pattern has 1 to 256 characters", at: pattern.location, keyPath: pattern.keyPath)
            }
            let dimensions = dimensions(section, axes: axes)
            guard let pattern, let dimensions else { return nil }
            let node = section.values["parameter"] ?? item
            reader.places.overrides.append(ConfigurationReader.place(of: node) ?? RulePlaces.Place(line: 1))
            return LogicalAxisRules.Override(pattern: pattern.text, dims: dimensions)
        }
    }

    private func dimensions(_ section: ConfigurationSection, axes: [Mesh.Axis]) -> [[String]]? {
        guard let node = section.values["dimensions"] else { return nil }
        let keyPath = section.path(of: "dimensions")
        guard case .sequence(let sequence) = node, (1...8).contains(sequence.count) else {
            reader.note(
                "a list with one entry a dimension (1 to 8) belongs here", at: ConfigurationReader.location(of: node),
                keyPath: keyPath)
            return nil
        }
        var used: Set<String> = []
        return sequence.enumerated().map { index, item in
            meshAxes(item, keyPath: "\(keyPath)[\(index)]", axes: axes, used: &used, by: "this parameter")
        }
    }
}
