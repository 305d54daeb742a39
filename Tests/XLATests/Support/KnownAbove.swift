import Foundation

/// Cases and recipes known to send more bytes than XLA, with the reason: `Tests/Fixtures/xla/above.json`.
struct KnownAbove: Decodable {
    /// Reasons by name of a case.
    var cases: [String: String]
    /// Reasons by "model mesh set"; `*` stands for any text.
    var recipes: [String: String]

    static func load() throws -> KnownAbove {
        let url = CaseTests.fixtures.appending(path: "above.json")
        return try JSONDecoder().decode(KnownAbove.self, from: Data(contentsOf: url))
    }

    func reason(forRecipe title: String) -> String? {
        recipes.first { Self.matches($0.key, title) }?.value
    }

    private static func matches(_ pattern: String, _ text: String) -> Bool {
        let parts = pattern.split(separator: "*", omittingEmptySubsequences: false)
        guard parts.count > 1, let first = parts.first, let last = parts.last else { return pattern == text }
        guard text.hasPrefix(first), text.hasSuffix(last), text.count >= first.count + last.count else { return false }
        var rest = text.dropFirst(first.count).dropLast(last.count)
        for part in parts.dropFirst().dropLast() where !part.isEmpty {
            guard let range = rest.range(of: part) else { return false }
            rest = rest[range.upperBound...]
        }
        return true
    }
}
