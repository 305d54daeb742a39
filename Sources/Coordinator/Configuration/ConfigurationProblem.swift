/// One thing that is wrong, or doubtful, in a cluster's settings: what, where, and what would be right.
public struct ConfigurationProblem: Sendable, Hashable, CustomStringConvertible {
    /// How bad it is.
    public enum Severity: String, Sendable, Hashable {
        /// The settings cannot be used.
        case error
        /// They can, but probably do not mean what was meant.
        case warning
    }

    /// Where a setting came from.
    public enum Location: Sendable, Hashable {
        /// A variable of the environment, by name.
        case environment(String)
        /// The file as a whole.
        case file
        /// A command line flag, as it was written.
        case flag(String)
        /// A place in the file; lines and columns count from 1, columns and length in Unicode scalars.
        case text(line: Int, column: Int, length: Int)
    }

    /// How bad it is.
    public var severity: Severity
    /// Where.
    public var location: Location
    /// The setting: `workers.list[2].memory`; empty for the file as a whole.
    public var keyPath: String
    /// What is wrong, in a few words without a full stop.
    public var message: String
    /// What may stand there; empty where it is not a choice.
    public var allowed: [String]
    /// The allowed spelling that comes closest to what was written.
    public var nearest: String?

    /// Makes a problem.
    public init(
        severity: Severity = .error, location: Location, keyPath: String, message: String, allowed: [String] = [],
        nearest: String? = nil
    ) {
        self.severity = severity
        self.location = location
        self.keyPath = keyPath
        self.message = message
        self.allowed = allowed
        self.nearest = nearest
    }

    /// One line: place, key path, message and remedy, without the file's name.
    public var description: String {
        let place =
            switch location {
            case .environment(let name): "environment variable \(name): "
            case .file: ""
            case .flag(let flag): "\(flag): "
            case .text(let line, let column, _): "\(line):\(column): "
            }
        let remedy = remedy.map { "; \($0)" } ?? ""
        return "\(place)\(severity.rawValue): \(subject)\(message)\(remedy)"
    }

    /// The key path with a colon, or nothing.
    var subject: String { keyPath.isEmpty ? "" : "\(keyPath): " }

    /// "did you mean 'x'? allowed: a, b", or nil where there is nothing to say.
    var remedy: String? {
        var parts: [String] = []
        if let nearest { parts.append("did you mean '\(nearest)'?") }
        if !allowed.isEmpty { parts.append("allowed: \(allowed.joined(separator: ", "))") }
        return parts.isEmpty ? nil : parts.joined(separator: " ")
    }
}
