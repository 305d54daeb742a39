/// A weight that cannot be loaded.
public enum WeightError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The file cannot be mapped.
    case mappingFailed(tensor: String, path: String, errno: Int32)
    /// The file cannot be opened.
    case missingFile(tensor: String, path: String, errno: Int32)
    /// No source was given for a weight.
    case missingSource(tensor: String)
    /// The system gives no memory for weights.
    case outOfMemory(byteCount: Int)
    /// The file ends before the tensor does.
    case truncated(tensor: String, path: String, needed: Int, actual: Int)
    /// Weights are read from f32, bf16 and f16 only.
    case unsupportedType(tensor: String, dtype: String)
    /// Shape, view, permutation or box contradict each other.
    case wrongShape(tensor: String, reason: String)

    /// One sentence.
    public var description: String {
        switch self {
        case .mappingFailed(let tensor, let path, let errno):
            "weight \(tensor): cannot map \(path) (error \(errno)); check that it is a regular, readable file"
        case .missingFile(let tensor, let path, let errno):
            "weight \(tensor): cannot open \(path) (error \(errno)); check the model's folder and its permissions"
        case .missingSource(let tensor):
            "weight \(tensor): the checkpoint names no file for it; check that model and checkpoint belong together"
        case .outOfMemory(let byteCount):
            "no memory for \(byteCount) bytes of weights; use more workers or a narrower element type"
        case .truncated(let tensor, let path, let needed, let actual):
            "weight \(tensor): \(path) has \(actual) bytes, the tensor ends at \(needed); download the file again"
        case .unsupportedType(let tensor, let dtype):
            "weight \(tensor): stored as \(dtype), but only f32, bf16 and f16 can be read"
        case .wrongShape(let tensor, let reason):
            "weight \(tensor): \(reason)"
        }
    }
}
