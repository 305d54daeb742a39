import Coordinator
import Foundation
import Program
import TestSupport
import Testing

/// Mutated files are read or refused, never a trap, and every problem points into the file.
@Suite struct ConfigurationFuzzTests {
    @Test(arguments: 0..<8)
    func mutatedFilesNeverTrap(seed: Int) throws {
        let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().deletingLastPathComponent()
        let golden = try ConfigurationGoldenTests.names.map {
            try String(contentsOf: ConfigurationGoldenTests.folder.appending(path: "\($0).yaml"), encoding: .utf8)
        }
        let corpus = golden + [try String(contentsOf: root.appending(path: "cluster.yaml"), encoding: .utf8)]
        var generator = SeededGenerator(seed: UInt64(seed) &+ 1)
        var accepted = 0
        for _ in 0..<400 {
            let text = mutate(corpus.randomElement(using: &generator) ?? "", corpus: corpus, using: &generator)
            do {
                let configuration = try ClusterConfiguration.parse(text)
                #expect(configuration.workers.count == configuration.mesh.deviceCount)
                accepted += 1
            } catch {
                #expect(error.problems.contains { $0.severity == .error })
                #expect(!error.rendered.isEmpty)
                let lineCount = text.split(omittingEmptySubsequences: false) { $0.isNewline }.count
                for problem in error.problems {
                    guard case .text(let line, let column, _) = problem.location else { continue }
                    #expect(line >= 1 && column >= 1 && line <= lineCount + 1, "seed \(seed): \(problem) in \(text)")
                }
            }
        }
        #expect(accepted < 400)
    }

    private func mutate(_ text: String, corpus: [String], using generator: inout SeededGenerator) -> String {
        var scalars = Array(text.unicodeScalars)
        let alphabet = Array(":-?[]{},#&*!|>'\"%@` \t\n\r\u{85}\u{2028}\u{1F600}0aé.~<".unicodeScalars)
        for _ in 0..<Int.random(in: 1...6, using: &generator) {
            let at = Int.random(in: 0...scalars.count, using: &generator)
            let end = min(scalars.count, at + Int.random(in: 0...8, using: &generator))
            switch Int.random(in: 0..<5, using: &generator) {
            case 0: scalars.removeSubrange(at..<end)
            case 1: scalars.insert(alphabet.randomElement(using: &generator) ?? " ", at: at)
            case 2: scalars.insert(contentsOf: scalars[at..<end], at: at)
            case 3:
                let other = Array((corpus.randomElement(using: &generator) ?? "").unicodeScalars)
                let from = Int.random(in: 0...other.count, using: &generator)
                scalars.insert(contentsOf: other[from..<min(other.count, from + 30)], at: at)
            default:
                for index in at..<end { scalars[index] = alphabet.randomElement(using: &generator) ?? " " }
            }
        }
        var view = String.UnicodeScalarView()
        view.append(contentsOf: scalars)
        return String(view)
    }
}
