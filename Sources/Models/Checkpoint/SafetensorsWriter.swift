import Glibc
public import Tensor

/// Writes a safetensors file tensor by tensor: 8 bytes of little-endian header length, a JSON header, then the data.
///
/// Nothing but the tensor at hand is in memory. The header is padded with spaces so that data starts at a multiple of 64
/// bytes.
public final class SafetensorsWriter {
    /// A tensor to come.
    public struct Tensor: Sendable, Hashable {
        /// Its name.
        public var name: String
        /// Element type: f32 or bf16.
        public var dtype: DType
        /// Sizes, outermost first.
        public var dims: [Int]

        /// Makes a tensor.
        public init(name: String, dtype: DType, dims: [Int]) {
            self.name = name
            self.dtype = dtype
            self.dims = dims
        }

        var byteCount: Int { dims.reduce(dtype.byteCount, *) }
    }

    private let path: String
    private let descriptor: Int32
    private var pending: ArraySlice<Tensor>

    /// Creates the file, which must not exist, and writes its header.
    ///
    /// Throws ``CheckpointError/file(path:problem:)``.
    public init(path: String, tensors: [Tensor]) throws(CheckpointError) {
        self.path = path
        pending = tensors[...]
        descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw .file(path: path, problem: String(cString: strerror(errno))) }
        var offset = 0
        var members: [String: JSONValue] = ["__metadata__": .object(["format": .string("pt")])]
        for tensor in tensors {
            precondition(tensor.dtype == .f32 || tensor.dtype == .bf16, "weights are saved as f32 or bf16")
            precondition(members[tensor.name] == nil, "every tensor has a name of its own")
            let end = offset + tensor.byteCount
            members[tensor.name] = .object([
                "dtype": .string(tensor.dtype == .f32 ? "F32" : "BF16"),
                "shape": .array(tensor.dims.map { .int($0) }), "data_offsets": .array([.int(offset), .int(end)]),
            ])
            offset = end
        }
        var header = Array(JSONValue.object(members).compact.utf8)
        header += repeatElement(UInt8(ascii: " "), count: (64 - (header.count + 8) % 64) % 64)
        let length = (0..<8).map { UInt8(truncatingIfNeeded: header.count >> (8 * $0)) }
        try write(length + header)
    }

    deinit { close(descriptor) }

    /// Appends the next tensor's values, little-endian and row-major.
    ///
    /// Throws ``CheckpointError/file(path:problem:)``.
    public func append(_ bytes: [UInt8]) throws(CheckpointError) {
        guard let tensor = pending.popFirst() else { preconditionFailure("the header names every tensor") }
        precondition(bytes.count == tensor.byteCount, "\(tensor.name) has as many bytes as the header says")
        try write(bytes)
    }

    private func write(_ bytes: [UInt8]) throws(CheckpointError) {
        var done = 0
        while done < bytes.count {
            let count = bytes.withUnsafeBytes { buffer in
                Glibc.write(descriptor, buffer.baseAddress.map { $0 + done }, buffer.count - done)
            }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { throw .file(path: path, problem: String(cString: strerror(errno))) }
            done += count
        }
    }
}
