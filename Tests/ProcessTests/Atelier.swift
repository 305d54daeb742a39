import Foundation
import Server
import Tensor
import Testing

/// A folder in which cluster files and pictures of one test lie.
final class Atelier {
    /// A model of the tests.
    enum Model: String, CaseIterable, CustomTestStringConvertible {
        /// The preset with generated weights.
        case preset = "amused-tiny"
        /// A checkpoint, whose transformer halves the token grid.
        case checkpoint = "amused_tiny512"

        /// The `model` line of a cluster file.
        var line: String {
            switch self {
            case .preset: "model: {preset: amused-tiny}"
            case .checkpoint: "model: {path: \(CommandLineTool.root.path)/Tests/Fixtures/amused_tiny512}"
            }
        }
        var testDescription: String { rawValue }
    }

    let folder = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
    private var count = 0

    init() throws { try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true) }

    deinit {
        do {
            try FileManager.default.removeItem(at: folder)
        } catch {
            Issue.record("the test's folder cannot be removed: \(error)")
        }
    }

    /// A path in the folder.
    func path(_ name: String) -> String { folder.appending(path: name).path }

    /// Writes a cluster file; a port of its own unless it names one.
    func cluster(_ text: String) throws -> String {
        count += 1
        let path = path("cluster-\(count).yaml")
        let control = text.contains("control:") ? "" : "\ncontrol: {port: 0}\n"
        try Data((text + control).utf8).write(to: URL(filePath: path))
        return path
    }

    /// Makes pictures with a cluster of their own and returns the files.
    func pictures(
        _ model: Model, mesh: String = "", workers: Int = 1, count: Int = 1, prompt: String = "a red fox",
        arguments: [String] = []
    ) throws -> [Data] {
        self.count += 1
        let output = path("picture-\(self.count).png")
        let file = try cluster("\(model.line)\n\(mesh)\n")
        var order = ["generate", prompt, "-c", file, "--seed", "7", "--steps", "3", "-n", "\(count)", "-o", output]
        // Smaller than the preset's own pictures, and not square.
        if model == .preset && !arguments.contains("--image") { order += ["--size", "192x128"] }
        let outcome = try ObservedCommand.run(order + arguments)
        try #require(outcome.code == 0, "\(outcome.errors)")
        let noun = workers == 1 ? "worker" : "workers"
        #expect(outcome.errors.hasPrefix("starting \(workers) \(noun) for this call\n"), "\(outcome.errors)")
        let paths = outcome.output.split(separator: "\n").map(String.init)
        #expect(paths.count == count)
        return try paths.map { try Data(contentsOf: URL(filePath: $0)) }
    }

    /// Writes a picture of one colour where `isWhite` holds and of another elsewhere.
    func mask(_ name: String, width: Int, height: Int, isWhite: (_ x: Int, _ y: Int) -> Bool) throws -> String {
        let bytes = (0..<height).flatMap { y in
            (0..<width).flatMap { x in [UInt8](repeating: isWhite(x, y) ? 255 : 0, count: 3) }
        }
        let file = try PNGFile.encode(HostTensor(dtype: .u8, dims: [height, width, 3], bytes: bytes))
        try Data(file).write(to: URL(filePath: path(name)))
        return path(name)
    }
}

/// Pixels u8[H, W, 3] of a PNG.
func pixels(_ png: Data) throws -> HostTensor { try PNGFile.decode(Array(png)).rgb }
