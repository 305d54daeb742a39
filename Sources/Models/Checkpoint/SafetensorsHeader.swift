public import Tensor

/// The table of contents of a safetensors file: 8 bytes of little-endian header length, a JSON header, then the data.
public struct SafetensorsHeader: Sendable, Hashable {
    /// One tensor.
    public struct Entry: Sendable, Hashable {
        /// Element type as the file names it ("F32", "BF16" …).
        public let typeName: String
        /// Sizes, outermost first.
        public let dims: [Int]
        /// Absolute byte range in the file.
        public let range: Range<Int>

        /// The element type, where it is one that is known here.
        public var dtype: DType? { SafetensorsHeader.dtypes[typeName] }
    }

    /// The format's own limit on the JSON header.
    static let byteCountMax = 100_000_000
    private static let rankMax = 8
    private static let entriesMax = 1 << 20
    private static let dtypes: [String: DType] = [
        "BF16": .bf16, "BOOL": .u8, "F16": .f16, "F32": .f32, "I32": .i32, "U8": .u8,
    ]
    private static let bitCounts: [String: Int] = [
        "BF16": 16, "BOOL": 8, "C64": 64, "F16": 16, "F32": 32, "F64": 64, "F8_E4M3": 8, "F8_E5M2": 8, "F8_E8M0": 8,
        "I16": 16, "I32": 32, "I64": 64, "I8": 8, "U16": 16, "U32": 32, "U64": 64, "U8": 8,
    ]

    /// Tensors by name.
    public let entries: [String: Entry]
    /// Free text of the writer.
    public let metadata: [String: String]
    /// Where the data starts.
    public let dataOffset: Int

    /// Tensors with their names, in the order of their data.
    public var tensors: [(name: String, entry: Entry)] {
        entries.map { (name: $0.key, entry: $0.value) }.sorted {
            ($0.entry.range.lowerBound, $0.name) < ($1.entry.range.lowerBound, $1.name)
        }
    }

    /// Length of the JSON header, from the first 8 bytes.
    ///
    /// Throws ``CheckpointError/header(path:tensor:problem:)`` where it cannot be true.
    static func jsonByteCount(prefix: [UInt8], fileByteCount: Int, path: String) throws(CheckpointError) -> Int {
        guard prefix.count == 8 else {
            throw .header(path: path, tensor: nil, problem: "it has fewer than 8 bytes")
        }
        let length = prefix.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        guard length <= UInt64(byteCountMax) else {
            throw .header(
                path: path, tensor: nil, problem: "its header claims \(length) bytes, more than the format allows")
        }
        guard Int(length) <= fileByteCount - 8 else {
            throw .header(
                path: path, tensor: nil, problem: "its header claims \(length) bytes but the file has \(fileByteCount)")
        }
        return Int(length)
    }

    /// Parses and checks the JSON header of a file of `fileByteCount` bytes.
    ///
    /// Every tensor's byte range must match its shape and type, and the ranges must cover the data exactly, without
    /// overlap or hole, as the format demands. Throws ``CheckpointError/header(path:tensor:problem:)``.
    public init(json: [UInt8], fileByteCount: Int, path: String) throws(CheckpointError) {
        guard json.first == UInt8(ascii: "{") else {
            throw .header(path: path, tensor: nil, problem: "its header does not start with {")
        }
        let document: JSONValue
        do {
            document = try JSONParser.parse(json)
        } catch {
            throw .header(path: path, tensor: nil, problem: error.description)
        }
        guard var members = document.object, members.count <= Self.entriesMax else {
            throw .header(path: path, tensor: nil, problem: "its header is not an object of at most 2^20 tensors")
        }
        dataOffset = 8 + json.count
        metadata = try Self.metadata(members.removeValue(forKey: "__metadata__"), path)
        var entries: [String: Entry] = [:]
        // In the order of their names, so that of several problems always the same one is reported.
        for (name, value) in members.sorted(by: { $0.key < $1.key }) {
            do {
                entries[name] = try Self.entry(value, dataOffset: dataOffset, fileByteCount: fileByteCount)
            } catch {
                throw .header(path: path, tensor: Self.brief(name), problem: error.text)
            }
        }
        self.entries = entries
        try Self.checkCoverage(entries, dataOffset: dataOffset, fileByteCount: fileByteCount, path: path)
    }

    private struct Problem: Error {
        let text: String
    }

    /// A name that is fit for a message.
    private static func brief(_ name: String) -> String { name.count <= 160 ? name : name.prefix(160) + "…" }

    private static func metadata(_ value: JSONValue?, _ path: String) throws(CheckpointError) -> [String: String] {
        guard let value else { return [:] }
        guard let members = value.object else {
            throw .header(path: path, tensor: nil, problem: "__metadata__ is not an object")
        }
        var result: [String: String] = [:]
        for (key, value) in members {
            guard let text = value.string else {
                throw .header(path: path, tensor: nil, problem: "__metadata__ holds something other than text")
            }
            result[key] = text
        }
        return result
    }

    private static func entry(
        _ value: JSONValue, dataOffset: Int, fileByteCount: Int
    ) throws(Problem) -> Entry {
        guard let members = value.object else { throw Problem(text: "its entry is not an object") }
        guard Set(members.keys) == ["dtype", "shape", "data_offsets"] else {
            throw Problem(text: "its entry does not have exactly the keys dtype, shape and data_offsets")
        }
        guard let typeName = members["dtype"]?.string, typeName.utf8.count <= 16 else {
            throw Problem(text: "its dtype is not a short word")
        }
        guard let shape = members["shape"]?.array, shape.count <= rankMax else {
            throw Problem(text: "its shape is not a list of at most \(rankMax) sizes")
        }
        var dims: [Int] = []
        var count = 1
        for size in shape {
            guard let size = size.int, size >= 0 else {
                throw Problem(text: "its shape holds something other than sizes")
            }
            let (product, overflow) = count.multipliedReportingOverflow(by: size)
            guard !overflow else { throw Problem(text: "its shape is too large") }
            count = product
            dims.append(size)
        }
        guard let offsets = members["data_offsets"]?.array, offsets.count == 2, let begin = offsets[0].int,
            let end = offsets[1].int, begin >= 0, end >= begin
        else { throw Problem(text: "its data_offsets are not two ascending offsets") }
        guard end <= fileByteCount - dataOffset else {
            throw Problem(
                text:
                    "it ends at byte \(end) of the data, of which the file has \(fileByteCount - dataOffset): the file is "
                    + "cut off, copy it again")
        }
        if let bitCount = bitCounts[typeName] {
            let (bits, overflow) = count.multipliedReportingOverflow(by: bitCount)
            guard !overflow, bits % 8 == 0, bits / 8 == end - begin else {
                throw Problem(text: "its shape \(dims) of \(typeName) does not fill its \(end - begin) bytes")
            }
        }
        return Entry(typeName: typeName, dims: dims, range: (dataOffset + begin)..<(dataOffset + end))
    }

    private static func checkCoverage(
        _ entries: [String: Entry], dataOffset: Int, fileByteCount: Int, path: String
    ) throws(CheckpointError) {
        var end = dataOffset
        let ordered = entries.sorted {
            ($0.value.range.lowerBound, $0.value.range.upperBound, $0.key)
                < ($1.value.range.lowerBound, $1.value.range.upperBound, $1.key)
        }
        for (name, entry) in ordered {
            guard entry.range.lowerBound >= end else {
                throw .header(path: path, tensor: brief(name), problem: "it overlaps the tensor before it")
            }
            guard entry.range.lowerBound == end else {
                let hole = entry.range.lowerBound - end
                throw .header(path: path, tensor: brief(name), problem: "\(hole) bytes before it belong to no tensor")
            }
            end = entry.range.upperBound
        }
        guard end == fileByteCount else {
            throw .header(
                path: path, tensor: nil, problem: "its last \(fileByteCount - end) bytes belong to no tensor")
        }
    }
}
