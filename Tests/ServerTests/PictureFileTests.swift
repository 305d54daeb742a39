import Coordinator
import Foundation
import Program
import Server
import Tensor
import Testing

@Suite struct PictureFileTests {
    /// A model of which only the sizes are asked.
    struct Sizes: ImageModel {
        var textLength = 4
        var pixelsPerToken = 4
        var sizeMultiple = 4
        var tokenLimit = 64
        var codebookSize = 8
        var maskToken: Int32 = 9
        var defaults = GenerationDefaults(width: 8, height: 12)
        func encode(prompt: String) -> EncodedPrompt { EncodedPrompt(ids: [0, 0, 0, 0], eosIndex: 0, cutCount: 0) }
        func program(_ role: ProgramRole, shape: GenerationShape) throws -> Program { Program(name: "none") }
    }

    private let rgb = HostTensor(dtype: .u8, dims: [12, 8, 3], bytes: [UInt8](repeating: 77, count: 288))

    private func makeRecord(_ change: (inout GenerationRequest) -> Void = { _ in }) throws -> ReproducibilityRecord {
        var request = GenerationRequest(prompt: "a fox, 树懒", seed: .max)
        request.negativePrompt = "blurry"
        change(&request)
        let plan = try GenerationPlan(request, for: Sizes())
        let picture = GeneratedPicture(
            index: 0, prompt: request.prompts[0], tokens: HostTensor([Int32](), dims: [0]), pixels: rgb, unclipped: nil)
        return ReproducibilityRecord(
            plan: plan, picture: picture,
            environment: .init(
                version: "0.1.0", model: "amused-tiny", modelHash: "0123456789abcdef", dtype: "bf16",
                instructionSet: "avx512", mesh: "guidance=2,model=2"))
    }

    private func scratch() throws -> URL {
        let url = FileManager.default.temporaryDirectory.appendingPathComponent("tessera-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        return url
    }

    @Test("a written picture holds its record, and nothing else stays in the folder")
    func write() throws {
        let folder = try scratch()
        let path = folder.appendingPathComponent("out.png").path
        let record = try makeRecord()
        try PictureFile.write(rgb, record: record, to: path)
        try PictureFile.write(rgb, record: record, to: path)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["out.png"])
        let png = try PictureFile.read(path)
        #expect(png.pixels == rgb)
        #expect(try ReproducibilityRecord.read(from: png) == record)
        #expect(
            png.text("parameters") == """
                a fox, 树懒
                Negative prompt: blurry
                Steps: 12, Sampler: cosine, CFG scale: 10.0, Seed: 18446744073709551615, Size: 8x12, \
                Model hash: 0123456789, Model: amused-tiny, Temperature: 2.0 to 0.0, Picture: 0, Version: Tessera 0.1.0
                """)
        try FileManager.default.removeItem(at: folder)
    }

    @Test("a record keeps all settings, also odd ones")
    func record() throws {
        let record = try makeRecord {
            $0.prompts = ["zero \0 and \"quotes\"\n"]
            $0.guidanceScale = 1
            $0.steps = 3
            $0.editing = .variation(image: rgb, strength: 0.7)
        }
        #expect(record.negativePrompt == nil)
        #expect((record.steps, record.startStep, record.editing) == (3, 1, "variation"))
        let png = try PNGFile.decode(PNGFile.encode(rgb, texts: record.texts))
        #expect(try ReproducibilityRecord.read(from: png) == record)
        #expect(try ReproducibilityRecord.read(from: PNGFile.decode(PNGFile.encode(rgb))) == nil)
        let foreign = try PNGFile.decode(PNGFile.encode(rgb, texts: [.init(keyword: "tessera", value: "{}")]))
        #expect(throws: DecodingError.self) { try ReproducibilityRecord.read(from: foreign) }
    }

    @Test("places that cannot be written are named, and nothing is left behind")
    func unwritable() throws {
        let folder = try scratch()
        let missing = folder.appendingPathComponent("no/such/out.png").path
        #expect(throws: PictureFileError.folderMissing(folder: folder.appendingPathComponent("no/such").path)) {
            try PictureFile.write([1], to: missing)
        }
        #expect(throws: PictureFileError.isFolder(path: folder.path)) { try PictureFile.write([1], to: folder.path) }
        try PictureFile.write([1], to: folder.appendingPathComponent("file").path)
        let below = folder.appendingPathComponent("file/out.png").path
        #expect(throws: PictureFileError.folderMissing(folder: folder.appendingPathComponent("file").path)) {
            try PictureFile.write([1], to: below)
        }
        // The temporary file's name is too long for the system.
        let long = folder.appendingPathComponent(String(repeating: "n", count: 250)).path
        let error = #expect(throws: PictureFileError.self) { try PictureFile.write([1], to: long) }
        #expect(error.map { "\($0)".contains("cannot be written") } ?? false)
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["file"])
        try FileManager.default.removeItem(at: folder)
    }

    @Test("files that are no pictures are named")
    func unreadable() throws {
        let folder = try scratch()
        let path = folder.appendingPathComponent("in.png").path
        #expect(throws: PictureFileError.unreadable(path: path, reason: "there is no such file")) {
            try PictureFile.read(path)
        }
        #expect(throws: PictureFileError.isFolder(path: folder.path)) { try PictureFile.read(folder.path) }
        try PictureFile.write(Array("no picture".utf8), to: path)
        #expect(throws: PictureFileError.picture(path: path, problem: .unknownFormat)) { try PictureFile.read(path) }
        try FileManager.default.removeItem(at: folder)
    }
}
