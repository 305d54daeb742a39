import Models
import Sharding
import Yams

/// Reads settings from three layers, notes every problem and carries on.
///
/// A scalar setting is looked up on the command line first, then in the file, then in the environment, where its name is
/// the key path in capitals: `control.port` is `TESSERA_CONTROL_PORT`.
final class ConfigurationReader {
    /// A scalar, wherever it was found.
    struct Setting {
        var text: String
        var keyPath: String
        var location: ConfigurationProblem.Location
    }

    /// Where rules and overrides were found.
    var places = RulePlaces()
    /// What is wrong so far.
    private(set) var problems: [ConfigurationProblem] = []
    private let environment: [String: String]
    private let flags: [String: String]
    private var knownKeyPaths: [String] = []

    /// Makes a reader; `flags` are key paths with values, as `--set` gives them.
    init(environment: [String: String], flags: [String: String]) {
        self.environment = environment
        self.flags = flags
    }

    // MARK: Problems

    /// Notes a problem.
    func note(
        _ message: String, at location: ConfigurationProblem.Location, keyPath: String, allowed: [String] = [],
        written: String? = nil, severity: ConfigurationProblem.Severity = .error
    ) {
        problems.append(
            ConfigurationProblem(
                severity: severity, location: location, keyPath: keyPath, message: message, allowed: allowed,
                nearest: written.flatMap { Spelling.nearest(to: $0, among: allowed) }))
    }

    /// Notes problems found elsewhere.
    func note(_ more: [ConfigurationProblem]) { problems += more }

    /// Notes flags that name no setting.
    ///
    /// Call when everything has been read.
    func noteUnusedFlags() {
        for key in flags.keys.sorted() where !knownKeyPaths.contains(key) {
            let nearest = Spelling.nearest(to: key, among: knownKeyPaths)
            problems.append(
                ConfigurationProblem(
                    location: .flag("--set \(key)"), keyPath: "", message: "no setting has this name",
                    nearest: nearest))
        }
    }

    /// A variable of the environment that is no setting of ours; nil where it is not set.
    func variable(_ name: String) -> String? { environment[name].flatMap { $0.isEmpty ? nil : $0 } }

    // MARK: Nodes

    /// Where a node stands.
    static func location(of node: Node) -> ConfigurationProblem.Location {
        guard let mark = node.mark else { return .file }
        var length = 1
        if case .scalar(let scalar) = node {
            let quotes = scalar.style == .singleQuoted || scalar.style == .doubleQuoted ? 2 : 0
            length = max(1, (scalar.string.prefix { !$0.isNewline }).unicodeScalars.count + quotes)
        }
        return .text(line: mark.line, column: mark.column, length: length)
    }

    /// Where a node stands, for those that come back to it after the file was read.
    static func place(of node: Node) -> RulePlaces.Place? {
        guard case .text(let line, let column, let length) = location(of: node) else { return nil }
        return RulePlaces.Place(line: line, column: column, length: length)
    }

    /// True for a value that was left out (`key:` alone, `~`, `null`).
    static func isNull(_ node: Node) -> Bool {
        guard case .scalar(let scalar) = node else { return false }
        return scalar.style == .plain && ["", "~", "null", "Null", "NULL"].contains(scalar.string)
    }

    /// A mapping's entries by key, in the order of the file; nil (and a problem) for anything else.
    func entries(_ node: Node, keyPath: String) -> [(key: String, keyNode: Node, value: Node)]? {
        guard case .mapping(let mapping) = node else {
            note("a mapping (key: value) belongs here", at: Self.location(of: node), keyPath: keyPath)
            return nil
        }
        return mapping.compactMap { key, value in
            guard case .scalar(let scalar) = key else {
                note("keys are plain words", at: Self.location(of: key), keyPath: keyPath)
                return nil
            }
            return (scalar.string, key, value)
        }
    }

    /// A mapping with a fixed set of keys; unknown ones are noted.
    ///
    /// Nil where the section is absent or not a mapping.
    func section(_ node: Node?, keyPath: String, keys: [String]) -> ConfigurationSection {
        var section = ConfigurationSection(keyPath: keyPath, node: node, values: [:], keyNodes: [:])
        guard let node, let entries = entries(node, keyPath: keyPath) else { return section }
        for entry in entries {
            if keys.contains(entry.key) {
                section.values[entry.key] = entry.value
                section.keyNodes[entry.key] = entry.keyNode
            } else {
                note(
                    "unknown key", at: Self.location(of: entry.keyNode),
                    keyPath: section.path(of: clipped(entry.key)), allowed: keys, written: entry.key)
            }
        }
        return section
    }

    // MARK: Scalars

    /// Looks a setting up in all layers.
    func setting(_ section: ConfigurationSection, _ key: String) -> Setting? {
        let keyPath = section.path(of: key)
        if !section.isListEntry {
            knownKeyPaths.append(keyPath)
            if let text = flags[keyPath] {
                return Setting(text: text, keyPath: keyPath, location: .flag("--set \(keyPath)=\(text)"))
            }
        }
        if let node = section.values[key] {
            guard case .scalar(let scalar) = node else {
                note("a single value belongs here", at: Self.location(of: node), keyPath: keyPath)
                return nil
            }
            guard !Self.isNull(node) else {
                let place = section.keyNodes[key] ?? node
                note("has no value; give one or remove the key", at: Self.location(of: place), keyPath: keyPath)
                return nil
            }
            return Setting(text: scalar.string, keyPath: keyPath, location: Self.location(of: node))
        }
        guard !section.isListEntry else { return nil }
        let variable = "TESSERA_" + keyPath.uppercased().replacing(".", with: "_")
        guard let text = environment[variable], !text.isEmpty else { return nil }
        return Setting(text: text, keyPath: keyPath, location: .environment(variable))
    }

    /// A scalar where something else may stand too; nil, without a complaint, for anything else.
    func word(_ section: ConfigurationSection, _ key: String) -> Setting? {
        let keyPath = section.path(of: key)
        guard flags[keyPath] == nil, let node = section.values[key] else { return setting(section, key) }
        guard case .scalar = node, !Self.isNull(node) else { return nil }
        return setting(section, key)
    }

    /// A finite number of a range; nil where it is absent or wrong (and noted).
    func real(_ section: ConfigurationSection, _ key: String, in range: ClosedRange<Double>) -> Double? {
        guard let setting = setting(section, key) else { return nil }
        if let value = Double(setting.text), value.isFinite, range.contains(value) { return value }
        func text(_ bound: Double) -> String { bound == bound.rounded() ? String(Int(bound)) : String(bound) }
        note(
            "'\(clipped(setting.text))' is not a number from \(text(range.lowerBound)) to \(text(range.upperBound))",
            at: setting.location, keyPath: setting.keyPath)
        return nil
    }

    /// A whole number in a range.
    func integer(_ section: ConfigurationSection, _ key: String, in range: ClosedRange<Int>) -> Int? {
        guard let setting = setting(section, key) else { return nil }
        if let value = Int(setting.text), range.contains(value) { return value }
        note(
            "'\(clipped(setting.text))' is not a whole number from \(range.lowerBound) to \(range.upperBound)",
            at: setting.location, keyPath: setting.keyPath)
        return nil
    }

    /// A quantity with a unit, in the smallest unit.
    func quantity(
        _ section: ConfigurationSection, _ key: String, units: [(name: String, scale: Int)], in range: ClosedRange<Int>,
        rangeText: String, example: String
    ) -> Int? {
        guard let setting = setting(section, key) else { return nil }
        let shown = clipped(setting.text)
        func problem(_ message: String, allowed: [String] = [], written: String? = nil) {
            note(message, at: setting.location, keyPath: setting.keyPath, allowed: allowed, written: written)
        }
        switch Quantity.parse(setting.text, units: units) {
        case .success(let value):
            if range.contains(value) { return value }
            problem("'\(shown)' is not \(rangeText)")
        case .failure(.noNumber): problem("'\(shown)' is not a number with a unit, like \(example)")
        case .failure(.noUnit): problem("'\(shown)' lacks a unit, like \(example)", allowed: units.map(\.name))
        case .failure(.tooLarge): problem("'\(shown)' is not \(rangeText)")
        case .failure(.unknownUnit(let unit)):
            problem("unknown unit '\(clipped(unit))'", allowed: units.map(\.name), written: unit)
        }
        return nil
    }

    /// One of a few words.
    func choice(_ section: ConfigurationSection, _ key: String, of allowed: [String]) -> String? {
        guard let setting = setting(section, key) else { return nil }
        if allowed.contains(setting.text) { return setting.text }
        note(
            "unknown value '\(clipped(setting.text))'", at: setting.location, keyPath: setting.keyPath,
            allowed: allowed, written: setting.text)
        return nil
    }

    /// A name: letters, digits, '.', '_' and '-', at most 63, the first a letter or a digit.
    func name(_ section: ConfigurationSection, _ key: String) -> String? {
        guard let setting = setting(section, key) else { return nil }
        if Self.isName(setting.text) { return setting.text }
        note(
            "'\(clipped(setting.text))' is not a name: letters, digits, '.', '_' and '-', at most 63, the first a "
                + "letter or digit", at: setting.location, keyPath: setting.keyPath)
        return nil
    }

    /// True for what ``name(_:_:)`` takes.
    static func isName(_ text: String) -> Bool {
        guard let first = text.first, first != ".", first != "_", first != "-", text.utf8.count <= 63 else {
            return false
        }
        return text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "." || $0 == "_" || $0 == "-") }
    }

    /// At most 40 characters of what somebody wrote.
    func clipped(_ text: String) -> String {
        let line = text.prefix { !$0.isNewline }
        return line.count <= 40 && line.count == text.count ? text : "\(line.prefix(39))…"
    }
}

/// The part of the file below one key.
struct ConfigurationSection {
    /// "workers.list[0]", or "" for the root.
    var keyPath: String
    /// The mapping; nil where the file has none.
    var node: Node?
    /// Values by key.
    var values: [String: Node]
    /// Keys, for their places.
    var keyNodes: [String: Node]

    /// Settings in lists have no twins in other layers.
    var isListEntry: Bool { keyPath.hasSuffix("]") }

    /// Key path of one of its keys.
    func path(of key: String) -> String { keyPath.isEmpty ? key : "\(keyPath).\(key)" }

    /// Where a key stands, else the section.
    func location(of key: String) -> ConfigurationProblem.Location {
        if let node = keyNodes[key] { return ConfigurationReader.location(of: node) }
        return node.map(ConfigurationReader.location) ?? .file
    }
}
