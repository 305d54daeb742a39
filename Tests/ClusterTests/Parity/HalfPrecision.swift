import Foundation
import Models
import Program
import Tensor

/// A file that goes away with its owner.
final class ScratchFile {
    let path = FileManager.default.temporaryDirectory.appendingPathComponent("tessera-\(UUID().uuidString)").path

    init() throws { try Data().write(to: URL(fileURLWithPath: path)) }

    deinit {
        do { try FileManager.default.removeItem(atPath: path) } catch { assertionFailure("\(error)") }
    }
}

/// Copies of a model's weights in half precision, as safetensors files.
enum HalfPrecision {
    /// Rounds all weights of a part (to nearest, ties to even) and writes them to one file.
    static func write(_ part: String, of model: AmusedModel, as dtype: DType, to path: String) throws {
        guard case .checkpoint(let checkpoint) = model.weights else { return }
        var header: [String: Any] = [:]
        var data = Data()
        for spec in model.parameters.values.filter({ $0.part == part }).sorted(by: { $0.name < $1.name }) {
            guard case .file(let file, let offset, .f32) = try checkpoint.source(of: spec) else { continue }
            let handle = try FileHandle(forReadingFrom: URL(fileURLWithPath: file))
            defer { handle.closeFile() }
            try handle.seek(toOffset: UInt64(offset))
            let count = spec.fileDims.reduce(1, *)
            let bytes = try handle.read(upToCount: count * 4) ?? Data()
            let values = HostTensor(dtype: .f32, dims: [count], bytes: Array(bytes)).floats
            let start = data.count
            for value in values {
                let bits = dtype == .bf16 ? BFloat16(value).bitPattern : Float16(value).bitPattern
                data.append(contentsOf: [UInt8(truncatingIfNeeded: bits), UInt8(truncatingIfNeeded: bits >> 8)])
            }
            header[spec.tensor] = [
                "dtype": dtype == .bf16 ? "BF16" : "F16", "shape": spec.fileDims, "data_offsets": [start, data.count],
            ]
        }
        let json = try JSONSerialization.data(withJSONObject: header)
        var file = withUnsafeBytes(of: UInt64(json.count).littleEndian) { Data($0) }
        file.append(json)
        file.append(data)
        try file.write(to: URL(fileURLWithPath: path))
    }
}
