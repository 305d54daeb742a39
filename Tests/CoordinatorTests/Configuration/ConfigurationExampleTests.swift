import Coordinator
import Foundation
import Program
import Testing

/// cluster.yaml and every YAML block in the documentation are valid, so that examples cannot rot.
@Suite struct ConfigurationExampleTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    @Test func theExampleClusterIsFourWorkers() throws {
        let path = Self.root.appending(path: "cluster.yaml").path
        let configuration = try ClusterConfiguration.load(path: path)
        #expect(configuration.workers.count == 4)
        #expect(configuration.mesh.axes.map(\.name) == ["guidance", "model"])
        #expect(configuration.warnings.isEmpty)
    }

    @Test(arguments: ["README.md", "docs/cluster-yaml.md", "docs/errors.md", "docs/server.md"])
    func documentedExamplesAreValid(file: String) throws {
        let text = try String(contentsOf: Self.root.appending(path: file), encoding: .utf8)
        let blocks = text.components(separatedBy: "```yaml\n").dropFirst().map {
            $0.components(separatedBy: "\n```").first ?? ""
        }
        if file != "docs/errors.md" { #expect(!blocks.isEmpty) }
        for block in blocks {
            // Excerpts need no model of their own.
            let isWhole = block.contains("model:\n") || block.contains("model: {")
            let configuration = Result {
                try ClusterConfiguration.parse(isWhole ? block : block + "\nmodel: {preset: amused-tiny}", file: file)
            }
            #expect(throws: Never.self, "in \(file):\n\(block)") { _ = try configuration.get() }
        }
    }
}
