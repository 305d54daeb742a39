import Foundation
import Program
import Sharding
import Testing

/// Random graphs, annotations and meshes, uneven ones and parts of axes included: sharded equals whole, exactly.
///
/// `TESSERA_RANDOM_SEEDS` says which seeds, for example `0..<20000` or `17`; a failing seed is printed with the smallest
/// case found that still fails.
@Suite("Random graphs")
struct RandomGraphTests {
    private static let seeds: Range<Int> = {
        let text = ProcessInfo.processInfo.environment["TESSERA_RANDOM_SEEDS"] ?? "0..<300"
        let numbers = text.split(separator: ".").compactMap { Int($0.filter(\.isNumber)) }
        guard let first = numbers.first else { return 0..<300 }
        return first..<max(first + 1, numbers.last ?? 0)
    }()

    @Test("Sharded equals whole")
    func random() throws {
        var failures = 0
        for seed in Self.seeds where failures < 5 {
            let item = try RandomGraph.make(seed: seed)
            guard let problem = Self.problem(item) else { continue }
            failures += 1
            let smallest = CaseMinimizer { Self.problem($0) != nil }.minimized(item)
            Issue.record("seed \(seed): \(problem)\n\(smallest.summary)\n\(Self.problem(smallest) ?? "")")
        }
    }

    @Test("Random graphs put exchanges into common messages, so that the other test means something")
    func fused() throws {
        var (exchanges, carried) = (0, 0)
        for seed in 0..<150 {
            let translated = try CaseTranslator.translate(try RandomGraph.make(seed: seed))
            let locals = try Compiler.compile(
                translated.program, mesh: translated.mesh, rules: translated.rules,
                options: CaseRunner.options(.canonical)
            ).locals
            exchanges += locals[0].exchanges.count { $0.kind != .slice }
            carried += locals[0].exchanges.reduce(0) { $0 + $1.fused.count }
        }
        print("random graphs: \(carried) of \(exchanges) exchanges travel in others' messages")
        #expect(carried >= 10)
    }

    @Test("A failing case is made small")
    func minimizer() throws {
        let item = try RandomGraph.make(seed: 1)
        let smallest = CaseMinimizer { $0.graph.nodes.contains { $0.id == "n0" } }.minimized(item)
        #expect(smallest.graph.nodes.count == 1)
        #expect(smallest.annotations.isEmpty && smallest.mesh.count == 1)
    }

    /// Counts bytes from the plans and executes nothing.
    private static let isPlanOnly = ProcessInfo.processInfo.environment["TESSERA_XLA_PLAN_ONLY"] != nil

    private static func problem(_ item: Case) -> String? {
        CaseRunner(item: item, isPlanOnly: isPlanOnly).run().problems.first
    }
}
