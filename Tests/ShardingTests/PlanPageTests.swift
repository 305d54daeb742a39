import Foundation
import FoundationXML
import Program
import Tensor
import Testing

@testable import Sharding

@Suite("Page of a plan")
struct PlanPageTests {
    static let hostile = "<script>alert(\"1\")</script>&amp;'\u{0}\u{202E}"

    private static func page(
        layers: Int = 3, mesh: Mesh = Mesh([.init("data", 2), .init("model", 2)]), name: String = "w",
        workers: [String] = [], limits: [Int?] = [], isTimed: Bool = true
    ) throws -> PlanPage {
        var builder = ProgramBuilder(name: "step", activation: .bf16)
        var x = builder.input("x", TensorType(.bf16, [Dim(64, granule: 1), Dim(32)]), axes: ["rows", nil])
        for layer in 0..<layers {
            x = builder.scope("unet.layers.\(layer)") {
                let up = $0.parameter(
                    ParameterSpec(
                        name: "unet.layers.\(layer).up.\(name)", part: "p", tensor: "u", fileDims: [128, 32]),
                    granules: [8, nil], axes: ["mlp", nil])
                let down = $0.parameter(
                    ParameterSpec(
                        name: "unet.layers.\(layer).down.\(name)", part: "p", tensor: "d", fileDims: [32, 128]),
                    granules: [nil, 8], axes: [nil, "mlp"])
                return $0.add(.dot, [$0.add(.dot, [x, up], ["contract": .int(1)]), down], ["contract": .int(1)])
            }
        }
        builder.output("y", x)
        let rules = LogicalAxisRules(
            ["mlp": ["model"], "rows": ["data"]].mapValues { $0.filter { mesh.index(of: $0) != nil } })
        let compiled = try Compiler.compile(builder.program, mesh: mesh, rules: rules)
        let planned = try PlannedProgram(
            builder.program, compiled: compiled, mesh: mesh, rules: rules, residents: [:])
        let report = PlanReport(
            mesh: mesh, subject: "a \(name)", programs: [compiled], workerNames: workers, memoryLimits: limits)
        let profile = MachineProfile(workers: report.workers.map { .assumed(name: $0.name, cores: 1) })
        return PlanPage(
            report: report, programs: [planned], mesh: mesh,
            timelines: isTimed ? [.predict(locals: compiled.locals, profile: profile)] : [], timelineBasis: "guesses")
    }

    /// The page without its first line, which is HTML's alone.
    private static func isWellFormed(_ html: String) -> Bool {
        let body = html.split(separator: "\n", maxSplits: 1).last ?? ""
        return XMLParser(data: Data(body.utf8)).parse()
    }

    @Test("It is well-formed, whatever the mesh")
    func wellFormed() throws {
        for mesh in [
            Mesh.single, Mesh([.init("model", 3)]), Mesh([.init("data", 2), .init("model", 2)]),
            Mesh([.init("data", 3), .init("one", 1), .init("model", 8)]),
        ] {
            for isTimed in [true, false] {
                let html = try Self.page(mesh: mesh, isTimed: isTimed).html
                #expect(html.hasPrefix("<!DOCTYPE html>\n"))
                #expect(Self.isWellFormed(html), "\(mesh.axes.map(\.name))")
            }
        }
    }

    @Test("Every worker, layer, weight and collective is in it")
    func everything() throws {
        let workers = ["anna", "bert", "carl", "dora"]
        let html = try Self.page(workers: workers).html
        for worker in workers { #expect(html.contains("<strong>\(worker)</strong>")) }
        for layer in 0..<3 {
            #expect(html.contains("<code>unet.layers.\(layer)</code>"))
            #expect(html.contains("Weights of unet.layers.\(layer)"))
        }
        #expect(html.contains("up.w") && html.contains("down.w"))
        #expect(html.contains("allReduce"))
        #expect(html.contains("anna 0.0\u{A0}% to 50.0\u{A0}%, bert 50.0\u{A0}% to 100\u{A0}%"))
        #expect(html.contains("id=\"glossary\""))
    }

    @Test("A mesh that was chosen comes with what lost and why")
    func choice() throws {
        let page = try Self.page()
        let best = MeshChoice.Outcome(
            axes: [.init(name: "data", size: 2)], workers: ["a", "b"], numbers: [0, 1], speeds: [1, 1], pictures: 2,
            stages: [], seconds: 3, computeSeconds: 2, peakBytes: [1, 1], sentBytes: 0, isBalancedByMemory: false)
        let choice = MeshChoice(
            objective: "time", best: best,
            rivals: [.init(title: "model 2 <b>", workerCount: 2, secondsPerPicture: 2.5, reason: "sends more")],
            notes: ["a note & more"], consideredCount: 7, compiledCount: 3)
        let html = PlanPage(
            report: page.report, programs: page.programs, mesh: page.mesh, choice: choice
        ).html
        #expect(Self.isWellFormed(html))
        #expect(html.contains("Why this mesh") && html.contains("model 2 &lt;b&gt;") && html.contains("sends more"))
        #expect(html.contains("a note &amp; more"))
        #expect(!page.html.contains("Why this mesh"))
    }

    @Test("Beyond what is drawn, all workers are still listed")
    func many() throws {
        let html = try Self.page(mesh: Mesh([.init("data", 5), .init("model", 4)])).html
        for rank in 0..<20 { #expect(html.contains("<strong>rank \(rank)</strong>")) }
        #expect(html.contains("The busiest links"))
    }

    @Test("Hostile names stay text, in elements and in attributes")
    func escaping() throws {
        let html = try Self.page(
            name: Self.hostile, workers: Array(repeating: Self.hostile + "\" onload=\"x", count: 4)
        ).html
        #expect(Self.isWellFormed(html))
        #expect(!html.contains("<script") && !html.contains("onload=\"x"))
        #expect(html.contains("&lt;script&gt;alert(&quot;1&quot;)&lt;/script&gt;&amp;amp;&#39;\u{FFFD}\u{FFFD}"))
    }

    @Test("Nothing is loaded from elsewhere and nothing runs")
    func selfContained() throws {
        let html = try Self.page().html
        for part in ["http:", "https:", "<script", "<link", "<img", "@import", "url(", " on"] {
            let found = html.replacing(" on ", with: " ").replacing(" one", with: " ").replacing(" only", with: " ")
                .contains(part == " on" ? " onclick" : part)
            #expect(!found, "\(part)")
        }
        #expect(html.contains("default-src &#39;none&#39;"))
    }

    @Test("A worker that has too little memory is said to")
    func memory() throws {
        #expect(try Self.page(limits: [1, 1 << 40, nil, nil]).html.contains("of 1 B: too little memory"))
        #expect(!(try Self.page().html.contains("too little memory")))
    }

    @Test("Slices follow the cut of every dimension, uneven cuts included")
    func stretches() throws {
        let page = try Self.page(layers: 1, mesh: Mesh([.init("model", 3)]))
        let holdings = PlanHoldings(report: page.report, programs: page.programs)
        #expect(holdings.patterns.count == 1)
        let parts = try #require(holdings.patterns.first?.parts)
        #expect(parts.map(\.device) == [0, 1, 2])
        #expect(abs(parts.reduce(0) { $0 + $1.length } - 1) < 1e-12)
        #expect(zip(parts, parts.dropFirst()).allSatisfy { abs($0.start + $0.length - $1.start) < 1e-12 })
    }

    @Test(
        "Layers are found in the names that checkpoints use",
        arguments: [
            ("transformer.transformer_layers.3.attn1.to_q.weight", "transformer.transformer_layers.3"),
            ("transformer.transformer_layers.3.attn1.to_out.0.weight", "transformer.transformer_layers.3"),
            ("vqvae.decoder.conv_in.weight", "vqvae.decoder"), ("w", "w"), ("a.w", "a"), ("", ""), ("..", ".."),
        ])
    func layers(weight: String, layer: String) {
        #expect(PlanHoldings.layer(of: weight) == layer)
    }
}
