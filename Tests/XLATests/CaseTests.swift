import Foundation
import Program
import Testing

/// Every case of the oracle: right on its mesh, annotations kept, and no more bytes than XLA's better partitioner.
///
/// `TESSERA_XLA_CASES` names another file of cases, which is read instead of the fixture.
@Suite("Against XLA: cases", .serialized)
struct CaseTests {
    static let fixtures = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Fixtures/xla")
    private static let other = ProcessInfo.processInfo.environment["TESSERA_XLA_CASES"]
    /// Names of cases to run; all unless given.
    private static let filter = ProcessInfo.processInfo.environment["TESSERA_XLA_FILTER"]

    /// Counts bytes from the plans and executes nothing: quick, for work on the compiler.
    private static let isPlanOnly = ProcessInfo.processInfo.environment["TESSERA_XLA_PLAN_ONLY"] != nil

    @Test("Sharded equals whole, within XLA's bytes")
    func cases() throws {
        let files = try Self.paths().map { (path: $0, cases: try CaseFile(path: $0).cases) }
        let known = try KnownAbove.load()
        var outcomes: [CaseOutcome] = []
        for item in files.flatMap(\.cases) where Self.filter.map({ item.name.contains($0) }) ?? true {
            let outcome = CaseRunner(item: item, isPlanOnly: Self.isPlanOnly).run()
            if let problem = outcome.problems.first {
                Issue.record("\(item.name): \(outcome.problems.count) problems, the first: \(problem)")
            }
            if outcome.isAbove, known.cases[item.name] == nil {
                Issue.record("\(item.name) sends \(outcome.shardedBytes) bytes, XLA \(outcome.bar ?? 0)")
            }
            outcomes.append(outcome)
        }
        report(outcomes, known)
        guard files.count > 1, Self.filter == nil else { return print(Self.counts(outcomes)) }
        var first = 0
        for file in files {
            let part = outcomes[first..<(first + file.cases.count)]
            print("\(URL(fileURLWithPath: file.path).lastPathComponent): \(Self.counts(Array(part)))")
            first += file.cases.count
        }
        print(Self.counts(outcomes))
    }

    /// The given file, or the oracle's cases and our own.
    private static func paths() throws -> [String] {
        if let other { return [other] }
        return ["cases.json", "cases_more.json"].map { fixtures.appending(path: $0).path }
    }

    private func report(_ outcomes: [CaseOutcome], _ known: KnownAbove) {
        let exact = outcomes.filter(\.problems.isEmpty)
        let above = exact.filter(\.isAbove)
        let judged = exact.filter { $0.bar != nil }
        let total = (
            ours: judged.reduce(0) { $0 + $1.shardedBytes }, canonical: judged.reduce(0) { $0 + $1.canonicalBytes },
            bar: judged.reduce(0) { $0 + ($1.bar ?? 0) }
        )
        for outcome in outcomes where !outcome.problems.isEmpty {
            print("inexact \(outcome.name): \(outcome.problems.prefix(3).joined(separator: "; "))")
        }
        for outcome in above {
            let reason = known.cases[outcome.name] ?? "no reason known"
            print("above \(outcome.name): \(outcome.shardedBytes) / \(Self.text(outcome.bar)) bytes: \(reason)")
        }
        for outcome in exact where outcome.wideBytes != outcome.shardedBytes {
            print("\(outcome.name): \(outcome.shardedBytes) bytes, \(outcome.wideBytes) with partial sums in f32")
        }
        for outcome in judged where Double(outcome.canonicalBytes) > (outcome.bar ?? 0) && !outcome.isAbove {
            print(
                "above in canonical order only \(outcome.name): "
                    + "\(outcome.canonicalBytes) / \(Self.text(outcome.bar)) bytes")
        }
        print("bytes in all: \(total.ours) (in canonical order \(total.canonical)), XLA \(Self.text(total.bar))")
    }

    /// The line that the suite ends with.
    private static func counts(_ outcomes: [CaseOutcome]) -> String {
        let exact = outcomes.filter(\.problems.isEmpty)
        let above = exact.count(where: \.isAbove)
        return "cases \(outcomes.count), exact \(exact.count), within bytes \(exact.count - above), "
            + "below \(exact.count(where: \.isBelow)), above \(above)"
    }

    private static func text(_ bytes: Double?) -> String { bytes.map { String(Int($0.rounded())) } ?? "-" }
}
