import Foundation
import Models
import Tensor

/// A folder with a model and what the reference implementation computes with it.
struct ReferenceFixture: Sendable, CustomStringConvertible {
    let url: URL
    let expected: SafetensorsFile
    let info: Info

    var description: String { url.lastPathComponent }
    /// Folder of the model: the fixture's own, or one that it names, from the project's root.
    var path: String { info.checkpoint.map { Self.root.appendingPathComponent($0).path } ?? url.path }

    private static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    struct Info: Decodable, Sendable {
        var checkpoint: String?
        var prompts: [String]
        var trajectories: [String: Trajectory]
    }

    struct Trajectory: Decodable, Sendable {
        var prompt: String?
        var negative_prompt: String?
        var height: Int?
        var width: Int?
        var guidance_scale: Float
        var steps: Int?
        var num_inference_steps: Int?
        var strength: Double?
        var temperature: Temperature
        var timesteps: [Int]
        var micro_conditioning_aesthetic_score: Float?
        var micro_conditioning_crop_coord: [Int]?
    }

    /// `[from, to]`, or one number (which then falls to 0.01).
    enum Temperature: Decodable, Sendable {
        case scalar(Float)
        case range(Float, Float)

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let pair = try? container.decode([Float].self), pair.count == 2 {
                self = .range(pair[0], pair[1])
            } else {
                self = .scalar(try container.decode(Float.self))
            }
        }
    }

    /// Folders below Tests/Fixtures whose names start with `amused` or `trained`, or those in the folder that `TESSERA_FIXTURES` names.
    static let all: [ReferenceFixture] = {
        let folder =
            ProcessInfo.processInfo.environment["TESSERA_FIXTURES"].map { URL(fileURLWithPath: $0) }
            ?? root.appendingPathComponent("Tests/Fixtures")
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
        return names.filter { $0.hasPrefix("amused") || $0.hasPrefix("trained") }.sorted().compactMap {
            try? ReferenceFixture(folder.appendingPathComponent($0))
        }
    }()

    init(_ url: URL) throws {
        self.url = url
        expected = try SafetensorsFile(path: url.appendingPathComponent("expected.safetensors").path)
        let data = try Data(contentsOf: url.appendingPathComponent("info.json"))
        info = try JSONDecoder().decode(Info.self, from: data)
    }

    func tensor(_ name: String) throws -> HostTensor { try expected.read(name) }
    func has(_ name: String) -> Bool { expected.header.entries[name] != nil }

    /// A picture or feature map [B, C, Y, X] as [B, Y, X, C].
    func channelsLast(_ name: String) throws -> HostTensor {
        let source = try tensor(name)
        let (b, c, y, x) = (source.dims[0], source.dims[1], source.dims[2], source.dims[3])
        let size = source.dtype.byteCount
        var bytes = [UInt8](repeating: 0, count: source.bytes.count)
        for image in 0..<b {
            for channel in 0..<c {
                for pixel in 0..<(y * x) {
                    let from = ((image * c + channel) * y * x + pixel) * size
                    let to = ((image * y * x + pixel) * c + channel) * size
                    for byte in 0..<size { bytes[to + byte] = source.bytes[from + byte] }
                }
            }
        }
        return HostTensor(dtype: source.dtype, dims: [b, y, x, c], bytes: bytes)
    }
}

/// Counts checks and keeps the largest error of one fixture on one mesh.
final class ParityScore {
    private(set) var checks = 0
    private(set) var largest: Float = 0
    private(set) var failures: [String] = []

    /// max|got - expected| / max|expected| over a whole tensor, against a tolerance.
    func compare(_ name: String, _ got: HostTensor?, _ expected: HostTensor, tolerance: Float) {
        checks += 1
        guard let got, got.elementCount == expected.elementCount else {
            failures.append("\(name): shape \(got?.dims ?? []) instead of \(expected.dims)")
            return
        }
        let (a, b) = (got.floats, expected.floats)
        var difference: Float = 0
        var scale: Float = 0
        for index in a.indices {
            let distance = abs(a[index] - b[index])
            difference = distance.isNaN ? .infinity : max(difference, distance)
            scale = max(scale, abs(b[index]))
        }
        let error = difference / max(scale, .leastNormalMagnitude)
        largest = max(largest, error)
        if !(error <= tolerance) { failures.append("\(name): relative error \(error), allowed \(tolerance)") }
    }

    /// Ids, counts and masks: exactly equal.
    func exact(_ name: String, _ got: [Int32], _ expected: [Int32]) {
        checks += 1
        let wrong = zip(got, expected).count { $0 != $1 } + abs(got.count - expected.count)
        if wrong > 0 { failures.append("\(name): \(wrong) of \(expected.count) differ") }
    }

    /// 8-bit pictures: at most one level anywhere.
    func pixels(_ name: String, _ got: [UInt8], _ expected: [UInt8]) {
        checks += 1
        let most = zip(got, expected).map { abs(Int($0) - Int($1)) }.max() ?? 0
        if most > 1 || got.count != expected.count { failures.append("\(name): off by \(most) levels") }
    }
}
