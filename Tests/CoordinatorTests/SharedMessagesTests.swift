import Coordinator
import Foundation
import Models
import Program
import Sharding
import Testing

/// How many messages the models' programs send, with exchanges by themselves and in common messages.
///
/// `TESSERA_FUSION_PRESETS` names further presets for the printed table, `TESSERA_FUSION_LIMIT` other limits in bytes.
@Suite("Messages of models")
struct SharedMessagesTests {
    private static let presets =
        ["amused-tiny"]
        + (ProcessInfo.processInfo.environment["TESSERA_FUSION_PRESETS"] ?? "").split(separator: ",").map(String.init)
    private static let meshes: [[(String, Int)]] = [
        [("tokens", 2)], [("tokens", 4)], [("model", 2)], [("model", 4)], [("guidance", 2), ("model", 2)],
        [("guidance", 2), ("tokens", 2)],
    ]

    private static let limits = ProcessInfo.processInfo.environment["TESSERA_FUSION_LIMIT"].flatMap { Int($0) }
        .map { FusionLimits(byteCountMax: $0, waitingByteCountMax: $0) }

    private struct Outcome {
        var messages = 0
        var sent: [Int] = []
        var kinds: [CollectiveKind] = []
        var arena = 0
        var seconds = 0.0
        var hidden = 0.0
        var waiting = 0.0
    }

    /// The programs of a request.
    private func outcomes(
        _ model: AmusedModel, _ mesh: Mesh, _ fusion: FusionLimits?, overlap: Overlap
    ) throws -> [String: Outcome] {
        let (rows, columns) = try model.grid(width: model.defaultSize, height: model.defaultSize)
        let known = Set(mesh.axes.map(\.name))
        let rules = LogicalAxisRules(PlannerTests.rules.rules.mapValues { $0.filter(known.contains) })
        var planner = Planner(mesh: mesh, rules: rules, options: CompilerOptions(fusion: fusion, overlap: overlap))
        let machine = MachineProfile.Worker.assumed(name: "machine", cores: 8)
        let profile = MachineProfile(
            workers: Array(repeating: machine, count: mesh.deviceCount), link: .ethernet)
        var result: [String: Outcome] = [:]
        for program in [
            model.textProgram(batch: 1, guided: true),
            model.stepProgram(batch: 1, guidance: .both, rows: rows, columns: columns, noise: .generated),
            model.decodeProgram(batch: 1, rows: rows, columns: columns),
        ] {
            let locals = try planner.compile(program).program.locals
            let timeline = Timeline.predict(locals: locals, profile: profile)
            result[program.name] = Outcome(
                messages: locals.reduce(0) { $0 + CostModel.messageCount(of: $1) },
                sent: locals.map { CostModel.sentByteCount(of: $0) }, kinds: locals[0].exchanges.map(\.kind),
                arena: locals.map(\.arenaByteCount).max() ?? 0, seconds: timeline.duration,
                hidden: timeline.hiddenSeconds.max() ?? 0, waiting: timeline.seconds(.wait, device: 0))
        }
        return result
    }

    @Test("Common messages send the same bytes and collectives in fewer messages", arguments: presets)
    func messages(preset: String) throws {
        let model = try AmusedModel(preset: preset, seed: 1)
        var saved = 0
        for axes in Self.meshes {
            let mesh = Mesh(axes.map { .init($0.0, $0.1) })
            let apart = try outcomes(model, mesh, .off, overlap: .off)
            let fused = try outcomes(model, mesh, Self.limits, overlap: .off)
            let both = try outcomes(model, mesh, Self.limits, overlap: .messages)
            for (name, before) in apart.sorted(by: { $0.key < $1.key }) {
                let (middle, after) = (try #require(fused[name]), try #require(both[name]))
                #expect(after.messages <= before.messages && after.messages == middle.messages)
                #expect(after.sent == before.sent && after.kinds == before.kinds)
                #expect(after.arena <= middle.arena)
                saved += before.messages - after.messages
                guard before.messages > 0 else { continue }
                func ms(_ seconds: Double) -> String { String(format: "%.2f", seconds * 1000) }
                print(
                    "\(preset) \(axes.map { "\($0.0) \($0.1)" }.joined(separator: " x ")) \(name): messages "
                        + "\(before.messages) -> \(after.messages); ms \(ms(before.seconds)) -> fused "
                        + "\(ms(middle.seconds)) -> overlapped \(ms(after.seconds)), waiting \(ms(before.waiting)) -> "
                        + "\(ms(after.waiting)), hidden \(ms(after.hidden)); arena \(before.arena) -> \(after.arena)")
            }
        }
        #expect(saved > 0)
    }
}
