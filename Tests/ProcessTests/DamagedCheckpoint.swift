import Foundation

/// A copy of a fixture's checkpoint in which one thing is wrong.
struct DamagedCheckpoint {
    /// The folder.
    let folder: URL
    /// The file of weights that is damaged.
    static let weights = "vqvae/diffusion_pytorch_model.safetensors"

    /// Copies the fixture below `folder`.
    init(in folder: URL) throws {
        self.folder = folder.appending(path: "model")
        let fixture = CommandLineTool.root.appending(path: "Tests/Fixtures/amused_tiny512")
        try FileManager.default.copyItem(at: fixture, to: self.folder)
    }

    /// Removes a file.
    func remove(_ path: String) throws { try FileManager.default.removeItem(at: folder.appending(path: path)) }

    /// Keeps the first `share` of a file.
    func truncate(_ path: String = weights, to share: Double) throws {
        let file = folder.appending(path: path)
        let data = try Data(contentsOf: file)
        try data.prefix(Int(Double(data.count) * share)).write(to: file)
    }

    /// Rewrites the entries of the header, which may also lengthen or shorten the data.
    func edit(_ change: (_ entries: inout [String: Entry], _ data: inout Data) -> Void) throws {
        let file = folder.appending(path: Self.weights)
        let bytes = try Data(contentsOf: file)
        let length = bytes.prefix(8).reversed().reduce(0) { $0 << 8 | Int($1) }
        var entries = try JSONDecoder().decode([String: Entry].self, from: bytes[8..<(8 + length)])
        entries["__metadata__"] = nil
        var data = Data(bytes[(8 + length)...])
        change(&entries, &data)
        let header = try JSONEncoder().encode(entries)
        let prefix = (0..<8).map { UInt8(truncatingIfNeeded: header.count >> (8 * $0)) }
        try (Data(prefix) + header + data).write(to: file)
    }

    /// Replaces text in a JSON file.
    func replace(_ old: String, with new: String, in path: String) throws {
        let file = folder.appending(path: path)
        let text = try String(contentsOf: file, encoding: .utf8)
        try Data(text.replacing(old, with: new).utf8).write(to: file)
    }

    /// One tensor in a header.
    struct Entry: Codable {
        var dtype: String
        var shape: [Int]
        var offsets: [Int]

        enum CodingKeys: String, CodingKey {
            case dtype, shape
            case offsets = "data_offsets"
        }

        /// Also takes the header's metadata, which has none of these keys.
        init(from decoder: any Decoder) throws {
            let values = try decoder.container(keyedBy: CodingKeys.self)
            dtype = try values.decodeIfPresent(String.self, forKey: .dtype) ?? ""
            shape = try values.decodeIfPresent([Int].self, forKey: .shape) ?? []
            offsets = try values.decodeIfPresent([Int].self, forKey: .offsets) ?? []
        }
    }
}
