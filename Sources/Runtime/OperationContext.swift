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
    let isa: tk_isa
    /// The packed form of a product's second operand; nil where that is no parameter.
    let packed: UnsafeMutableRawPointer?

    /// Runs `body` over `0..<count` in blocks of `grain`: the range and the thread.
    ///
    /// A block is a matter of speed alone: kernels compute every row by itself.
    static func blocks(
        _ pool: ThreadPool, _ count: Int, grain: Int, _ body: (_ range: Range<Int>, _ thread: Int) -> Void
    ) {
        let grain = max(1, grain)
        pool.parallelFor((count + grain - 1) / grain) { index, thread in
            body((index * grain)..<min(count, (index + 1) * grain), thread)
        }
    }

    /// Rows that make about 16 Ki elements, so that a block is worth waking a thread for.
    func grain(rowElements: Int) -> Int { max(1, 16384 / max(1, rowElements)) }

    /// A contradiction between buffers of an instruction: the plan is wrong.
    func check(_ condition: Bool, _ reason: @autoclosure () -> String) {
        precondition(condition, "\(opcode.rawValue): \(reason())")
    }
}
