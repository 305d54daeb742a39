/// A dense row-major tensor that owns its bytes: what programs take and give outside a step (ids, masks, pictures).
///
/// Never used for weights or activations inside a step.
public struct HostTensor: Sendable, Hashable {
    /// Element type.
    public let dtype: DType
    /// Sizes, outermost first.
    public let dims: [Int]
    /// `elementCount * dtype.byteCount` bytes, little-endian.
    public var bytes: [UInt8]

    /// Number of elements.
    public var elementCount: Int { dims.reduce(1, *) }

    /// Wraps bytes; their count must match shape and type.
    public init(dtype: DType, dims: [Int], bytes: [UInt8]) {
        precondition(
            bytes.count == dims.reduce(1, *) * dtype.byteCount, "a host tensor's bytes match its shape and type")
        self.dtype = dtype
        self.dims = dims
        self.bytes = bytes
    }

    /// An f32 tensor.
    public init(_ values: [Float], dims: [Int]) {
        self.init(dtype: .f32, dims: dims, bytes: values.withUnsafeBytes { Array($0) })
    }

    /// An i32 tensor.
    public init(_ values: [Int32], dims: [Int]) {
        self.init(dtype: .i32, dims: dims, bytes: values.withUnsafeBytes { Array($0) })
    }

    /// Elements as `Float`, converted exactly from f32, bf16, f16, i32 or u8.
    public var floats: [Float] {
        bytes.withUnsafeBytes { raw in
            (0..<elementCount).map { index in
                switch dtype {
                case .f32: raw.loadUnaligned(fromByteOffset: index * 4, as: Float.self)
                case .bf16:
                    BFloat16(bitPattern: raw.loadUnaligned(fromByteOffset: index * 2, as: UInt16.self)).float
                case .f16:
                    Float(Float16(bitPattern: raw.loadUnaligned(fromByteOffset: index * 2, as: UInt16.self)))
                case .i32: Float(raw.loadUnaligned(fromByteOffset: index * 4, as: Int32.self))
                case .u8: Float(raw[index])
                }
            }
        }
    }

    /// Elements of an i32 tensor.
    public var integers: [Int32] {
        precondition(dtype == .i32, "integers are read from an i32 tensor")
        return bytes.withUnsafeBytes { raw in
            (0..<elementCount).map { raw.loadUnaligned(fromByteOffset: $0 * 4, as: Int32.self) }
        }
    }
}
