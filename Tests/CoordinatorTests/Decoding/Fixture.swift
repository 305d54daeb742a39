import Foundation
import Tensor

/// A folder of recorded reference results: `TESSERA_FIXTURES`, else Tests/Fixtures.
struct Fixture: Sendable, CustomStringConvertible {
    static let all: [Fixture] = {
        let root =
            ProcessInfo.processInfo.environment["TESSERA_FIXTURES"].map { URL(fileURLWithPath: $0) }
            ?? URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("Fixtures")
        let names = (try? FileManager.default.contentsOfDirectory(atPath: root.path)) ?? []
        return names.filter { $0.hasPrefix("amused") }.sorted().map { Fixture(folder: root.appendingPathComponent($0)) }
    }()

    let folder: URL
    var description: String { folder.lastPathComponent }

    func json<T: Decodable>(_ type: T.Type, _ name: String) throws -> T {
        try JSONDecoder().decode(type, from: Data(contentsOf: folder.appendingPathComponent(name)))
    }

    /// All tensors of expected.safetensors.
    func tensors() throws -> [String: HostTensor] {
        struct Entry: Decodable {
            var dtype: String
            var shape: [Int]
            var data_offsets: [Int]
        }
        let bytes = try Array(Data(contentsOf: folder.appendingPathComponent("expected.safetensors")))
        let length = (0..<8).reduce(0) { $0 | Int(bytes[$1]) << (8 * $1) }
        let header = try JSONSerialization.jsonObject(with: Data(bytes[8..<(8 + length)])) as? [String: Any] ?? [:]
        var result: [String: HostTensor] = [:]
        for (name, value) in header where name != "__metadata__" {
            let entry = try JSONDecoder().decode(Entry.self, from: JSONSerialization.data(withJSONObject: value))
            guard let dtype = ["F32": DType.f32, "I32": .i32, "U8": .u8][entry.dtype] else { continue }
            let range = (8 + length + entry.data_offsets[0])..<(8 + length + entry.data_offsets[1])
            result[name] = HostTensor(dtype: dtype, dims: entry.shape, bytes: Array(bytes[range]))
        }
        return result
    }
}
