import Foundation
import Testing

/// The style rules that a machine can check.
@Suite struct TidyTests {
    private static let linesMax = 500
    private static let functionLinesMax = 70
    /// Files whose functions may be longer, with the reason.
    private static let longFunctions = ["Sources/Program/ShapeRule.swift": "one case an operation, read as a table"]

    @Test func thereIsSomethingToCheck() { #expect(SourceFile.sources.count > 20) }

    @Test func filesAreShort() {
        for file in SourceFile.all where !file.isGenerated {
            #expect(file.lines.count - 1 <= Self.linesMax, "\(file) has \(file.lines.count - 1) lines")
        }
    }

    /// A function ends at the first closing brace in its own column. One that is longer on purpose says so in the
    /// comment above it: "Long because …".
    @Test func functionsAreShort() {
        for file in SourceFile.swift {
            for (start, line) in file.lines.enumerated() where isFunction(line) && !line.hasSuffix("}") {
                let indentation = line.prefix { $0 == " " }
                let end = file.lines[(start + 1)...].firstIndex { $0.hasPrefix(indentation + "}") } ?? start
                let isExcused =
                    Self.longFunctions[file.path] != nil
                    || file.lines[..<start].reversed().prefix { $0.contains("//") || $0.contains("@") }
                        .contains { $0.contains("Long because") }
                let count = end - start + 1
                #expect(count <= Self.functionLinesMax || isExcused, "\(file):\(start + 1): \(count) lines")
            }
        }
    }

    private func isFunction(_ line: String) -> Bool {
        var words = line.split(separator: " ")
        while let first = words.first,
            first.hasPrefix("@") || Self.modifiers.contains(String(first.prefix { $0 != "(" }))
        {
            words.removeFirst()
        }
        guard let first = words.first else { return false }
        return first == "func" || first.hasPrefix("init(") || first.hasPrefix("init?(") || first.hasPrefix("init<")
    }

    private static let modifiers: Set = [
        "borrowing", "consuming", "fileprivate", "internal", "mutating", "nonisolated", "override", "package",
        "private", "public", "required", "static",
    ]

    @Test(arguments: [
        ("print(", "goes through Terminal, or a logger"), ("try!", "handle the error"),
        ("fatalError()", "say which programmer's error it is"), ("Task.detached", "use a task group"),
    ])
    func bannedCalls(call: String, instead: String) {
        for file in SourceFile.sources {
            for (index, line) in file.code.enumerated() where contains(line, call) {
                Issue.record("\(file):\(index + 1): no \(call): \(instead)")
            }
        }
    }

    /// True where the call stands as a word of its own.
    private func contains(_ line: String, _ call: String) -> Bool {
        guard let range = line.range(of: call) else { return false }
        guard range.lowerBound > line.startIndex else { return true }
        let before = line[line.index(before: range.lowerBound)]
        return !before.isLetter && !before.isNumber && before != "_" && before != "."
    }

    @Test func noErrorIsSwallowed() throws {
        let empty = try Regex(#"catch\s*\{\s*\}"#)
        for file in SourceFile.swift where !file.path.hasPrefix("Tests/TidyTests/") {
            #expect(!file.code.joined(separator: "\n").contains(empty), "\(file) catches an error and drops it")
        }
    }

    @Test func nothingIsLeftForLater() {
        for file in SourceFile.all where !file.path.hasPrefix("Tests/TidyTests/") {
            for (index, line) in file.lines.enumerated() where line.contains("TODO") || line.contains("FIXME") {
                Issue.record("\(file):\(index + 1): finish it or open an issue")
            }
        }
    }

    /// A promise to the compiler has its reason in the same line or the eight above.
    @Test func uncheckedPromisesHaveReasons() {
        for file in SourceFile.sources {
            for (index, line) in file.code.enumerated()
            where line.contains("@unchecked Sendable") || line.contains("nonisolated(unsafe)") {
                let near = file.lines[max(0, index - 8)...index].joined(separator: " ").lowercased()
                #expect(near.contains("because"), "\(file):\(index + 1): say why this is safe (\"Sendable because …\")")
            }
        }
    }

    @Test func noLargeFiles() throws {
        let exempt = ["Tests/Fixtures/", "Models/", ".swiftpm/"]
        for path in SourceFile.paths(below: ".") where !exempt.contains(where: path.hasPrefix) {
            let size = try FileManager.default.attributesOfItem(atPath: SourceFile.root.appending(path: path).path)[
                .size]
            let bytes = (size as? NSNumber)?.intValue ?? 0
            #expect(bytes <= 1 << 20, "\(path) has \(bytes) bytes")
        }
    }
}
