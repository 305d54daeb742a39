/// Where rules and overrides stand in the cluster file, for explanations and errors.
public struct RulePlaces: Sendable, Hashable {
    /// A place in the file; lines and columns count from 1, columns and length in Unicode scalars.
    public struct Place: Sendable, Hashable {
        /// Line.
        public var line: Int
        /// Column.
        public var column: Int
        /// Characters that it covers.
        public var length: Int
        /// Makes a place.
        public init(line: Int, column: Int = 1, length: Int = 1) {
            self.line = line
            self.column = column
            self.length = length
        }
    }

    /// Name of the file, as it was given.
    public var file: String
    /// Of each rule, by logical axis; a rule that is not there follows from the names of the mesh axes.
    public var rules: [String: Place]
    /// Of the pattern of each override, in their order.
    public var overrides: [Place]

    /// Makes places; without any, nothing has one.
    public init(file: String = "", rules: [String: Place] = [:], overrides: [Place] = []) {
        self.file = file
        self.rules = rules
        self.overrides = overrides
    }

    /// `cluster.yaml:12`.
    func text(_ place: Place) -> String { "\(file):\(place.line)" }
}
