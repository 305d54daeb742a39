/// Why a text is not a program: where, what was expected there and what stands there.
public struct ProgramTextError: Error, Sendable, Hashable, CustomStringConvertible {
    /// Line, from 1.
    public let line: Int
    /// Column in Unicode scalars, from 1.
    public let column: Int
    /// What could stand there: `')' or ','`.
    public let expected: String
    /// What does: `'%'`, `the end of the text`.
    public let found: String

    /// Makes an error.
    public init(line: Int, column: Int, expected: String, found: String) {
        self.line = line
        self.column = column
        self.expected = expected
        self.found = found
    }

    /// `line 3, column 14: expected ')' or ',', found '%'`.
    public var description: String { "line \(line), column \(column): expected \(expected), found \(found)" }
}
