import Program
import SwiftProtobuf
import Tensor

extension WireInstruction {
    /// Encodes an instruction.
    init(_ instruction: Instruction) {
        self.init()
        switch instruction {
        case .compute(let call): compute = WireCompute(call)
        case .exchangeStart(let index): exchangeStart = UInt32(clamping: index)
        case .exchangeFinish(let index): exchangeFinish = UInt32(clamping: index)
        }
    }

    /// Decodes an instruction of a program whose buffers and exchanges are known.
    func value(_ program: LocalProgram) throws(ProtocolError) -> Instruction {
        switch kind {
        case .compute(let wire):
            .compute(try wire.value(program))
        case .exchangeStart(let index):
            .exchangeStart(try Check.index(index, program.exchanges.indices, "the exchange that starts"))
        case .exchangeFinish(let index):
            .exchangeFinish(try Check.index(index, program.exchanges.indices, "the exchange that finishes"))
        case nil:
            throw ProtocolError(.missing, "an instruction of program \(program.name) is empty")
        }
    }
}

extension WireCompute {
    /// Encodes a kernel call.
    init(_ call: ComputeInstruction) {
        self.init()
        opcode = call.opcode.rawValue
        operands = call.operands.map { UInt32(clamping: $0) }
        result = UInt32(clamping: call.result)
        attributes = call.attributes.sorted.map { WireAttribute(name: $0.name, $0.value) }
        scope = call.scope
    }

    /// Decodes a kernel call.
    func value(_ program: LocalProgram) throws(ProtocolError) -> ComputeInstruction {
        let scope = try Check.name(scope, "the scope of an instruction")
        let buffers = program.buffers.indices
        var indices: [Int] = []
        for operand in try Check.entries(operands, ProtocolLimits.exchangeEntries, "operands of \(opcode)") {
            indices.append(try Check.index(operand, buffers, "an operand of \(opcode) at \(scope)"))
        }
        var named: [(name: String, value: Attribute)] = []
        for attribute in try Check.entries(attributes, ProtocolLimits.attributes, "attributes of \(opcode)") {
            named.append((try Check.required(attribute.name, "an attribute of \(opcode)"), try attribute.decoded()))
        }
        return ComputeInstruction(
            opcode: try Check.word(opcode, "the operation at \(scope)"), operands: indices,
            result: try Check.index(result, buffers, "the result of \(opcode) at \(scope)"),
            attributes: Attributes(try Check.byName(named, "the operation \(opcode) at \(scope)")), scope: scope)
    }
}

extension WireAttribute {
    /// Encodes an attribute.
    init(name: String, _ attribute: Attribute) {
        self.init()
        self.name = name
        switch attribute {
        case .int(let number): int = Int64(number)
        case .float(let number): float = number
        case .ints(let numbers): ints.values = numbers.map(Int64.init)
        case .text(let word): text = word
        }
    }

    /// Decodes an attribute.
    func decoded() throws(ProtocolError) -> Attribute {
        switch value {
        case .int(let number): .int(Int(number))
        case .float(let number): .float(try Check.finite(number, "the attribute \(name)"))
        case .ints(let list):
            .ints(
                try Check.entries(list.values, ProtocolLimits.attributes, "integers in attribute \(name)").map {
                    Int($0)
                }
            )
        case .text(let word): .text(try Check.name(word, "the attribute \(name)"))
        case nil: throw ProtocolError(.missing, "the attribute \(name) has no value")
        }
    }
}
