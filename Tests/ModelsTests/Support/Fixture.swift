import Glibc

/// The recorded pipelines in Tests/Fixtures.
enum Fixture {
    /// Pipelines with expected values.
    static let amused = ["amused_tiny256", "amused_tiny512"]

    /// Path of a fixture's folder.
    static func folder(_ name: String) -> String {
        let parts = #filePath.split(separator: "/").dropLast(3)
        return "/" + parts.joined(separator: "/") + "/Fixtures/\(name)"
    }

    /// Contents of a file.
    static func bytes(_ path: String) -> [UInt8] {
        guard let file = fopen(path, "r") else { preconditionFailure("\(path) can be read") }
        defer { fclose(file) }
        fseek(file, 0, SEEK_END)
        var bytes = [UInt8](repeating: 0, count: ftell(file))
        rewind(file)
        let count = fread(&bytes, 1, bytes.count, file)
        precondition(count == bytes.count, "\(path) can be read")
        return bytes
    }
}

/// A safetensors file made from a JSON header and data.
func safetensors(_ json: String, dataByteCount: Int) -> [UInt8] {
    let header = Array(json.utf8)
    let length = (0..<8).map { UInt8(truncatingIfNeeded: header.count >> ($0 * 8)) }
    return length + header + (0..<dataByteCount).map { UInt8(truncatingIfNeeded: $0) }
}
