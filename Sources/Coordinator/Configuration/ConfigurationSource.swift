import Yams

/// Turns the text of a cluster file into YAML nodes, within bounds.
enum ConfigurationSource {
    /// Largest file accepted, in bytes. A thousand workers with every key take a tenth of it.
    static let byteCountMax = 1 << 20
    /// Deepest nesting accepted, in flow style and in columns of indentation.
    static let depthMax = 16
    static let indentationMax = 120

    /// The root node; nil for an empty file. What is wrong is returned as problems.
    static func compose(_ text: String) -> (root: Node?, problems: [ConfigurationProblem]) {
        if let problem = outOfBounds(text) { return (nil, [problem]) }
        do {
            return (try Yams.compose(yaml: text), [])
        } catch let error as YamlError {
            return (nil, problems(of: error, in: text))
        } catch {
            return (
                nil, [ConfigurationProblem(location: .file, keyPath: "", message: "not readable as YAML: \(error)")]
            )
        }
    }

    /// What would make the parser work too hard: size, depth, and aliases, which can stand for exponentially much.
    private static func outOfBounds(_ text: String) -> ConfigurationProblem? {
        if text.utf8.count > byteCountMax {
            return ConfigurationProblem(
                location: .file, keyPath: "",
                message: "the file has \(text.utf8.count) bytes; at most \(byteCountMax) are read")
        }
        var scanner = IndicatorScanner()
        for scalar in text.unicodeScalars {
            if let message = scanner.step(scalar) {
                return ConfigurationProblem(
                    location: .text(line: scanner.line, column: scanner.column, length: 1), keyPath: "",
                    message: message)
            }
        }
        return nil
    }

    private static func problems(of error: YamlError, in text: String) -> [ConfigurationProblem] {
        func problem(_ what: String, _ mark: Mark) -> ConfigurationProblem {
            ConfigurationProblem(
                location: .text(line: mark.line, column: mark.column, length: 1), keyPath: "",
                message: "not readable as YAML: \(what)")
        }
        switch error {
        case .scanner(let context, let what, let mark, _), .parser(let context, let what, let mark, _),
            .composer(let context, let what, let mark, _):
            return [problem([context?.text, what].compactMap(\.self).joined(separator: ", "), mark)]
        case .duplicatedKeysInMapping(let keys, let context):
            return keys.map { key in
                let place = repeated(key, from: context.mark, in: text) ?? (context.mark.line, context.mark.column)
                return ConfigurationProblem(
                    location: .text(line: place.line, column: place.column, length: key.unicodeScalars.count),
                    keyPath: "", message: "the key '\(key.prefix(40))' stands here twice")
            }
        case .reader(let what, _, _, _):
            return [ConfigurationProblem(location: .file, keyPath: "", message: "not readable as YAML: \(what)")]
        default:
            return [ConfigurationProblem(location: .file, keyPath: "", message: "not readable as YAML")]
        }
    }

    /// Where a key of the mapping that starts at `mark` stands for the second time; nil where lines do not tell.
    private static func repeated(_ key: String, from mark: Mark, in text: String) -> (line: Int, column: Int)? {
        let lines = text.split(omittingEmptySubsequences: false) { $0.isNewline }
        var isFirst = true
        for index in lines.indices.dropFirst(mark.line - 1) {
            let line = lines[index]
            let indentation = line.prefix { $0 == " " }.count
            guard indentation == mark.column - 1, line.dropFirst(indentation).hasPrefix("\(key):") else { continue }
            if !isFirst { return (index + 1, indentation + 1) }
            isFirst = false
        }
        return nil
    }
}

/// Walks over YAML text far enough to see nesting and aliases before a real parser does.
private struct IndicatorScanner {
    private enum State { case comment, doubleQuoted, escaped, plain, singleQuoted, tokenStart }

    private(set) var line = 1
    private(set) var column = 0
    private var state = State.tokenStart
    private var depth = 0
    private var isIndentation = true
    private var afterSpace = true

    /// Takes the next scalar; returns what is out of bounds there.
    mutating func step(_ scalar: Unicode.Scalar) -> String? {
        if scalar == "\n" {
            line += 1
            column = 0
            isIndentation = true
            afterSpace = true
            if state == .comment || state == .plain { state = .tokenStart }
            return nil
        }
        column += 1
        defer { afterSpace = scalar == " " || scalar == "\t" }
        if isIndentation {
            isIndentation = scalar == " " || scalar == "-" || scalar == "?" || scalar == "\t"
            if isIndentation && column > ConfigurationSource.indentationMax { return "indented too far" }
        }
        switch state {
        case .comment: return nil
        case .escaped: state = .doubleQuoted
        case .doubleQuoted:
            if scalar == "\\" { state = .escaped } else if scalar == "\"" { state = .plain }
        case .singleQuoted:
            if scalar == "'" { state = .plain }
        case .plain, .tokenStart: return unquoted(scalar)
        }
        return nil
    }

    private mutating func unquoted(_ scalar: Unicode.Scalar) -> String? {
        let isStart = state == .tokenStart
        switch scalar {
        case "[", "{":
            depth += 1
            state = .tokenStart
            return depth > ConfigurationSource.depthMax ? "nested too deeply" : nil
        case "]", "}":
            depth = max(0, depth - 1)
            state = .plain
        case ",": state = .tokenStart
        case ":", "-", "?": state = .tokenStart
        case "#" where afterSpace: state = .comment
        case " ", "\t": break
        case "\"" where isStart: state = .doubleQuoted
        case "'" where isStart: state = .singleQuoted
        case "&" where isStart, "*" where isStart:
            return "anchors and aliases are not supported; put a text that begins with '\(scalar)' in quotes"
        default: state = .plain
        }
        return nil
    }
}
