import Program
import Synchronization
import Tensor
import Testing

@testable import Sharding

@Suite("Explanations of plans")
struct PlanExplainerTests {
    /// A Megatron block whose weights alone are annotated, and a tensor that two annotations want differently.
    private static func block() -> Program {
        var builder = ProgramBuilder(name: "block", activation: .bf16)
        let x = builder.input("x", TensorType(.bf16, [Dim(64, granule: 1), Dim(32)]), axes: ["rows", nil])
        let up = builder.parameter(
            ParameterSpec(name: "layers.0.up", part: "p", tensor: "up", fileDims: [128, 32]), granules: [8, nil],
            axes: ["mlp", nil])
        let down = builder.parameter(
            ParameterSpec(name: "layers.0.down", part: "p", tensor: "down", fileDims: [32, 128]), granules: [nil, 8],
            axes: [nil, "mlp"])
        let y = builder.scope("layers") {
            $0.scope("0") { builder in
                let h = builder.add(.dot, [x, up], ["contract": .int(1)])
                let a = builder.add(.activation, [h], ["kind": .text("silu")])
                return builder.add(.dot, [a, down], ["contract": .int(1)])
            }
        }
        builder.output("y", y)
        return builder.program
    }

    static let places = RulePlaces(
        file: "c.yaml", rules: ["mlp": .init(line: 7), "rows": .init(line: 8)], overrides: [.init(line: 11)])

    private static func explainer(
        _ rules: LogicalAxisRules, mesh: Mesh = Mesh([.init("data", 2), .init("model", 2)])
    ) throws -> PlanExplainer {
        let program = block()
        let compiled = try Compiler.compile(program, mesh: mesh, rules: rules)
        let planned = try PlannedProgram(program, compiled: compiled, mesh: mesh, rules: rules, residents: [:])
        return PlanExplainer(programs: [planned], mesh: mesh, rules: rules, places: places)
    }

    static let rules = LogicalAxisRules(["mlp": ["model"], "rows": ["data"]])

    @Test("A weight names its annotation, the rule and its line, and who holds what")
    func weight() throws {
        let text = try Self.explainer(Self.rules).explain("*.up")
        #expect(
            text == """
                program block
                layers.0.up  bf16[128, 32]  [model, -]
                  dimension 0 (128 in 16 granules): split over model
                    annotated mlp: rule mlp = [model] (c.yaml:7)
                  dimension 1 (32): one granule, never split
                  [0..<64, 0..<32] on devices 0, 2
                  [64..<128, 0..<32] on devices 1, 3
                """)
    }

    @Test("A value names every operation on the way from the annotation")
    func path() throws {
        for name in ["%4", "block/%4"] {
            let text = try Self.explainer(Self.rules).explain(name)
            #expect(text.contains("dimension 1 (128 in 16 granules): split over model"))
            #expect(text.contains("annotated mlp: rule mlp = [model] (c.yaml:7), dimension "))
            #expect(text.contains("annotated rows: rule rows = [data] (c.yaml:8), dimension 0 of x"))
            #expect(text.contains("-> dot %3 in layers.0 reaches dimension 0 of its result %3"))
            #expect(text.contains("-> activation %4 in layers.0 reaches dimension 0 of its result %4"))
        }
    }

    @Test("An override and its line win over the annotation")
    func override() throws {
        let rules = LogicalAxisRules(
            Self.rules.rules, overrides: [.init(pattern: "*.up", dims: [["data"], []])])
        let text = try Self.explainer(rules).explain("layers.0.up")
        #expect(text.contains("override of *.up (c.yaml:11)"))
        #expect(text.contains("split over data"))
    }

    @Test("What lost is said with the reason")
    func lost() throws {
        let text = try Self.explainer(LogicalAxisRules(["mlp": ["model"], "rows": ["model"]])).explain("%3")
        #expect(text.contains("lost: model of dimension "))
        #expect(text.contains("mesh axis model splits dimension "))
    }

    @Test("A scope means all that is made in it")
    func scope() throws {
        let text = try Self.explainer(Self.rules).explain("layers.*")
        #expect(text.contains("layers.0.up") && text.contains("layers.0.down"))
        let scope = try Self.explainer(Self.rules).explain("layers.?")
        #expect(scope.components("dot %") >= 2 && scope.contains("activation %4 in layers.0"))
    }

    @Test("Unknown names come with the nearest", arguments: ["layers.0.upp", "layers.1.up", "*.upp", "lyers.0.up"])
    func unknown(name: String) throws {
        let explainer = try Self.explainer(Self.rules)
        let error = #expect(throws: PlanExplainer.UnknownName.self) { try explainer.explain(name) }
        #expect(error?.nearest.first == "layers.0.up")
        for nothing in ["", "%99", "%", "%-1", "other/%1", "zzzzzzzzzzzz"] {
            #expect(throws: PlanExplainer.UnknownName.self) { try explainer.explain(nothing) }
        }
    }

    @Test("What the compiler hands out between passes is what a plan's dump holds")
    func hook() throws {
        let program = Self.block()
        let mesh = Mesh([.init("data", 2), .init("model", 2)])
        let dumped = Dumped()
        let compiled = try Compiler.compile(
            program, mesh: mesh, rules: Self.rules, options: CompilerOptions(dump: { dumped.append($0, $1) }))
        let planned = try PlannedProgram(program, compiled: compiled, mesh: mesh, rules: Self.rules, residents: [:])
        let again = Dumped()
        planned.dump(mesh: mesh) { again.append($0, $1) }
        #expect(dumped.entries.count == 8)
        #expect(dumped.entries.map(\.pass) == again.entries.map(\.pass))
        #expect(dumped.entries.map(\.text) == again.entries.map(\.text))
    }

    /// What was dumped, in order.
    private final class Dumped: Sendable {
        private let state = Mutex<[(pass: String, text: String)]>([])
        var entries: [(pass: String, text: String)] { state.withLock { $0 } }
        func append(_ pass: String, _ text: String) { state.withLock { $0.append((pass, text)) } }
    }

    @Test("Dumps are numbered, and the first three are programs that read back")
    func dumps() throws {
        let program = Self.block()
        let mesh = Mesh([.init("data", 2), .init("model", 2)])
        let compiled = try Compiler.compile(program, mesh: mesh, rules: Self.rules)
        let planned = try PlannedProgram(program, compiled: compiled, mesh: mesh, rules: Self.rules, residents: [:])
        var passes: [String] = []
        planned.dump(mesh: mesh) { pass, text in
            passes.append(pass)
            if passes.count <= 3 { #expect((try? ProgramParser.parse(text)) == program, "\(pass)") }
            if pass == "03-propagated" { #expect(text.contains("// [data?, model?]  0: from %")) }
            if pass == "04-partitioned" { #expect(text.contains("[0:64, 0:32] on 0, 2; [64:128, 0:32] on 1, 3")) }
            if pass == "05-local-device1" { #expect(text.contains("start e0: allReduce over [model], ")) }
        }
        #expect(
            passes == ["01-program", "02-annotated", "03-propagated", "04-partitioned"]
                + (0..<4).map { "05-local-device\($0)" })
    }
}

extension String {
    /// How often a text stands in this one.
    fileprivate func components(_ part: String) -> Int {
        indices.count { self[$0...].hasPrefix(part) }
    }
}

@Suite("Checks of rules against programs")
struct AnnotationCheckTests {
    private static func program() -> Program {
        var builder = ProgramBuilder(name: "p", activation: .f32)
        for layer in 0..<3 {
            _ = builder.parameter(
                ParameterSpec(name: "layers.\(layer).w", part: "p", tensor: "w", fileDims: [16, 32]),
                granules: [1, 1], axes: ["heads", "mlp"])
        }
        return builder.program
    }

    private static func problems(_ rules: LogicalAxisRules) -> [AnnotationProblem] {
        let program = program()
        return AnnotationCheck(
            mesh: Mesh([.init("data", 1), .init("model", 2)]), rules: rules,
            places: RulePlaces(
                file: "c.yaml", rules: ["heads": .init(line: 3), "mlp": .init(line: 4)],
                overrides: [.init(line: 6), .init(line: 8)])
        ).problems(programs: [program], parameters: program.parameters.keys)
    }

    @Test("Rules that fit have no problems; axes of one device split nothing")
    func fine() {
        #expect(Self.problems(LogicalAxisRules(["heads": ["model"]])).isEmpty)
        #expect(Self.problems(LogicalAxisRules(["heads": ["data", "model"], "mlp": ["data"]])).isEmpty)
    }

    @Test("A contradiction names the tensor, both annotations and their lines, once for all layers")
    func contradiction() {
        let problems = Self.problems(LogicalAxisRules(["heads": ["model"], "mlp": ["model"]]))
        #expect(problems.map(\.subject) == [.rule("mlp")])
        #expect(
            problems.first?.message
                == "mesh axis model would split dimensions 0 and 1 of layers.0.w (and of 2 other tensors): dimension 0 by "
                + "heads: [model] (c.yaml:3), dimension 1 by mlp: [model] (c.yaml:4); "
                + "map the two logical axes to different mesh axes")
    }

    @Test("Overrides that name nothing, or list another number of dimensions, are found at once")
    func overrides() {
        let problems = Self.problems(
            LogicalAxisRules(
                [:],
                overrides: [
                    .init(pattern: "layers.*.v", dims: [[], []]), .init(pattern: "layers.1.*", dims: [["model"]]),
                ]))
        #expect(problems.map(\.subject) == [.override(1), .override(0)])
        #expect(problems.first?.message == "the override of layers.1.* lists 1 dimensions but layers.1.w has 2")
        #expect(problems.last?.nearest == ["layers.0.w"])
    }
}
