import Foundation
import Program
import Sharding

/// What is wrong with a case, or with the file of cases.
struct CaseError: Error, CustomStringConvertible {
    let description: String
    init(_ description: String) { self.description = description }
}

/// Propagation cases with what XLA's partitioners made of them: `Tests/Fixtures/xla/cases.json`, or the oracle's own file.
///
/// Fields that the suite does not need are ignored.
struct CaseFile: Decodable {
    var cases: [Case]

    static let byteCountMax = 256 << 20
    static let caseCountMax = 100_000

    /// Reads a file.
    init(path: String) throws {
        let size = try FileManager.default.attributesOfItem(atPath: path)[.size] as? Int ?? 0
        guard size <= Self.byteCountMax else { throw CaseError("\(path) has \(size) bytes, too many for cases") }
        let data = try Data(contentsOf: URL(fileURLWithPath: path))
        self = try JSONDecoder().decode(CaseFile.self, from: data.replacingNonNumbers())
        guard cases.count <= Self.caseCountMax else { throw CaseError("\(path) has \(cases.count) cases") }
        for item in cases { try item.check() }
    }
}

/// One small graph with annotations on some of its values.
struct Case: Decodable {
    var name: String
    var mesh: [MeshAxis]
    var graph: Graph
    /// By input; an input that is missing is open.
    var annotations: [String: [DimAnnotation]]
    var bar: Bar?
    /// Relative speeds of the devices; equal unless given.
    var speeds: [Double]?
    /// The one order of sums to try; both unless given.
    var order: ReductionOrder?
    /// Reductions up to so many bytes are made in one round; none unless given.
    var oneShotByteCount: Int?
    /// True where devices take from the caller whatever they read.
    var isInputAnywhere: Bool?

    init(name: String, mesh: [MeshAxis], graph: Graph, annotations: [String: [DimAnnotation]], bar: Bar?) {
        self.name = name
        self.mesh = mesh
        self.graph = graph
        self.annotations = annotations
        self.bar = bar
    }

    enum CodingKeys: CodingKey { case name, mesh, graph, annotations, bar, speeds }

    /// `["x", 2]`.
    struct MeshAxis: Decodable {
        var name: String
        var size: Int

        init(_ name: String, _ size: Int) {
            self.name = name
            self.size = size
        }

        init(from decoder: any Decoder) throws {
            var list = try decoder.unkeyedContainer()
            name = try list.decode(String.self)
            size = try list.decode(Int.self)
        }
    }

    /// Bytes that one device sends under the better of XLA's partitioners; nil where both got the numbers wrong.
    struct Bar: Decodable {
        var ringBytes: Double?
        enum CodingKeys: String, CodingKey { case ringBytes = "ring_bytes" }
    }

    struct Graph: Decodable {
        var inputs: [Input]
        var nodes: [Node]
        var outputs: [String]
    }

    struct Input: Decodable {
        var id: String
        var shape: [Int]
        var dtype: String
        /// 1 in every dimension unless given.
        var granules: [Int]?
    }

    struct Node: Decodable {
        var id: String
        var op: String
        var operands: [String]
        var attributes: NodeAttributes
        var shape: [Int]
        var dtype: String

        init(id: String, op: String, operands: [String], attributes: NodeAttributes, shape: [Int], dtype: String) {
            self.id = id
            self.op = op
            self.operands = operands
            self.attributes = attributes
            self.shape = shape
            self.dtype = dtype
        }

        enum CodingKeys: String, CodingKey {
            case id, op
            case operands = "in"
            case attributes = "attrs"
            case shape, dtype
        }
    }
}

/// How the annotation of one dimension reads.
enum DimAnnotation: Decodable, Hashable {
    /// `"?"`: left to the compiler.
    case open
    /// Mesh axes, major to minor; none: not split, and closed.
    case axes([String])

    init(from decoder: any Decoder) throws {
        let value = try decoder.singleValueContainer()
        if let word = try? value.decode(String.self) {
            self = word == "?" ? .open : .axes([word])
        } else if value.decodeNil() {
            self = .axes([])
        } else {
            self = .axes(try value.decode([String].self))
        }
    }
}

/// Attributes of all operations; each reads its own.
struct NodeAttributes: Decodable {
    var value: Double?
    var dtype: String?
    var kind: String?
    /// Of a constraint in a recipe's graph.
    var name: String?
    var direction: String?
    var dim: Int?
    var axis: Int?
    var groups: Int?
    var k: Int?
    var shape: [Int]?
    var dims: [Int]?
    var permutation: [Int]?
    var start: [Int]?
    var limit: [Int]?
    var strides: [Int]?
    var low: [Int]?
    var high: [Int]?
    var sizes: [Int]?
    var window: [Int]?
    var padding: [[Int]]?
    /// Of a reshape's result.
    var granules: [Int]?
    var lhsContract: [Int]?
    var rhsContract: [Int]?
    var lhsBatch: [Int]?
    var rhsBatch: [Int]?
    var sharding: [DimAnnotation]?

    enum CodingKeys: String, CodingKey {
        case value, dtype, kind, name
        case direction = "dir"
        case dim, axis, groups, k, shape, dims
        case permutation = "perm"
        case start, limit, strides, low, high, sizes, window, padding, granules
        case lhsContract = "lhs_contract"
        case rhsContract = "rhs_contract"
        case lhsBatch = "lhs_batch"
        case rhsBatch = "rhs_batch"
        case sharding
    }

    /// None.
    init() {}

    init(from decoder: any Decoder) throws {
        let values = try decoder.container(keyedBy: CodingKeys.self)
        if let truth = try? values.decode(Bool.self, forKey: .value) {
            value = truth ? 1 : 0
        } else {
            value = try values.decodeIfPresent(Double.self, forKey: .value)
        }
        dtype = try values.decodeIfPresent(String.self, forKey: .dtype)
        kind = try values.decodeIfPresent(String.self, forKey: .kind)
        name = try values.decodeIfPresent(String.self, forKey: .name)
        direction = try values.decodeIfPresent(String.self, forKey: .direction)
        dim = try values.decodeIfPresent(Int.self, forKey: .dim)
        axis = try values.decodeIfPresent(Int.self, forKey: .axis)
        groups = try values.decodeIfPresent(Int.self, forKey: .groups)
        k = try values.decodeIfPresent(Int.self, forKey: .k)
        shape = try values.decodeIfPresent([Int].self, forKey: .shape)
        if let one = try? values.decode(Int.self, forKey: .dims) {
            dims = [one]
        } else {
            dims = try values.decodeIfPresent([Int].self, forKey: .dims)
        }
        permutation = try values.decodeIfPresent([Int].self, forKey: .permutation)
        start = try values.decodeIfPresent([Int].self, forKey: .start)
        limit = try values.decodeIfPresent([Int].self, forKey: .limit)
        strides = try values.decodeIfPresent([Int].self, forKey: .strides)
        low = try values.decodeIfPresent([Int].self, forKey: .low)
        high = try values.decodeIfPresent([Int].self, forKey: .high)
        sizes = try values.decodeIfPresent([Int].self, forKey: .sizes)
        window = try values.decodeIfPresent([Int].self, forKey: .window)
        padding = try values.decodeIfPresent([[Int]].self, forKey: .padding)
        granules = try values.decodeIfPresent([Int].self, forKey: .granules)
        lhsContract = try values.decodeIfPresent([Int].self, forKey: .lhsContract)
        rhsContract = try values.decodeIfPresent([Int].self, forKey: .rhsContract)
        lhsBatch = try values.decodeIfPresent([Int].self, forKey: .lhsBatch)
        rhsBatch = try values.decodeIfPresent([Int].self, forKey: .rhsBatch)
        sharding = try values.decodeIfPresent([DimAnnotation].self, forKey: .sharding)
    }
}

extension Case {
    static let deviceCountMax = 64
    static let nodeCountMax = 100_000
    static let rankMax = 12
    static let elementCountMax = 1 << 34

    /// Bounds what a file may ask for.
    func check() throws {
        func need(_ condition: Bool, _ what: String) throws {
            if !condition { throw CaseError("case \(name): \(what)") }
        }
        try need(mesh.allSatisfy { (1...Self.deviceCountMax).contains($0.size) }, "a mesh axis is empty or too long")
        try need(deviceCount <= Self.deviceCountMax, "more than \(Self.deviceCountMax) devices")
        try need(Set(mesh.map(\.name)).count == mesh.count, "two mesh axes have one name")
        try need(
            speeds.map { $0.count == deviceCount && $0.allSatisfy { $0 > 0 && $0.isFinite } } ?? true,
            "there is no speed above 0 for every device")
        for input in graph.inputs {
            let fits = input.granules.map { $0.count == input.shape.count && $0.allSatisfy { $0 >= 1 } }
            try need(fits ?? true, "\(input.id) has impossible granules")
        }
        try need(graph.nodes.count <= Self.nodeCountMax, "too many nodes")
        for (id, shape) in graph.inputs.map({ ($0.id, $0.shape) }) + graph.nodes.map({ ($0.id, $0.shape) }) {
            try need(shape.count <= Self.rankMax && shape.allSatisfy { $0 >= 0 }, "\(id) has an impossible shape")
            let count = shape.reduce(1.0) { $0 * Double($1) }
            try need(count <= Double(Self.elementCountMax), "\(id) is too large")
        }
        let shapes = Dictionary(graph.inputs.map { ($0.id, $0.shape) }) { first, _ in first }
        for (id, dims) in annotations {
            try need(shapes[id]?.count == dims.count, "the annotation of \(id) does not fit an input")
        }
    }

    /// The devices that it is compiled for.
    var devices: Mesh { Mesh(mesh.map { .init($0.name, $0.size) }, speeds: speeds) }

    var deviceCount: Int { mesh.reduce(1) { min(1 << 20, $0 * $1.size) } }
}

extension Data {
    /// Python writes NaN and Infinity, which JSON does not know: outside strings they become numbers.
    func replacingNonNumbers() -> Data {
        let words: [(word: [UInt8], number: [UInt8])] = [
            (Array("NaN".utf8), Array("0".utf8)), (Array("Infinity".utf8), Array("3.4028234663852886e38".utf8)),
        ]
        guard words.contains(where: { range(of: Data($0.word)) != nil }) else { return self }
        let bytes = [UInt8](self)
        var result: [UInt8] = []
        result.reserveCapacity(bytes.count)
        var isInString = false
        var index = 0
        while index < bytes.count {
            let byte = bytes[index]
            if isInString, byte == UInt8(ascii: "\\"), index + 1 < bytes.count {
                result += bytes[index...(index + 1)]
                index += 2
                continue
            }
            if byte == UInt8(ascii: "\"") { isInString.toggle() }
            if !isInString, let found = words.first(where: { bytes[index...].starts(with: $0.word) }) {
                result += found.number
                index += found.word.count
                continue
            }
            result.append(byte)
            index += 1
        }
        return Data(result)
    }
}
