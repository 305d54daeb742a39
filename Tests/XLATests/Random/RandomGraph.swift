import Sharding

/// A random small graph with random annotations, granules and compiler options on a random mesh of up to 12 devices,
/// which may differ in speed.
struct RandomGraph {
    private var state: UInt64
    private static let meshes: [[(String, Int)]] = [
        [("m", 2)], [("m", 3)], [("m", 4)], [("m", 5)], [("m", 6)], [("m", 7)], [("m", 8)], [("m", 12)],
        [("x", 2), ("y", 2)], [("x", 2), ("y", 3)], [("x", 3), ("y", 2)], [("x", 2), ("y", 4)], [("x", 4), ("y", 3)],
        [("x", 2), ("y", 2), ("z", 2)], [("x", 3), ("y", 2), ("z", 2)],
        [("x", 2), ("one", 1), ("y", 3)],
    ]
    private var mesh: [(String, Int)] = []
    private var inputs: [Case.Input] = []
    private var nodes: [Case.Node] = []
    private var annotations: [String: [DimAnnotation]] = [:]
    /// Real values made so far.
    private(set) var values: [Value] = []
    /// True where dimensions are cut at granules of more than one element.
    private var isCoarse = false

    /// A value that other operations may read.
    struct Value {
        var id: String
        var shape: [Int]
    }

    /// The case of a seed.
    static func make(seed: Int) -> Case {
        var graph = RandomGraph(state: UInt64(truncatingIfNeeded: seed) &* 0x9E37_79B9_7F4A_7C15 &+ 77)
        return graph.build(name: "random\(seed)")
    }

    private init(state: UInt64) { self.state = state }

    // MARK: Draws

    private mutating func next() -> UInt64 {
        state = state &+ 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }

    mutating func int(_ range: ClosedRange<Int>) -> Int {
        range.lowerBound + Int(next() % UInt64(range.count))
    }

    mutating func chance(_ percent: Int) -> Bool { int(1...100) <= percent }

    mutating func pick<Element>(_ list: [Element]) -> Element { list[int(0...(list.count - 1))] }

    // MARK: Graph

    private mutating func build(name: String) -> Case {
        mesh = pick(Self.meshes)
        isCoarse = chance(30)
        let rank = pick([1, 2, 2, 3, 3, 4])
        _ = input((0..<rank).map { _ in int(1...9) })
        // Mostly small graphs, which are quick and find nearly as much.
        for _ in 0..<(chance(75) ? int(1...4) : int(5...9)) { step() }
        var outputs = [values[values.count - 1].id]
        if chance(30) { outputs.append(pick(values).id) }
        var item = Case(
            name: name, mesh: mesh.map { .init($0.0, $0.1) },
            graph: .init(inputs: inputs, nodes: nodes, outputs: outputs), annotations: annotations, bar: nil)
        if chance(35) { item.speeds = (0..<item.deviceCount).map { _ in Double(int(1...4)) } }
        // The order of sums, where small reductions end, and where inputs lie.
        item.order = pick([.canonical, .sharded])
        item.oneShotByteCount = pick([0, 0, 64, 1 << 16])
        item.isInputAnywhere = chance(25)
        return item
    }

    mutating func input(_ shape: [Int], dtype: String = "f32") -> Value {
        let id = "i\(inputs.count)"
        inputs.append(.init(id: id, shape: shape, dtype: dtype, granules: isCoarse ? granules(shape) : nil))
        if chance(60) { annotations[id] = sharding(shape).map { .axes($0) } }
        let value = Value(id: id, shape: shape)
        if dtype == "f32" { values.append(value) }
        return value
    }

    /// An input that is an index.
    mutating func index() -> String {
        let id = "i\(inputs.count)"
        inputs.append(.init(id: id, shape: [], dtype: "s32"))
        return id
    }

    /// Mostly small granules; the whole dimension is never split.
    mutating func granules(_ shape: [Int]) -> [Int] { shape.map { chance(15) ? max(1, $0) : int(1...3) } }

    @discardableResult
    mutating func add(
        _ op: String, _ operands: [String], _ shape: [Int], dtype: String = "f32",
        _ attributes: (inout NodeAttributes) -> Void = { _ in }
    ) -> String {
        let id = "n\(nodes.count)"
        var given = NodeAttributes()
        attributes(&given)
        nodes.append(.init(id: id, op: op, operands: operands, attributes: given, shape: shape, dtype: dtype))
        if dtype == "f32" { values.append(Value(id: id, shape: shape)) }
        return id
    }

    /// Axes of each dimension, each used once; a dimension of one element is never split.
    mutating func sharding(_ shape: [Int]) -> [[String]] {
        var dims: [[String]] = shape.map { _ in [] }
        let open = Array(shape.indices.filter { shape[$0] > 1 })
        if open.isEmpty { return dims }
        for axis in mesh {
            for part in pieces(axis) where chance(60) { dims[pick(open)].append(part) }
        }
        return dims
    }

    /// An axis, or its two parts.
    private mutating func pieces(_ axis: (String, Int)) -> [String] {
        let divisors = (2..<max(3, axis.1)).filter { axis.1 % $0 == 0 && $0 < axis.1 }
        guard chance(30), !divisors.isEmpty else { return [axis.0] }
        let first = pick(divisors)
        return ["\(axis.0):(1)\(first)", "\(axis.0):(\(first))\(axis.1 / first)"]
    }
}
