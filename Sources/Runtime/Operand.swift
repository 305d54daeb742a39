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

/// Where an operand lies, and its element type: what loops need of it, as plain memory.
struct Place: BitwiseCopyable {
    /// Where the address stands that a call may change.
    private let base: UnsafeMutablePointer<UnsafeMutableRawPointer>
    private let offset: Int
    let dtype: DType
    /// Elements of the part that is here, one partial result of it where the buffer has several.
    let count: Int

    init(base: UnsafeMutablePointer<UnsafeMutableRawPointer>, offset: Int = 0, dtype: DType, count: Int) {
        (self.base, self.offset, self.dtype, self.count) = (base, offset, dtype, count)
    }

    var pointer: UnsafeMutableRawPointer { base.pointee + offset }
    var floats: UnsafeMutablePointer<Float> { pointer.assumingMemoryBound(to: Float.self) }
    var halves: UnsafeMutablePointer<UInt16> { pointer.assumingMemoryBound(to: UInt16.self) }
    var integers: UnsafeMutablePointer<Int32> { pointer.assumingMemoryBound(to: Int32.self) }
    var bytes: UnsafeMutablePointer<UInt8> { pointer.assumingMemoryBound(to: UInt8.self) }

    /// Element type for kernels that take f32 and bf16.
    var real: tk_dtype {
        precondition(dtype == .f32 || dtype == .bf16, "the operand holds f32 or bf16")
        return dtype == .bf16 ? TK_BF16 : TK_F32
    }

    /// Element type for kernels that take integers too.
    var element: tk_element {
        switch dtype {
        case .f32: TK_ELEMENT_F32
        case .bf16: TK_ELEMENT_BF16
        case .i32: TK_ELEMENT_I32
        case .u8: TK_ELEMENT_U8
        case .f16: preconditionFailure("f16 is never computed with")
        }
    }
}

/// A buffer as a kernel is made for it: element type, the part of the value that is here, and its place.
struct Operand {
    let index: Int
    let buffer: LocalBuffer
    let table: BufferTable
    /// Sizes of the part that is here.
    let shape: [Int]
    /// Elements of the part that is here, one partial result of it where the buffer has several.
    let count: Int
    /// Where the part lies: in the buffer, or in scratch where it is a copy of what the kernel needs of it.
    let place: Place

    init(index: Int, buffer: LocalBuffer, table: BufferTable, view: (scratch: Scratch, offset: Int)? = nil) {
        self.index = index
        self.buffer = buffer
        self.table = table
        shape = buffer.box.dims
        count = buffer.box.elementCount
        place = Place(
            base: view?.scratch.places.operands ?? table.bases + index, offset: view?.offset ?? 0, dtype: buffer.dtype,
            count: count)
    }

    var rank: Int { shape.count }
    /// Sizes of the whole value.
    var sizes: [Int] { buffer.dims.map(\.size) }
    var ranges: [Range<Int>] { buffer.box.ranges }
    var dtype: DType { buffer.dtype }
    /// Element type for kernels that take f32 and bf16.
    var real: tk_dtype { place.real }
    /// Element type for kernels that take integers too.
    var element: tk_element { place.element }

    /// The operand with only a box of its part, which is copied to a place in scratch; and that copy.
    func narrowed(to box: Box, at offset: Int, _ scratch: Scratch) -> (operand: Operand, copy: BoxCopy) {
        var part = buffer
        part.box = box
        let copy = BoxCopy(
            from: box.relative(to: buffer.box), sourceShape: shape, to: Box(covering: box.dims),
            destinationShape: box.dims, elementByteCount: dtype.byteCount)
        return (Operand(index: index, buffer: part, table: table, view: (scratch, offset)), copy)
    }

    /// True where dimension `index` is here as a whole.
    func isWhole(_ index: Int) -> Bool { ranges[index] == 0..<buffer.dims[index].size }
}
