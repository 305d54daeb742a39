import Program
import Sharding
import Tensor

/// What a case came to.
struct CaseOutcome {
    var name: String
    /// Bytes that the busiest device sends, with sums in mesh order (judged) and in canonical order.
    ///
    /// In mesh order partial sums travel in the type of their result, as XLA's do.
    var shardedBytes = 0
    var canonicalBytes = 0
    /// As the first, with partial sums in f32.
    var wideBytes = 0
    /// The number to beat; nil where XLA's numbers are wrong.
    var bar: Double?
    /// What is wrong: results that differ, annotations that were not kept, errors.
    var problems: [String] = []

    var isAbove: Bool { bar.map { Double(shardedBytes) > $0 } ?? false }
    var isBelow: Bool { bar.map { Double(shardedBytes) < $0 } ?? false }
}

/// Compiles a case for its mesh, runs it on as many in-process devices and on one, and compares.
struct CaseRunner {
    let item: Case
    /// True: bytes are counted from the plans, and nothing is executed or compared.
    var isPlanOnly = false

    /// Runs everything; problems are gathered, not thrown.
    func run() -> CaseOutcome {
        var outcome = CaseOutcome(name: item.name, bar: item.bar?.ringBytes)
        do {
            let translated = try CaseTranslator.translate(item)
            let inputs = try CaseSamples(item).tensors()
            let expected = isPlanOnly ? [:] : try whole(translated, inputs)
            if item.order != .sharded {
                outcome.canonicalBytes = try run(translated, .canonical, .f32, inputs, expected, &outcome.problems)
            }
            if item.order != .canonical {
                outcome.wideBytes = try run(translated, .sharded, .f32, inputs, expected, &outcome.problems)
                outcome.shardedBytes =
                    item.hasHalves
                    ? try run(translated, .sharded, .activations, inputs, expected, &outcome.problems)
                    : outcome.wideBytes
            }
            outcome.problems += try AnnotationCheck.constraintProblems(of: item)
        } catch {
            outcome.problems.append("\(error)")
        }
        return outcome
    }

    /// What one device gives.
    private func whole(
        _ translated: TranslatedCase, _ inputs: [String: HostTensor]
    ) throws -> [String: HostTensor] {
        let compiled = try Compiler.compile(
            translated.program, mesh: .single, rules: LogicalAxisRules(translated.rules.rules.mapValues { _ in [] }))
        return try InProcessMesh.run(compiled.locals, inputs: inputs).outputs
    }

    /// One order of sums; returns the busiest device's bytes.
    private func run(
        _ translated: TranslatedCase, _ order: ReductionOrder, _ partialSums: PartialSums,
        _ inputs: [String: HostTensor], _ expected: [String: HostTensor], _ problems: inout [String]
    ) throws -> Int {
        var options = item.options(order)
        options.partialSums = partialSums
        let compiled = try Compiler.compile(
            translated.program, mesh: translated.mesh, rules: translated.rules,
            options: options)
        if item.isInputAnywhere != true {
            problems += AnnotationCheck(mesh: translated.mesh).inputProblems(of: item, in: compiled.locals).map {
                "\(order): \($0)"
            }
        }
        let planned = compiled.locals.map { CostModel.sentByteCount(of: $0) }
        if isPlanOnly { return planned.max() ?? 0 }
        let result = try InProcessMesh.run(compiled.locals, inputs: inputs)
        if planned != result.sentBytes {
            problems.append("\(order): the plan sends \(planned) bytes, the fabric counted \(result.sentBytes)")
        }
        let isExact = order == .canonical || CaseExactness(item).isExact
        for (name, whole) in expected.sorted(by: { $0.key < $1.key }) {
            guard let sharded = result.outputs[name] else {
                problems.append("\(order): the output \(name) is missing")
                continue
            }
            if let difference = Comparison.difference(sharded, whole, isExact: isExact) {
                problems.append("\(order): \(name) \(difference)")
            }
        }
        return result.sentBytes.max() ?? 0
    }
}

extension Case {
    /// True where some sum may be rounded to bf16.
    var hasHalves: Bool { graph.nodes.contains { $0.dtype == "bf16" } }

    /// What the compiler is asked for; the oracle counts bytes alone, and its inputs lie as annotated.
    ///
    /// In canonical order messages are shared, as in clusters: results and bytes must not change.
    func options(_ order: ReductionOrder) -> CompilerOptions {
        // A byte a second, and as many seconds as bytes.
        let links = LinkCosts(latency: Double(oneShotByteCount ?? 0), bandwidth: 1)
        return CompilerOptions(
            reductionOrder: order, links: links, inputs: isInputAnywhere == true ? .anywhere : .annotated,
            fusion: order == .canonical ? FusionLimits(byteCountMax: 1 << 20, waitingByteCountMax: 1 << 20) : nil)
    }
}

/// Compares outputs.
enum Comparison {
    /// Largest relative difference where sums of reals were added in another order: some units in the last place of the
    /// largest element, times the number of additions on the way.
    static let tolerance: Float = 2e-5

    /// How two tensors differ; nil where they do not.
    ///
    /// Exact: the same bits, but that one NaN is as good as another. Otherwise integers are equal, and real numbers are
    /// apart by at most ``tolerance`` times the larger of 1 and the largest magnitude (bf16: 2⁻⁷ times).
    static func difference(_ found: HostTensor, _ wanted: HostTensor, isExact: Bool) -> String? {
        if found == wanted { return nil }
        guard found.dtype == wanted.dtype, found.dims == wanted.dims else {
            return "is \(found.dtype)\(found.dims) instead of \(wanted.dtype)\(wanted.dims)"
        }
        let (a, b) = (found.floats, wanted.floats)
        let largest = b.reduce(1 as Float) { $1.isFinite ? max($0, abs($1)) : $0 }
        var allowed: Float = 0
        if !isExact, wanted.dtype == .f32 { allowed = tolerance * largest }
        if !isExact, wanted.dtype == .bf16 { allowed = largest / 128 }
        var count = 0
        var example = ""
        for index in a.indices where !(a[index] == b[index] || (a[index].isNaN && b[index].isNaN)) {
            if abs(a[index] - b[index]) <= allowed { continue }
            count += 1
            if example.isEmpty { example = "\(a[index]) instead of \(b[index]) at \(index)" }
        }
        return count == 0 ? nil : "differs in \(count) of \(a.count) elements: \(example)"
    }
}
