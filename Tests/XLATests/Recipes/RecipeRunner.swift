import Program
import Sharding

/// What one recipe came to.
struct RecipeOutcome {
    var recipe: Recipe
    /// Bytes of the busiest device per layer (of the whole piece where there are no layers), and outside the layers.
    ///
    /// Partial sums travel in the type of their result, as XLA's do.
    var bytes = 0
    var edge = 0
    /// As ``bytes``, with partial sums in f32.
    var wideBytes = 0
    /// Exchanges of one layer.
    var exchanges: [ExchangeSummary: Int] = [:]
    var problem: String?

    /// Half a byte for bars that are fractions.
    var isAbove: Bool { Double(bytes) > recipe.bytes + 0.5 }
    var isBelow: Bool { Double(bytes) < recipe.bytes - 0.5 }
    var isEdgeAbove: Bool { Double(edge) > max(0, recipe.edge) + 0.5 }
}

/// What a collective is, for counting.
struct ExchangeSummary: Hashable, CustomStringConvertible {
    var kind: CollectiveKind
    var axes: [String]
    /// True where partial sums are added.
    var isSum: Bool
    /// Payload bytes that the first device sends.
    var byteCount: Int

    var description: String { "\(kind.rawValue)(\(axes.joined(separator: "+")))\(isSum ? " sum" : "") \(byteCount) B" }
}

/// Compiles a recipe at two depths and counts; nothing is executed.
struct RecipeRunner {
    /// Depths whose difference is a layer: the first has a layer on both edges, so that what is added is a middle one.
    static let depths = (low: 2, high: 3)

    let recipe: Recipe
    let graph: RecipeGraph

    private var hasHalves: Bool {
        (graph.before + (graph.layer?.nodes ?? []) + graph.after).contains { $0.dtype == "bf16" }
    }

    func run() -> RecipeOutcome {
        var outcome = RecipeOutcome(recipe: recipe)
        do {
            guard graph.layer != nil else {
                let (bytes, exchanges) = try measure(layers: 0)
                (outcome.bytes, outcome.exchanges, outcome.wideBytes) = (bytes, exchanges, bytes)
                if hasHalves { outcome.wideBytes = try measure(layers: 0, .f32).bytes }
                return outcome
            }
            let low = try measure(layers: Self.depths.low)
            let high = try measure(layers: Self.depths.high)
            let added = high.bytes - low.bytes
            outcome.bytes = added * recipe.layers
            outcome.wideBytes = outcome.bytes
            if hasHalves {
                let wide = try [Self.depths.low, Self.depths.high].map { try measure(layers: $0, .f32).bytes }
                outcome.wideBytes = (wide[1] - wide[0]) * recipe.layers
            }
            outcome.edge = low.bytes - Self.depths.low * added
            outcome.exchanges = high.exchanges.merging(low.exchanges) { $0 - $1 }.filter { $0.value != 0 }
        } catch {
            outcome.problem = "\(error)"
        }
        return outcome
    }

    /// Bytes that the busiest device sends, and the first device's exchanges.
    func measure(
        layers: Int, _ partialSums: PartialSums = .activations
    ) throws -> (bytes: Int, exchanges: [ExchangeSummary: Int]) {
        let item = graph.expanded(recipe, layers: layers)
        let translated = try CaseTranslator.translate(item)
        let compiled = try Compiler.compile(
            translated.program, mesh: translated.mesh, rules: translated.rules,
            options: CompilerOptions(
                reductionOrder: .sharded, partialSums: partialSums, links: .bandwidthOnly, inputs: .annotated))
        if let problem = AnnotationCheck(mesh: translated.mesh).inputProblems(of: item, in: compiled.locals).first {
            throw CaseError(problem)
        }
        let bytes = compiled.locals.map { CostModel.sentByteCount(of: $0) }.max() ?? 0
        var exchanges: [ExchangeSummary: Int] = [:]
        for local in compiled.locals.prefix(1) {
            for exchange in local.exchanges where exchange.kind != .slice {
                var isSum = false
                if case .sum? = exchange.reduction { isSum = true }
                let summary = ExchangeSummary(
                    kind: exchange.kind, axes: exchange.axes, isSum: isSum,
                    byteCount: exchange.sentByteCount(dtype: local.buffers[exchange.source].dtype))
                exchanges[summary, default: 0] += 1
            }
        }
        return (bytes, exchanges)
    }
}
