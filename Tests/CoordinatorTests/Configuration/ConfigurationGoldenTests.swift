import Coordinator
import Foundation
import Testing

/// Every file in Tests/Golden/Configuration is bad; the text beside it is what its author gets to read.
@Suite struct ConfigurationGoldenTests {
    static let folder = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().appending(path: "Golden/Configuration")
    static let names: [String] = {
        let files = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        return files.filter { $0.hasSuffix(".yaml") }.map { String($0.dropLast(5)) }.sorted()
    }()

    @Test func thereAreGoldenFiles() { #expect(Self.names.count >= 19) }

    @Test(arguments: names)
    func rendersItsProblems(name: String) throws {
        let text = try String(contentsOf: Self.folder.appending(path: "\(name).yaml"), encoding: .utf8)
        let error = try #require(throws: ConfigurationError.self) {
            _ = try ClusterConfiguration.parse(text, file: "\(name).yaml")
        }
        let golden = Self.folder.appending(path: "\(name).txt")
        if ProcessInfo.processInfo.environment["UPDATE_GOLDEN"] == "1" {
            try (error.rendered + "\n").write(to: golden, atomically: true, encoding: .utf8)
        }
        #expect(error.rendered + "\n" == (try String(contentsOf: golden, encoding: .utf8)))
    }
}
