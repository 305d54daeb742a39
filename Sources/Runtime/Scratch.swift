/// Memory that kernels use while they run: one part for all threads, one part a thread, and one for copies of operands.
///
/// Kernels reserve what they need while the program is prepared; all of them use the same bytes, one after the other.
final class Scratch {
    private var sharedByteCount = 0
    private var threadByteCount = 0
    private var operandByteCount = 0
    private var memory: AlignedMemory?
    let threadCount: Int

    init(threadCount: Int) { self.threadCount = threadCount }

    var byteCount: Int { sharedByteCount + threadCount * threadByteCount + operandByteCount }

    func reserve(shared: Int = 0, perThread: Int = 0) {
        sharedByteCount = max(sharedByteCount, aligned(shared))
        threadByteCount = max(threadByteCount, aligned(perThread))
    }

    /// Reserves room for copies of one instruction's operands.
    func reserve(operands: Int) { operandByteCount = max(operandByteCount, aligned(operands)) }

    /// Maps what is reserved; false where the system refuses.
    ///
    /// A program that is prepared later may reserve more: addresses hold for one kernel's run only.
    func allocate() -> Bool {
        if let memory, memory.byteCount >= byteCount { return true }
        memory = nil
        memory = AlignedMemory(byteCount: byteCount)
        return memory != nil
    }

    var shared: UnsafeMutableRawPointer {
        guard let memory else { preconditionFailure("scratch is allocated before a kernel runs") }
        return memory.base
    }

    func ofThread(_ index: Int) -> UnsafeMutableRawPointer { shared + sharedByteCount + index * threadByteCount }

    /// Where copies of operands lie.
    var operands: UnsafeMutableRawPointer { ofThread(threadCount) }
}
