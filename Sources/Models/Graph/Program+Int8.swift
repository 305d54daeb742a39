import Program
import Tensor

extension Program {
    /// The same program with products of bf16 values and weights in int8.
    ///
    /// What stays: products of two activations, tables, convolutions, norms and everything element by element.
    func withInt8Products() -> Program {
        var program = self
        for index in program.operations.indices {
            let operation = program.operations[index]
            guard operation.opcode == .dot, operations[operation.operands[1]].opcode == .parameter,
                operation.operands.allSatisfy({ type(of: $0).dtype == .bf16 })
            else { continue }
            program.operations[index].attributes.values["precision"] = .text("int8")
        }
        return program
    }
}

extension ModelPrecision {
    /// The program of a graph of the text encoder, the transformer or both.
    func finished(_ graph: ProgramBuilder) -> Program {
        self == .int8 ? graph.program.withInt8Products() : graph.program
    }
}
