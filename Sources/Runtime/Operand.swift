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
