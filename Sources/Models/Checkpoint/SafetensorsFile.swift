public import Tensor

/// A safetensors file whose header has been read and checked.
///
/// Tensor data is not touched.
public struct SafetensorsFile: Sendable {
    /// Path of the file.
    public let path: String
    /// Bytes in the file.
    public let byteCount: Int
    /// Its table of contents.
    public let header: SafetensorsHeader
    /// The header's bytes, for identities.
    let json: [UInt8]

    /// Reads and checks a file's header.
    ///
    /// Throws ``CheckpointError`` where the file cannot be read or its header is malformed.
    public init(path: String) throws(CheckpointError) {
        self.path = path
        byteCount = try FileReader.size(of: path)
        let prefix = try FileReader.read(path, 0..<min(8, byteCount))
        let length = try SafetensorsHeader.jsonByteCount(prefix: prefix, fileByteCount: byteCount, path: path)
        json = try FileReader.read(path, 8..<(8 + length))
        header = try SafetensorsHeader(json: json, fileByteCount: byteCount, path: path)
    }

    /// Reads a whole tensor; meant for small files of expected values, not for weights.
    ///
    /// Throws ``CheckpointError`` where there is no such tensor or its element type is not known here.
    public func read(_ name: String) throws(CheckpointError) -> HostTensor {
        guard let entry = header.entries[name] else {
            let near = Spelling.suggestion(for: name, among: header.entries.keys)
            throw .weights(folder: path, problems: ["there is no tensor \(name)\(near)"])
        }
        guard let dtype = entry.dtype else {
            throw .weights(folder: path, problems: ["\(name) has the unsupported element type \(entry.typeName)"])
        }
        return HostTensor(dtype: dtype, dims: entry.dims, bytes: try FileReader.read(path, entry.range))
    }
}
