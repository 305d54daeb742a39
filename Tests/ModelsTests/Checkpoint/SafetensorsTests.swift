import Models
import Tensor
import TestSupport
import Testing

@Suite("Safetensors files")
struct SafetensorsTests {
    private let folder = TemporaryFolder()
    private static let good = """
        {"__metadata__":{"format":"pt"},"a":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},\
        "b":{"dtype":"BF16","shape":[4],"data_offsets":[24,32]},"c":{"dtype":"I64","shape":[1],"data_offsets":[32,40]},\
        "d":{"dtype":"F32","shape":[0],"data_offsets":[40,40]}}
        """

    @Test("gives shapes, types and absolute ranges")
    func header() throws {
        let file = try SafetensorsFile(path: folder.write("good", safetensors(Self.good, dataByteCount: 40)))
        let start = file.header.dataOffset
        #expect(file.header.metadata == ["format": "pt"])
        #expect(file.header.tensors.map(\.name) == ["a", "b", "c", "d"])
        #expect(file.header.entries["a"]?.dims == [2, 3])
        #expect(file.header.entries["a"]?.range == start..<(start + 24))
        #expect(file.header.entries["b"]?.dtype == .bf16)
        #expect(file.header.entries["c"]?.dtype == nil)
        let tensor = try file.read("b")
        #expect(tensor.dims == [4])
        #expect(tensor.bytes == Array(24..<32))
    }

    @Test("names a tensor that is missing or of an unsupported type only when it is asked for")
    func reading() throws {
        let file = try SafetensorsFile(path: folder.write("good", safetensors(Self.good, dataByteCount: 40)))
        #expect(
            throws: CheckpointError.weights(folder: file.path, problems: ["c has the unsupported element type I64"])
        ) {
            try file.read("c")
        }
        #expect(throws: CheckpointError.self) { try file.read("e") }
    }

    @Test("reads a file with no tensors")
    func empty() throws {
        let file = try SafetensorsFile(path: folder.write("empty", safetensors("{}", dataByteCount: 0)))
        #expect(file.header.entries.isEmpty)
    }

    @Test(
        "rejects headers that lie",
        arguments: [
            ("[]", 0, "does not start with {"),
            (#"{"a":1}"#, 0, "not an object"),
            (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,8]}}"#, 8, "does not fill"),
            (#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#, 4, "of which the file has 4"),
            (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#, 8, "last 4 bytes belong to no tensor"),
            (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#, 8, "4 bytes before it belong to no tensor"),
            (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}"#, 8, "ascending offsets"),
            (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}}"#, 8, "ascending offsets"),
            (#"{"a":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}"#, 4, "other than sizes"),
            (#"{"a":{"dtype":"F32","shape":[1.5],"data_offsets":[0,4]}}"#, 4, "other than sizes"),
            (
                #"{"a":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,0]}}"#, 0, "too large"
            ),
            (
                #"{"a":{"dtype":"F32","shape":[4611686018427387904],"data_offsets":[0,0]}}"#, 0, "does not fill"
            ),
            (
                #"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"#
                    + #""b":{"dtype":"U8","shape":[4],"data_offsets":[2,6]}}"#,
                6, "overlaps"
            ),
            (
                #"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},"#
                    + #""a":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}}"#,
                8, "repeated"
            ),
            (#"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"x":1}}"#, 4, "exactly the keys"),
            (#"{"a":{"dtype":7,"shape":[1],"data_offsets":[0,4]}}"#, 4, "not a short word"),
            (#"{"a":{"dtype":"F32","shape":[1,1,1,1,1,1,1,1,1],"data_offsets":[0,4]}}"#, 4, "at most 8"),
            (#"{"__metadata__":{"a":1}}"#, 0, "other than text"),
        ])
    func lies(json: String, dataByteCount: Int, problem: String) throws {
        let path = folder.write("lie", safetensors(json, dataByteCount: dataByteCount))
        let error = #expect(throws: CheckpointError.self) { try SafetensorsFile(path: path) }
        #expect(error?.description.contains(problem) == true, "\(error?.description ?? "")")
        #expect(error?.description.contains(path) == true)
        #expect(error?.code == "model_header")
    }

    @Test("rejects a header length that the file cannot hold")
    func length() throws {
        for bytes in [[UInt8](repeating: 0xFF, count: 64), [0xFF, 0xFF, 0xFF, 0x04, 0, 0, 0, 0, 0x7B], [1, 2, 3]] {
            #expect(throws: CheckpointError.self) { try SafetensorsFile(path: folder.write("length", bytes)) }
        }
    }

    @Test("rejects a file truncated at any byte")
    func truncated() throws {
        let whole = safetensors(Self.good, dataByteCount: 40)
        for count in 0..<whole.count {
            let path = folder.write("truncated", whole.prefix(count))
            #expect(throws: CheckpointError.self, "\(count) bytes") { try SafetensorsFile(path: path) }
        }
    }

    @Test("mutated headers are read or rejected, never worse")
    func fuzz() throws {
        let seed = Array(Self.good.utf8)
        let words = ["\"F32\"", "[", "]", "{", "}", ",", "-1", "1e9", "99999999999999999999", "null", "\\u0000", "\""]
        var generator = SeededGenerator(seed: 1)
        var accepted = 0
        for _ in 0..<5000 {
            var bytes = seed
            for _ in 0..<Int.random(in: 1...4, using: &generator) {
                let at = Int.random(in: 0..<bytes.count, using: &generator)
                switch Int.random(in: 0..<4, using: &generator) {
                case 0: bytes[at] = UInt8.random(in: 0...255, using: &generator)
                case 1: bytes.remove(at: at)
                case 2: bytes.insert(contentsOf: Array((words.randomElement(using: &generator) ?? "").utf8), at: at)
                default:
                    let other = UInt8.random(in: 32...126, using: &generator)
                    bytes.replaceSubrange(at..<min(bytes.count, at + 9), with: [other])
                }
            }
            do throws(CheckpointError) {
                let fileByteCount = 8 + bytes.count + 40
                let header = try SafetensorsHeader(json: bytes, fileByteCount: fileByteCount, path: "fuzz")
                accepted += 1
                let isInside = header.entries.values.allSatisfy {
                    $0.range.lowerBound >= 8 + bytes.count && $0.range.upperBound <= fileByteCount
                }
                #expect(isInside)
            } catch {
                #expect(error.code == "model_header")
            }
        }
        #expect(accepted > 0 && accepted < 5000)
    }

    @Test("random bytes are rejected")
    func noise() throws {
        var generator = SeededGenerator(seed: 2)
        for _ in 0..<2000 {
            let count = Int.random(in: 0..<64, using: &generator)
            let bytes = (0..<count).map { _ in UInt8.random(in: 0...255, using: &generator) }
            #expect(throws: CheckpointError.self) {
                try SafetensorsHeader(json: bytes, fileByteCount: 8 + count, path: "noise")
            }
        }
    }
}
