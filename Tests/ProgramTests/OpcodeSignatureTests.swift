import Program
import Tensor
import Testing

@Suite("Opcode signatures")
struct OpcodeSignatureTests {
    @Test("Leaving out or changing any needed attribute is said by name", arguments: Opcode.allCases)
    func attributes(opcode: Opcode) {
        let signature = OpcodeSignature.of(opcode)
        let good = Attributes(
            signature.attributes.mapValues { requirement in
                switch requirement {
                case .int(let range, _): .int(range.upperBound)
                case .number: .float(0.5)
                case .real: .float(-0.5)
                case .dimensions, .dimensionList: .ints([0])
                case .integers(let range, _): .ints([range.upperBound])
                case .word(let words, _): .text(words[0])
                case .name: .text("x")
                }
            })
        let count = signature.operands.lowerBound
        #expect(signature.problem(operandCount: count, attributes: good) == nil)
        #expect(signature.problem(operandCount: signature.operands.upperBound + 1, attributes: good) != nil)
        for name in signature.attributes.keys {
            var wrong = good
            wrong.values[name] = .ints([-1])
            #expect(signature.problem(operandCount: count, attributes: wrong)?.contains(name) == true)
        }
    }

    @Test("Shapes that do not fit are errors, not traps")
    func shapes() {
        let matrix = TensorType(.f32, [Dim(3), Dim(4)])
        #expect(throws: ProgramError.self) { try ShapeRule.infer(.dot, [matrix], ["contract": .int(1)]) }
        #expect(throws: ProgramError.self) {
            try ShapeRule.infer(.dot, [matrix, TensorType(.f32, [Dim(2), Dim(5)])], ["contract": .int(1)])
        }
        #expect(throws: ProgramError.self) { try ShapeRule.infer(.dot, [matrix, matrix], [:]) }
        let int8: Attributes = ["contract": .int(1), "precision": .text("int8")]
        #expect(throws: ProgramError.self) { try ShapeRule.infer(.dot, [matrix, matrix], int8) }
        for (size, isFitting) in [(StoredWeight.segmentMax, true), (StoredWeight.segmentMax + 1, false)] {
            let long = TensorType(.bf16, [Dim(3), Dim(size)])
            #expect(((try? ShapeRule.infer(.dot, [long, long], int8)) != nil) == isFitting)
        }
        for opcode in Opcode.allCases {
            let count = OpcodeSignature.of(opcode).operands.lowerBound
            // Scalars fit no operation that looks at dimensions; whatever comes out, nothing may trap.
            _ = try? ShapeRule.infer(opcode, Array(repeating: TensorType(.f32, []), count: count), [:])
        }
    }
}
