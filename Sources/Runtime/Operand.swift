import CKernels
import Program
import Tensor

/// Where the buffers of one program lie during a call: a fixed array of base addresses.
///
/// Kernels keep the array and an index, so that a call only changes the entries of resident buffers.
struct BufferTable {
    let bases: UnsafeMutablePointer<UnsafeMutableRawPointer>

    subscript(index: Int) -> UnsafeMutableRawPointer {
        get { bases[index] }
        nonmutating set { bases[index] = newValue }
    }
}

/// A buffer as a kernel sees it: element type, the part of the value that is here, and its address.
struct Operand {
    let index: Int
    let buffer: LocalBuffer
    let table: BufferTable
    /// Sizes of the part that is here.
    let shape: [Int]
    /// Elements of the part that is here, one partial result of it where the buffer has several.
    let count: Int

    init(index: Int, buffer: LocalBuffer, table: BufferTable) {
        self.index = index
        self.buffer = buffer
        self.table = table
        shape = buffer.box.dims
        count = buffer.box.elementCount
    }

    var rank: Int { shape.count }
    /// Sizes of the whole value.
    var sizes: [Int] { buffer.dims.map(\.size) }
    var pointer: UnsafeMutableRawPointer { table[index] }
    var ranges: [Range<Int>] { buffer.box.ranges }
    var dtype: DType { buffer.dtype }

    /// Element type for kernels that take f32 and bf16.
    var real: tk_dtype {
        precondition(dtype == .f32 || dtype == .bf16, "the operand holds f32 or bf16")
        return dtype == .bf16 ? TK_BF16 : TK_F32
    }

    var floats: UnsafeMutablePointer<Float> { pointer.assumingMemoryBound(to: Float.self) }
    var halves: UnsafeMutablePointer<UInt16> { pointer.assumingMemoryBound(to: UInt16.self) }
    var integers: UnsafeMutablePointer<Int32> { pointer.assumingMemoryBound(to: Int32.self) }

    /// True where dimension `index` is here as a whole.
    func isWhole(_ index: Int) -> Bool { ranges[index] == 0..<buffer.dims[index].size }
}

/// Runs one instruction.
typealias Kernel = () -> Void

/// Memory that kernels use while they run: one part for all threads, and one part a thread.
///
/// Kernels reserve what they need while the program is prepared; all of them use the same bytes, one after the other.
final class Scratch {
    private var sharedByteCount = 0
    private var threadByteCount = 0
    private var memory: AlignedMemory?
    let threadCount: Int

    init(threadCount: Int) { self.threadCount = threadCount }

    var byteCount: Int { sharedByteCount + threadCount * threadByteCount }

    func reserve(shared: Int = 0, perThread: Int = 0) {
        sharedByteCount = max(sharedByteCount, aligned(shared))
        threadByteCount = max(threadByteCount, aligned(perThread))
    }

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
}

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
