/// Which mesh axes a logical axis is split over, and per-parameter exceptions: what `cluster.yaml` says.
public struct LogicalAxisRules: Sendable, Hashable {
    /// Mesh axis names by logical axis name, `model` or a part such as `model:(1)2`; a logical axis that is absent is not
    /// split.
    public var rules: [String: [String]]
    /// Which annotations spread first, by logical axis: 0, which is also that of axes without one, before 1 and so on.
    public var priorities: [String: Int]
    /// Tried in order; the first whose pattern matches a parameter's name replaces the annotation of that parameter.
    public var overrides: [Override]

    /// An exception for the parameters that a pattern names.
    public struct Override: Sendable, Hashable {
        /// A glob over the parameter's name: `*` is any text, `?` any character.
        public var pattern: String
        /// Mesh axis names a dimension.
        public var dims: [[String]]
        /// Makes an override.
        public init(pattern: String, dims: [[String]]) {
            self.pattern = pattern
            self.dims = dims
        }
    }

    /// Makes rules.
    public init(_ rules: [String: [String]], overrides: [Override] = [], priorities: [String: Int] = [:]) {
        self.rules = rules
        self.priorities = priorities
        self.overrides = overrides
    }

    /// True where a glob pattern (`*`, `?`) matches the whole text.
    public static func matches(_ pattern: String, _ text: String) -> Bool {
        let pattern = Array(pattern)
        let text = Array(text)
        var (p, t) = (0, 0)
        var star: (pattern: Int, text: Int)?
        while t < text.count {
            if p < pattern.count, pattern[p] == "?" || (pattern[p] == text[t] && pattern[p] != "*") {
                p += 1
                t += 1
            } else if p < pattern.count, pattern[p] == "*" {
                star = (p, t)
                p += 1
            } else if let last = star {
                star = (last.pattern, last.text + 1)
                p = last.pattern + 1
                t = last.text + 1
            } else {
                return false
            }
        }
        return pattern[p...].allSatisfy { $0 == "*" }
    }
}
