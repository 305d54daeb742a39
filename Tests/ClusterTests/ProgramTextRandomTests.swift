import Program
import Tensor
import Testing

@Suite("Text of random programs")
struct ProgramTextRandomTests {
    @Test("Random programs over all kinds of operations read back as they were")
    func roundTrip() throws {
        for seed in 0..<300 as Range<UInt64> {
            let program = RandomProgram(seed: seed, activation: seed % 2 == 0 ? .f32 : .bf16).program
            #expect(try ProgramParser.parse(ProgramPrinter(program).text) == program, "seed \(seed)")
        }
    }
}
