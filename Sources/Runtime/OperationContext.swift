import CKernels
import Program

/// Runs one instruction.
typealias Kernel = () -> Void

/// What a kernel is made from: one instruction with its buffers, and what kernels share.
struct OperationContext {
    let opcode: Opcode
    let attributes: Attributes
    let operands: [Operand]
    let result: Operand
    let pool: ThreadPool
    let scratch: Scratch
    /// Where arrays lie that loops read.
    let memory: KernelMemory
    let isa: tk_isa
    /// The packed form of a product's second operand; nil where that is no parameter.
    let packed: UnsafeMutableRawPointer?

    /// Rows that make about 16 Ki elements, so that a block is worth waking a thread for.
    func grain(rowElements: Int) -> Int { max(1, 16384 / max(1, rowElements)) }

    /// A contradiction between buffers of an instruction: the plan is wrong.
    func check(_ condition: Bool, _ reason: @autoclosure () -> String) {
        precondition(condition, "\(opcode.rawValue): \(reason())")
    }
}
