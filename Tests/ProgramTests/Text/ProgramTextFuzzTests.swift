import Program
import TestSupport
import Testing

/// Mutated texts are read or refused, never a trap; what is read prints and reads back the same.
@Suite("Fuzzed texts of programs")
struct ProgramTextFuzzTests {
    private static let pieces = [
        "%", "%0", "%1", "99999999999999999999", "-9223372036854775808", "1e308", "-", "-inf", "nan", "inf", "/", "//",
        "\"", "\\", "\\u{110000}", "\\u{", "[", "]", "{", "}", "(", ")", ",", ":", "=", "_", "axes", "in", "output",
        "resident", "weight", "view", "permutation [0]", "scale", "as", "f32[", "input()", "0/1", "1/0", "\n", "\r",
        "\t",
        "é", "\u{0}", "program \"x\" {",
    ]

    @Test("Mutated texts never trap", arguments: 0..<8)
    func mutated(seed: Int) throws {
        var generator = SeededGenerator(seed: UInt64(seed) &+ 1)
        let corpus = Array(ProgramPrinter(ProgramTextTests.everything).text.utf8)
        var accepted = 0
        for _ in 0..<1500 {
            var bytes = corpus
            for _ in 0..<Int.random(in: 1...4, using: &generator) { mutate(&bytes, corpus, &generator) }
            do {
                let program = try ProgramParser.parse(bytes)
                accepted += 1
                let text = ProgramPrinter(program).text
                // Numbers that are not equal to themselves aside, what was read is what is written.
                #expect(ProgramPrinter(try ProgramParser.parse(text)).text == text)
            } catch {
                let lineCount = bytes.count { $0 == 0x0A } + 1
                #expect((1...lineCount).contains(error.line) && error.column >= 1, "seed \(seed): \(error)")
            }
        }
        #expect(accepted > 0 && accepted < 1500)
    }

    private func mutate(_ bytes: inout [UInt8], _ corpus: [UInt8], _ generator: inout SeededGenerator) {
        let at = Int.random(in: 0...bytes.count, using: &generator)
        let end = min(bytes.count, at + Int.random(in: 0...12, using: &generator))
        switch Int.random(in: 0..<6, using: &generator) {
        case 0: bytes.removeSubrange(at..<end)
        case 1: bytes.insert(contentsOf: Array((Self.pieces.randomElement(using: &generator) ?? "").utf8), at: at)
        case 2: bytes.insert(contentsOf: bytes[at..<end], at: at)
        case 3: bytes.removeSubrange(at...)
        case 4:
            for index in at..<end { bytes[index] = UInt8.random(in: 0...255, using: &generator) }
        default:
            let from = Int.random(in: 0..<corpus.count, using: &generator)
            bytes.insert(contentsOf: corpus[from..<min(corpus.count, from + 60)], at: at)
        }
    }

    @Test("Every prefix of a text is refused, the whole is read")
    func truncated() throws {
        let bytes = Array(ProgramPrinter(ProgramTextTests.everything).text.utf8)
        for count in 0..<(bytes.count - 2) {
            #expect(throws: ProgramTextError.self) { try ProgramParser.parse(Array(bytes[..<count])) }
        }
        #expect(try ProgramParser.parse(Array(bytes.dropLast())) == ProgramTextTests.everything)
    }
}
