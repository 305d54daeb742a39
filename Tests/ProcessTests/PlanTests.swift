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

    @Test func aTensorIsExplained() throws {
        let outcome = try CommandLineTool.run([
            "plan", "cluster.yaml", "--explain", "*.layers.0.self_attn.q_proj.weight",
        ])
        #expect(outcome.code == 0, "\(outcome.errors)")
        #expect(outcome.output.hasPrefix("program text\n"))
        #expect(outcome.output.contains("annotated heads: rule heads = [model]"))
        let unknown = try CommandLineTool.run(["plan", "cluster.yaml", "--explain", "q_proj.weigth"])
        #expect(unknown.code == 2 && unknown.output.isEmpty)
        #expect(unknown.errors.contains("the nearest: ") && unknown.errors.contains("q_proj.weight"))
    }

    @Test func passesAndAPageAreWritten() throws {
        let atelier = try Atelier()
        let outcome = try CommandLineTool.run([
            "plan", "cluster.yaml", "--dump-dir", atelier.path("passes"), "--html", atelier.path("plan.html"),
        ])
        #expect(outcome.code == 0, "\(outcome.errors)")
        for file in ["1-text/01-program.txt", "2-step/03-propagated.txt", "3-decode/05-local-device3.txt"] {
            let text = try String(contentsOfFile: atelier.path("passes/\(file)"), encoding: .utf8)
            #expect(text.hasSuffix("}\n"), "\(file)")
        }
        let page = try String(contentsOfFile: atelier.path("plan.html"), encoding: .utf8)
        #expect(page.hasPrefix("<!DOCTYPE html>") && page.hasSuffix("</html>\n"))
        for worker in 0..<4 { #expect(page.contains("<strong>worker-\(worker)</strong>")) }
        let nowhere = try CommandLineTool.run(["plan", "cluster.yaml", "--html", atelier.path("none/plan.html")])
        #expect(nowhere.code == 2 && nowhere.output.isEmpty)
    }
}
