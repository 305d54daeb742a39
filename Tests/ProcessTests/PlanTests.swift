import Foundation
import Testing

/// `tessera plan` on the real models.
@Suite(.timeLimit(.minutes(5))) struct PlanTests {
    private struct Plan: Decodable {
        struct Program: Decodable {
            var name: String
            var sentBytes: [Int]
        }
        struct Worker: Decodable {
            var name: String
            var weightBytes: Int
        }
        var mesh: String
        var programs: [Program]
        var workers: [Worker]
    }

    @Test func theExampleClusterSharesTheWork() throws {
        let text = try CommandLineTool.run(["plan", "cluster.yaml"])
        #expect(text.code == 0, "\(text.errors)")
        #expect(text.output.hasPrefix("Mesh: guidance 2 x model 2\n"))
        let json = try CommandLineTool.run(["plan", "cluster.yaml", "--json"])
        let plan = try JSONDecoder().decode(Plan.self, from: Data(json.output.utf8))
        #expect(plan.workers.map(\.name) == (0..<4).map { "worker-\($0)" })
        #expect(plan.programs.map(\.name) == ["text", "step", "decode"])
        #expect(plan.programs.allSatisfy { $0.sentBytes.count == 4 && $0.sentBytes.allSatisfy { $0 > 0 } })
        #expect(try CommandLineTool.run(["plan", "cluster.yaml", "--json"]).output == json.output)
    }

    @Test func aLimitThatIsTooSmallIsSaid() throws {
        let outcome = try CommandLineTool.run(["plan", "--set", "workers.memory=1MiB"])
        #expect(outcome.code == 0)
        #expect(outcome.errors.contains("warning: worker-3 needs "))
    }

}
