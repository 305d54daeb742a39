import Foundation
import Testing

/// `tessera calibrate`, and `mesh: auto` on what it measured.
@Suite(.timeLimit(.minutes(5))) struct AutomaticMeshTests {
    private struct Plan: Decodable {
        struct Choice: Decodable {
            struct Outcome: Decodable {
                var workers: [String]
                var seconds: Double
            }
            struct Rival: Decodable {
                var title: String
                var reason: String
            }
            var objective: String
            var best: Outcome
            var rivals: [Rival]
        }
        var choice: Choice
        var mesh: String
    }

    @Test func aMeasuredClusterChoosesItsMesh() throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "automatic-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let file = folder.appending(path: "cluster.yaml").path
        let text = "model: {preset: amused-tiny}\nmesh: auto\nworkers: {count: 2, threads: 1}\n"
        try text.write(toFile: file, atomically: true, encoding: .utf8)
        let profile = folder.appending(path: "profile.json").path
        let measured = try CommandLineTool.run(["calibrate", file, "--quick", "--json", "--out", profile])
        #expect(measured.code == 0, "\(measured.errors)")
        #expect(measured.errors.contains("measuring bf16 products 512 x 2048 x 2048"))
        #expect(try String(contentsOfFile: profile, encoding: .utf8) == measured.output)

        try (text + "profile: profile.json\n").write(toFile: file, atomically: true, encoding: .utf8)
        let plan = try CommandLineTool.run(["plan", file, "--json"])
        #expect(plan.code == 0, "\(plan.errors)")
        let choice = try JSONDecoder().decode(Plan.self, from: Data(plan.output.utf8)).choice
        #expect(choice.objective == "latency")
        #expect(choice.rivals.count >= 3)
        #expect(choice.rivals.allSatisfy { !$0.reason.isEmpty })
        let table = try CommandLineTool.run(["plan", file])
        #expect(table.output.hasPrefix("chosen mesh: "))
        #expect(table.output.contains("runners-up"))
        #expect(!table.output.contains("assumed"))
    }

    @Test func aModelThatFitsNowhereIsAWrongConfiguration() throws {
        let outcome = try CommandLineTool.run(
            ["plan", "--set", "mesh=auto", "--set", "workers.count=2", "--set", "workers.memory=1MiB"])
        #expect(outcome.code == 78)
        #expect(outcome.errors.contains("worker-1 needs "))
        #expect(outcome.errors.contains("lacks "))
    }
}
