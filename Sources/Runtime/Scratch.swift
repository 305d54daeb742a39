/// Memory that kernels use while they run: one part for all threads, one part a thread, and one for copies of operands.
///
/// Kernels reserve what they need while the program is prepared; all of them use the same bytes, one after the other.
final class Scratch {
    private var sharedByteCount = 0
    private var threadByteCount = 0
    private var operandByteCount = 0
    private var memory: AlignedMemory?
    let threadCount: Int

    /// Where the parts lie; addresses hold for one kernel's run only.
    let places: Places

    /// Addresses of the parts, for loops: plain memory, written by ``Scratch/allocate()``.
    struct Places: BitwiseCopyable {
        fileprivate struct Addresses {
            var shared: UnsafeMutableRawPointer
            var threads: UnsafeMutableRawPointer
            var threadByteCount: Int
        }

        fileprivate let addresses: UnsafeMutablePointer<Addresses>

        /// The part for all threads.
        var shared: UnsafeMutableRawPointer { addresses.pointee.shared }

        /// A thread's own part.
        func ofThread(_ index: Int) -> UnsafeMutableRawPointer {
            addresses.pointee.threads + index * addresses.pointee.threadByteCount
        }

        /// Where the address of the copies of operands stands.
        let operands: UnsafeMutablePointer<UnsafeMutableRawPointer>
    }

    init(threadCount: Int) {
        self.threadCount = threadCount
        places = Places(addresses: .allocate(capacity: 1), operands: .allocate(capacity: 1))
    }

    deinit {
        places.addresses.deallocate()
        places.operands.deallocate()
    }

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
        guard let memory = AlignedMemory(byteCount: byteCount) else { return false }
        self.memory = memory
        let threads = memory.base + sharedByteCount
        places.addresses.initialize(
            to: .init(shared: memory.base, threads: threads, threadByteCount: threadByteCount))
        places.operands.initialize(to: threads + threadCount * threadByteCount)
        return true
    }
}
