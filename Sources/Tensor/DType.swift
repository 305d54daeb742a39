/// The element types that tensors are stored in.
public enum DType: String, Sendable, Hashable, CaseIterable, BitwiseCopyable {
    /// IEEE single precision.
    case f32
    /// The upper half of an IEEE single; round to nearest even on the way in.
    case bf16
    /// IEEE half precision: a storage type of checkpoints, never of activations.
    case f16
    /// Signed 32-bit integers: token ids, counts, random number keys.
    case i32
    /// Bytes: pictures and masks.
    case u8

    /// Bytes that one element takes.
    public var byteCount: Int {
        switch self {
        case .f32, .i32: 4
        case .bf16, .f16: 2
        case .u8: 1
        }
    }
}
