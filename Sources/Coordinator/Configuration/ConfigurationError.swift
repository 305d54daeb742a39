/// A cluster's settings cannot be used.
///
/// Carries every problem at once, in the order of the file.
public struct ConfigurationError: Error, Sendable, Hashable, CustomStringConvertible {
    /// Name of the file, as it was given.
    public let file: String
    /// The file's text; empty where it could not be read.
    public let source: String
    /// All problems, warnings included; at least one is an error.
    public let problems: [ConfigurationProblem]

    /// Makes an error.
    public init(file: String, source: String, problems: [ConfigurationProblem]) {
        self.file = file
        self.source = source
        self.problems = problems
    }

    /// One line a problem, without excerpts.
    public var description: String {
        problems.map { "\(file):\($0)" }.joined(separator: "\n")
    }

    /// The problems as people read them: place, key path and message, the line with a caret, the remedy; then a count.
    public var rendered: String {
        ConfigurationProblemRenderer(file: file, source: source).render(problems)
    }
}

/// Writes problems with excerpts of the file they stand in.
public struct ConfigurationProblemRenderer: Sendable {
    private let file: String
    private let lines: [Substring]
    /// Longest excerpt, in characters; longer lines are cut around the place.
    private static let excerptLengthMax = 100

    /// Makes a renderer for one file.
    public init(file: String, source: String) {
        self.file = file
        self.lines = source.split(omittingEmptySubsequences: false) { $0.isNewline }
    }

    /// All problems, then a line that counts them.
    public func render(_ problems: [ConfigurationProblem]) -> String {
        let errors = problems.count { $0.severity == .error }
        let warnings = problems.count - errors
        var counts: [String] = []
        if errors > 0 { counts.append(errors == 1 ? "1 error" : "\(errors) errors") }
        if warnings > 0 { counts.append(warnings == 1 ? "1 warning" : "\(warnings) warnings") }
        return (problems.map(render) + ["\(file): \(counts.joined(separator: ", "))"]).joined(separator: "\n")
    }

    /// One problem.
    public func render(_ problem: ConfigurationProblem) -> String {
        let what = "\(problem.severity.rawValue): \(problem.subject)\(problem.message)"
        var result: [String]
        switch problem.location {
        case .environment(let name): result = ["environment variable \(name): \(what)"]
        case .flag(let flag): result = ["\(flag): \(what)"]
        case .file: result = ["\(file): \(what)"]
        case .text(let line, let column, let length):
            result = ["\(file):\(line):\(column): \(what)"] + excerpt(line: line, column: column, length: length)
        }
        if let remedy = problem.remedy { result.append("      \(remedy)") }
        return result.joined(separator: "\n")
    }

    private func excerpt(line: Int, column: Int, length: Int) -> [String] {
        guard lines.indices.contains(line - 1) else { return [] }
        let scalars = Array(lines[line - 1].unicodeScalars).map { $0.properties.isWhitespace ? " " : $0 }
        let start = min(max(0, column - 1), scalars.count)
        let first = start > Self.excerptLengthMax - 20 ? start - 20 : 0
        var text = String.UnicodeScalarView()
        text.append(contentsOf: scalars[first..<min(scalars.count, first + Self.excerptLengthMax)])
        let carets = max(1, min(length, first + Self.excerptLengthMax - start))
        let number = String(line)
        let margin = String(repeating: " ", count: max(0, 4 - number.count))
        return [
            "\(margin)\(number) | \(String(text))",
            "     | \(String(repeating: " ", count: start - first))\(String(repeating: "^", count: carets))",
        ]
    }
}
