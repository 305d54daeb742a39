import Program
import Tensor

/// The sharding rules of a partitioned program's instructions; layers that repeat share them.
struct StepRules {
    private var known: [Key: ShardingRule] = [:]

    private struct Key: Hashable {
        var opcode: Opcode
        var attributes: Attributes
        var operands: [TensorType]
        var result: TensorType
    }

    /// What the dimensions of an instruction's buffers have to do with each other.
    mutating func rule(of instruction: ComputeInstruction, in partitioned: PartitionedProgram) -> ShardingRule {
        let key = Key(
            opcode: instruction.opcode, attributes: instruction.attributes,
            operands: instruction.operands.map { partitioned.buffers[$0].type },
            result: partitioned.buffers[instruction.result].type)
        if let rule = known[key] { return rule }
        var program = Program(name: "")
        for type in key.operands {
            program.operations.append(.init(opcode: .input, operands: [], attributes: [:], type: type))
        }
        let operation = Program.Operation(
            opcode: key.opcode, operands: Array(key.operands.indices), attributes: key.attributes, type: key.result)
        let rule = ShardingRule.of(operation, in: program)
        known[key] = rule
        return rule
    }
}

extension ShardingRule {
    /// The dimension of an operand that is cut where a dimension of the result is; nil where none is.
    ///
    /// Both carry the same factor as their major one, so that a range of the one is a range of the other.
    func operandDim(_ operand: Int, for resultDim: Int) -> Int? {
        guard let factor = result[resultDim].first, !factors[factor].isReduction, factors[factor].isAligned else {
            return nil
        }
        return operands[operand].firstIndex { $0.first == factor }
    }
}
