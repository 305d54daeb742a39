import Foundation
import Program
import Synchronization
import Testing

/// Every recipe of the oracle: bytes per layer at most XLA's, and the collectives that the recipes are known for.
@Suite("Against XLA: recipes", .serialized)
struct RecipeTests {
    private static let filter = ProcessInfo.processInfo.environment["TESSERA_XLA_FILTER"]
    private static let isVerbose = ProcessInfo.processInfo.environment["TESSERA_XLA_VERBOSE"] != nil

    private struct Fixture {
        var graphs: [String: RecipeGraph]
        var recipes: [Recipe]

        init() throws {
            let file = try RecipeFile(path: CaseTests.fixtures.appending(path: "recipes.json").path)
            graphs = Dictionary(file.graphs.map { ($0.name, $0) }) { first, _ in first }
            recipes = file.recipes
        }

        func run(_ model: String, _ mesh: String, _ set: String) throws -> RecipeOutcome {
            let recipe = try #require(
                recipes.first { $0.model == model && $0.meshText == mesh && $0.set == set }, "no such recipe")
            let graph = try #require(graphs[recipe.graph])
            return RecipeRunner(recipe: recipe, graph: graph).run()
        }
    }

    @Test("Bytes per layer are at most XLA's")
    func bytes() throws {
        let fixture = try Fixture()
        let known = try KnownAbove.load()
        let chosen = fixture.recipes.filter { recipe in Self.filter.map { recipe.title.contains($0) } ?? true }
        let outcomes = Self.outcomes(of: chosen, fixture.graphs)
        for outcome in outcomes {
            if let problem = outcome.problem { Issue.record("\(outcome.recipe.title): \(problem)") }
            if outcome.isAbove, known.reason(forRecipe: outcome.recipe.title) == nil {
                Issue.record(
                    "\(outcome.recipe.title) sends \(outcome.bytes) bytes per layer, XLA \(outcome.recipe.bytes)")
            }
        }
        report(outcomes, known)
    }

    /// Two at a time: each is compiled by itself.
    private static func outcomes(of recipes: [Recipe], _ graphs: [String: RecipeGraph]) -> [RecipeOutcome] {
        let results = Mutex<[RecipeOutcome?]>(Array(repeating: nil, count: recipes.count))
        DispatchQueue.concurrentPerform(iterations: recipes.count) { index in
            guard let graph = graphs[recipes[index].graph] else { return }
            let outcome = RecipeRunner(recipe: recipes[index], graph: graph).run()
            results.withLock { $0[index] = outcome }
        }
        return results.withLock { $0.compactMap { $0 } }
    }

    private func report(_ outcomes: [RecipeOutcome], _ known: KnownAbove) {
        var models: [String] = []
        for outcome in outcomes where !models.contains(outcome.recipe.model) {
            models.append(outcome.recipe.model)
        }
        for outcome in outcomes
        where outcome.isAbove || outcome.isEdgeAbove || outcome.wideBytes != outcome.bytes || Self.isVerbose {
            print(Self.line(outcome) + (known.reason(forRecipe: outcome.recipe.title).map { ": \($0)" } ?? ""))
        }
        print("| model | recipes | below | equal | above | edge above | MB per layer, ours | XLA |")
        print("|---|---|---|---|---|---|---|---|")
        for model in models + ["all"] {
            let rows = outcomes.filter { $0.problem == nil && (model == "all" || $0.recipe.model == model) }
            let (below, above) = (rows.count(where: \.isBelow), rows.count(where: \.isAbove))
            let edges = rows.count(where: \.isEdgeAbove)
            let ours = Self.megabytes(rows.reduce(0.0) { $0 + Double($1.bytes) })
            let bar = Self.megabytes(rows.reduce(0.0) { $0 + $1.recipe.bytes })
            let equal = rows.count - below - above
            print("| \(model) | \(rows.count) | \(below) | \(equal) | \(above) | \(edges) | \(ours) | \(bar) |")
        }
    }

    private static func line(_ outcome: RecipeOutcome) -> String {
        let recipe = outcome.recipe
        let (ours, bar) = (megabytes(Double(outcome.bytes)), megabytes(recipe.bytes))
        let sign = outcome.isAbove ? "above" : outcome.isBelow ? "below" : "equal"
        var text = "\(sign) \(recipe.title): \(ours) / \(bar) MB"
        if outcome.wideBytes != outcome.bytes {
            text += ", with partial sums in f32 \(megabytes(Double(outcome.wideBytes))) MB"
        }
        if outcome.isEdgeAbove { text += ", edge \(megabytes(Double(outcome.edge))) / \(megabytes(recipe.edge)) MB" }
        if isVerbose {
            let mine = outcome.exchanges.sorted { $0.key.description < $1.key.description }
            text += " [" + mine.map { "\($0.key) x\($0.value)" }.joined(separator: ", ") + "]"
            text += " XLA \(recipe.collectives.sorted { $0.key < $1.key }.map { "\($0.key)x\(Int($0.value))" })"
        }
        return text
    }

    private static func megabytes(_ bytes: Double) -> String {
        String(format: abs(bytes) >= 1e6 ? "%.2f" : "%.4f", bytes / 1e6)
    }

    @Test(
        "Megatron's reductions are found from annotations on weights alone",
        arguments: [
            ("muse", "model:2", 3), ("muse", "model:4", 3), ("muse", "model:8", 3), ("parti_encoder", "model:4", 2),
            ("parti_step", "model:4", 3),
        ])
    func megatron(model: String, mesh: String, reductions: Int) throws {
        let outcome = try Fixture().run(model, mesh, "megatron_w")
        #expect(outcome.problem == nil)
        let sums = outcome.exchanges.filter(\.key.isSum).reduce(0) { $0 + $1.value }
        #expect(sums == reductions, "\(outcome.exchanges)")
        let others = outcome.exchanges.keys.filter { !$0.isSum && $0.kind != .allReduce }
        #expect(others.isEmpty, "a layer needs nothing but its reductions: \(others)")
        #expect(!outcome.isAbove)
    }

    @Test(
        "The finalised recipe gathers weights over X and activations over Y, and scatters sums over Y",
        arguments: ["X:2xY:4", "X:4xY:2", "X:4xY:4"])
    func finalised(mesh: String) throws {
        let outcome = try Fixture().run("muse", mesh, "finalized")
        #expect(outcome.problem == nil)
        func count(_ axis: String, isSum: Bool, _ kinds: Set<CollectiveKind>) -> Int {
            // Statistics of layer norms are small; weights and activations are not.
            outcome.exchanges.filter {
                kinds.contains($0.key.kind) && $0.key.axes == [axis] && $0.key.isSum == isSum
                    && $0.key.byteCount > 1 << 17
            }.reduce(0) { $0 + $1.value }
        }
        let sums: Set<CollectiveKind> = [.allReduce, .reduceScatter]
        let gathered = count("X", isSum: false, [.allGather])
        // Where the product of a piece of a weight is smaller than the weight, its sum is scattered instead.
        let scattered = count("X", isSum: true, sums)
        #expect(gathered + scattered == 10, "weights: \(outcome.exchanges)")
        #expect(count("Y", isSum: false, [.allGather]) == 3, "activations: \(outcome.exchanges)")
        #expect(count("Y", isSum: true, sums) == 3, "sums: \(outcome.exchanges)")
        #expect(count("Y", isSum: false, [.allReduce]) == 0, "sums stay scattered: \(outcome.exchanges)")
        #expect(!outcome.isAbove)
    }
}
