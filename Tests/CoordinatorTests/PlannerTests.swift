import Coordinator
import Foundation
import Models
import Program
import Sharding
import Testing

@Suite("Planner")
struct PlannerTests {
    static let rules = LogicalAxisRules([
        "batch": ["data"], "guidance": ["guidance"], "heads": ["model"], "mlp": ["model"], "vocab": ["model"],
        "tokens": ["tokens"], "rows": ["rows"], "sampling": ["guidance"],
    ])

    static func plan(_ preset: String, mesh: Mesh, batch: Int, guided: Bool = true) throws -> PlanReport {
        let model = try AmusedModel(preset: preset, seed: 1)
        let (rows, columns) = try model.grid(width: model.defaultSize, height: model.defaultSize)
        let known = Set(mesh.axes.map(\.name))
        let rules = LogicalAxisRules(rules.rules.mapValues { $0.filter(known.contains) })
        var planner = Planner(mesh: mesh, rules: rules)
        let programs = [
            model.textProgram(batch: 1, guided: guided),
            model.stepProgram(
                batch: batch, guidance: GuidanceRows(isGuided: guided), rows: rows, columns: columns, noise: .generated),
            model.decodeProgram(batch: batch, rows: rows, columns: columns),
            model.encodeProgram(batch: batch, rows: rows, columns: columns),
        ]
        return PlanReport(mesh: mesh, programs: try programs.map { try planner.compile($0).program })
    }

    @Test(
        "Every logical axis of aMUSEd can be put on a mesh axis, with any number of devices",
        arguments: ["batch", "guidance", "heads", "mlp", "vocab", "tokens", "rows", "sampling"], [2, 3, 5])
    func eachAxis(axis: String, size: Int) throws {
        let mesh = Mesh([.init("x", size)])
        var planner = Planner(mesh: mesh, rules: LogicalAxisRules([axis: ["x"]]))
        let model = try AmusedModel(preset: "amused-tiny", seed: 1)
        let (rows, columns) = try model.grid(width: model.defaultSize, height: model.defaultSize)
        let programs = [
            model.textProgram(batch: 1, guided: true),
            model.stepProgram(batch: 4, guidance: .both, rows: rows, columns: columns, noise: .generated),
            model.decodeProgram(batch: 4, rows: rows, columns: columns),
            model.encodeProgram(batch: 4, rows: rows, columns: columns),
        ]
        let compiled = try programs.map { try planner.compile($0).program }
        let work = compiled.map { program in program.locals.map { CostModel.flops(of: $0) } }
        var single = Planner(mesh: .single, rules: LogicalAxisRules([:]))
        let whole = try programs.reduce(0) { sum, program in
            sum + CostModel.flops(of: try single.compile(program).program.locals[0])
        }
        let busiest = work.reduce(0) { $0 + ($1.max() ?? 0) }
        #expect(busiest < whole, "splitting \(axis) saves work")
    }

    @Test("aMUSEd-256 under guidance 2 x model 2: three reductions a layer, nothing else")
    func plan256() throws {
        let report = try Self.plan("amused-256", mesh: Mesh([.init("guidance", 2), .init("model", 2)]), batch: 1)
        let step = try #require(report.programs.first { $0.name == "step" })
        let layers = step.collectives.filter { $0.scope.contains("transformer_layers.7.") }
        // Self-attention, cross-attention and the feed-forward layer: a reduction each, in two phases.
        #expect(layers.count == 3)
        #expect(layers.allSatisfy { $0.kind == "allReduce" && $0.axes == ["model"] && $0.exchanges == 2 })
    }

    @Test("collectives, links and workers say the same bytes")
    func bytesAgree() throws {
        let report = try Self.plan("amused-tiny", mesh: Mesh([.init("guidance", 2), .init("model", 3)]), batch: 1)
        for program in report.programs {
            let sent = program.sentBytes.reduce(0, +)
            #expect(program.collectives.reduce(0) { $0 + $1.bytes } == sent)
            for (rank, bytes) in program.sentBytes.enumerated() {
                #expect(program.links.reduce(0) { $1.from == rank ? $0 + $1.bytes : $0 } == bytes)
            }
            #expect(program.links.allSatisfy { $0.from != $0.to && $0.bytes > 0 })
        }
        for worker in report.workers {
            #expect(worker.totalBytes == worker.weightBytes + worker.arenaBytes + worker.residentBytes)
        }
    }

    @Test("the text folds layers; every weight is listed when asked for")
    func text() throws {
        let report = try Self.plan("amused-256", mesh: Mesh([.init("guidance", 2), .init("model", 2)]), batch: 1)
        let text = report.text()
        #expect(text.hasPrefix("Mesh: guidance 2 x model 2\n"))
        #expect(text.split(separator: "\n").count < 150)
        #expect(text.contains("transformer.transformer_layers.*.attn1.to_q.weight"))
        #expect(!text.contains("transformer_layers.7."))
        let step = try #require(report.programs.first { $0.name == "step" })
        #expect(text.contains("\(step.sentBytes[0]) bytes"))
        let all = report.text(listsWeights: true)
        for parameter in report.parameters { #expect(all.contains("  \(parameter.name) \(parameter.dims)")) }
    }

    @Test("a limit that is too small stands beside the worker")
    func limits() throws {
        let mesh = Mesh([.init("model", 2)])
        let model = try AmusedModel(preset: "amused-tiny", seed: 1)
        var planner = Planner(mesh: mesh, rules: LogicalAxisRules(["heads": ["model"]]))
        let text = try planner.compile(model.textProgram(batch: 1, guided: true)).program
        let report = PlanReport(mesh: mesh, programs: [text], memoryLimits: [nil, 1 << 20])
        #expect(report.workers.map(\.limitBytes) == [nil, 1 << 20])
        #expect(report.text().contains("1.0 MiB (too small)"))
    }
}
