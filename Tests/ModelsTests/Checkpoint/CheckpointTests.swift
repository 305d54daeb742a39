import Models
import Program
import Tensor
import Testing

@Suite("Checkpoints")
struct CheckpointTests {
    private let folder = TemporaryFolder()
    private static let one = #"{"layer.weight":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#
    private static let half = #"{"layer.weight":{"dtype":"F16","shape":[2],"data_offsets":[0,4]}}"#

    private func spec(_ tensor: String, _ dims: [Int]) -> ParameterSpec {
        ParameterSpec(name: "unet.\(tensor)", part: "unet", tensor: tensor, fileDims: dims)
    }

    private func open(_ variant: WeightVariant = .full) throws -> Checkpoint {
        try Checkpoint(folder: folder.path, parts: ["unet"], variant: variant)
    }

    @Test("prefers full precision, unless asked, and takes what there is")
    func variants() throws {
        folder.write("unet/model.fp16.safetensors", safetensors(Self.half, dataByteCount: 4))
        #expect(try open().parts["unet"]?.tensors["layer.weight"]?.entry.dtype == .f16)
        folder.write("unet/model.safetensors", safetensors(Self.one, dataByteCount: 8))
        #expect(try open().parts["unet"]?.tensors["layer.weight"]?.entry.dtype == .f32)
        #expect(try open(.half).parts["unet"]?.tensors["layer.weight"]?.entry.dtype == .f16)
    }

    @Test("says where a weight lies")
    func source() throws {
        let path = folder.write("unet/model.safetensors", safetensors(Self.one, dataByteCount: 8))
        let source = try open().source(of: spec("layer.weight", [2]))
        #expect(source == .file(path: path, offset: 8 + Self.one.utf8.count, dtype: .f32))
    }

    @Test("reports everything that is wrong with the weights at once, with the nearest names")
    func problems() throws {
        let json = """
            {"layer.weight":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},\
            "ids":{"dtype":"I64","shape":[1],"data_offsets":[8,16]}}
            """
        folder.write("unet/model.safetensors", safetensors(json, dataByteCount: 16))
        let error = #expect(throws: CheckpointError.self) {
            try open().sources(of: [spec("layer.weigth", [2]), spec("layer.weight", [3]), spec("ids", [1])])
        }
        let text = error?.description ?? ""
        #expect(text.contains("no tensor layer.weigth (did you mean layer.weight?)"))
        #expect(text.contains("layer.weight has shape [2], not [3]"))
        #expect(text.contains("ids has the element type I64; F32, F16 and BF16 are supported"))
    }

    @Test("follows an index of shards, and distrusts it")
    func shards() throws {
        folder.write("unet/a.safetensors", safetensors(Self.one, dataByteCount: 8))
        let index = "unet/diffusion_pytorch_model.safetensors.index.json"
        folder.write(index, Array(#"{"weight_map":{"layer.weight":"a.safetensors"}}"#.utf8))
        #expect(try open().parts["unet"]?.tensors.count == 1)
        for bad in [
            #"{"weight_map":{"layer.weight":"../a.safetensors"}}"#, #"{"weight_map":{"other":"a.safetensors"}}"#,
            #"{"weight_map":{"layer.weight":"b.safetensors"}}"#, #"{"weight_map":{"layer.weight":1}}"#, "{}", "[]", "{",
        ] {
            folder.write(index, Array(bad.utf8))
            #expect(throws: CheckpointError.self, "\(bad)") { try open() }
        }
    }

    @Test("names what is missing")
    func missing() throws {
        let noFolder = #expect(throws: CheckpointError.self) {
            try Checkpoint(folder: folder.path + "/nowhere", parts: ["unet"])
        }
        #expect(noFolder?.description.contains("nowhere") == true)
        #expect(throws: CheckpointError.self) { try open() }
        folder.write("unet/readme", [])
        let noFile = #expect(throws: CheckpointError.self) { try open() }
        #expect(noFile?.description.contains("diffusion_pytorch_model.safetensors") == true)
    }

    @Test("identity depends on texts, headers and data, not on the folder")
    func identity() throws {
        folder.write("unet/model.safetensors", safetensors(Self.one, dataByteCount: 8))
        folder.write("config.json", [1])
        let first = try open().identity(textFiles: ["config.json", "absent.json"])
        #expect(first.count == 64)
        let other = TemporaryFolder()
        other.copy(from: folder.path)
        let copied = try Checkpoint(folder: other.path, parts: ["unet"]).identity(textFiles: ["config.json"])
        #expect(copied == first)
        folder.write("config.json", [2])
        #expect(try open().identity(textFiles: ["config.json"]) != first)
        folder.write("config.json", [1])
        var bytes = safetensors(Self.one, dataByteCount: 8)
        bytes[bytes.count - 1] ^= 1
        folder.write("unet/model.safetensors", bytes)
        #expect(try open().identity(textFiles: ["config.json"]) != first)
    }

    @Test("identity samples the first and last byte of a large file")
    func samples() throws {
        let count = 200_000
        let json = #"{"w":{"dtype":"U8","shape":[200000],"data_offsets":[0,200000]}}"#
        var bytes = safetensors(json, dataByteCount: count)
        folder.write("unet/model.safetensors", bytes)
        let first = try open().identity(textFiles: [])
        for place in [bytes.count - count, bytes.count - 1] {
            bytes[place] ^= 1
            folder.write("unet/model.safetensors", bytes)
            #expect(try open().identity(textFiles: []) != first)
            bytes[place] ^= 1
        }
    }
}
