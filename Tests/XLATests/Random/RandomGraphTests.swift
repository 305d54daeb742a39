import Foundation
import Program
import Sharding
import Testing

/// Random graphs, annotations, granules, options and meshes, unequal devices and parts of axes included: sharded equals
/// whole, exactly, and annotated values lie as annotated.
///
/// `TESSERA_RANDOM_SEEDS` says which seeds, for example `0..<20000` or `17`; a failing seed is printed with the smallest
/// case found that still fails.
@Suite("Random graphs")
struct RandomGraphTests {
    private static let seeds: Range<Int> = {
        let text = ProcessInfo.processInfo.environment["TESSERA_RANDOM_SEEDS"] ?? "0..<3000"
        let numbers = text.split(separator: ".").compactMap { Int($0.filter(\.isNumber)) }
        guard let first = numbers.first else { return 0..<3000 }
        return first..<max(first + 1, numbers.last ?? 0)
    }()

    /// Runs of seeds, which are tried side by side.
    private static let runs: [Range<Int>] = {
        let length = max(1, (seeds.count + 7) / 8)
        return stride(from: seeds.lowerBound, to: seeds.upperBound, by: length).map {
            $0..<min($0 + length, seeds.upperBound)
        }
    }()

    @Test("Sharded equals whole", arguments: runs)
    func random(seeds: Range<Int>) {
        var failures = 0
        for seed in seeds where failures < 3 {
            let item = RandomGraph.make(seed: seed)
            guard let problem = SeedInFlight.run(seed, { Self.problem(item) }) else { continue }
            failures += 1
            let smallest = CaseMinimizer { Self.problem($0) != nil }.minimized(item)
            Issue.record("seed \(seed): \(problem)\n\(smallest.summary)\n\(Self.problem(smallest) ?? "")")
        }
    }

    @Test("Random graphs put exchanges into common messages, so that the other test means something")
    func fused() throws {
        var (exchanges, carried) = (0, 0)
        for seed in 0..<150 {
            let item = RandomGraph.make(seed: seed)
            let translated = try CaseTranslator.translate(item)
            let locals = try Compiler.compile(
                translated.program, mesh: translated.mesh, rules: translated.rules, options: item.options(.canonical)
            ).locals
            exchanges += locals[0].exchanges.count { $0.kind != .slice }
            carried += locals[0].exchanges.reduce(0) { $0 + $1.fused.count }
        }
        print("random graphs: \(carried) of \(exchanges) exchanges travel in others' messages")
        #expect(carried >= 10)
    }

    @Test("A failing case is made small")
    func minimizer() throws {
        let item = try #require(
            (0..<1000).lazy.map { RandomGraph.make(seed: $0) }.first {
                $0.speeds != nil && $0.mesh.count == 2 && $0.graph.nodes.count > 6
                    && $0.graph.nodes.dropFirst(3).contains { $0.op == "pad" }
            })
        let smallest = CaseMinimizer { item in
            item.graph.nodes.contains { $0.op == "pad" } && CaseRunner(item: item).run().problems.isEmpty
        }.minimized(item)
        #expect(smallest.graph.nodes.map(\.op) == ["pad"])
        #expect(smallest.annotations.isEmpty && smallest.mesh.count == 1 && smallest.speeds == nil)
    }

    @Test("Seeds draw all that they should")
    func variety() {
        let items = (0..<400).map { RandomGraph.make(seed: $0) }
        let operations = Set(items.flatMap { $0.graph.nodes.map(\.op) })
        for op in [
            "add", "argmax", "broadcast_in_dim", "compare", "concatenate", "const", "constraint", "conv", "dot_general",
            "dynamic_slice", "dynamic_update_slice", "gather_rows", "iota", "max_pool", "pad", "reduce", "reshape",
            "reverse", "select", "slice", "sort", "top_k", "transpose",
        ] { #expect(operations.contains(op), "\(op)") }
        #expect(items.contains { Set($0.speeds ?? []).count > 1 })
        #expect(items.contains { $0.graph.inputs.contains { ($0.granules ?? []).contains { $0 > 1 } } })
    }

    /// Counts bytes from the plans and executes nothing.
    private static let isPlanOnly = ProcessInfo.processInfo.environment["TESSERA_XLA_PLAN_ONLY"] != nil

    private static func problem(_ item: Case) -> String? {
        CaseRunner(item: item, isPlanOnly: isPlanOnly).run().problems.first
    }
}
