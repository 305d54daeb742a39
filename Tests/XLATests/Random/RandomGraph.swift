import Foundation

/// A random small graph with random annotations on a random mesh of up to 12 devices.
struct RandomGraph {
    private var state: UInt64
    private let meshes: [[(String, Int)]] = [
        [("m", 2)], [("m", 3)], [("m", 4)], [("m", 5)], [("m", 6)], [("m", 7)], [("m", 8)], [("m", 12)],
        [("x", 2), ("y", 2)], [("x", 2), ("y", 3)], [("x", 3), ("y", 2)], [("x", 2), ("y", 4)], [("x", 4), ("y", 3)],
        [("x", 2), ("y", 2), ("z", 2)], [("x", 3), ("y", 2), ("z", 2)],
    ]
    private var mesh: [(String, Int)] = []
    private var inputs: [[String: Any]] = []
    private var nodes: [[String: Any]] = []
    private var annotations: [String: Any] = [:]
    /// Real values made so far.
    private var values: [(id: String, shape: [Int])] = []
    private var outputs: [String] = []

    /// The case of a seed.
    static func make(seed: Int) throws -> Case {
        var graph = RandomGraph(state: UInt64(truncatingIfNeeded: seed) &* 0x9E37_79B9_7F4A_7C15 &+ 77)
        graph.build()
        let json: [String: Any] = [
            "name": "random\(seed)", "mesh": graph.mesh.map { [$0.0, $0.1] as [Any] },
            "graph": ["inputs": graph.inputs, "nodes": graph.nodes, "outputs": graph.outputs],
            "annotations": graph.annotations,
        ]
        return try JSONDecoder().decode(Case.self, from: JSONSerialization.data(withJSONObject: json))
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

    private mutating func int(_ range: ClosedRange<Int>) -> Int {
        range.lowerBound + Int(next() % UInt64(range.count))
    }

    private mutating func chance(_ percent: Int) -> Bool { int(1...100) <= percent }

    private mutating func pick<Element>(_ list: [Element]) -> Element { list[int(0...(list.count - 1))] }

    // MARK: Graph

    private mutating func build() {
        mesh = pick(meshes)
        let rank = pick([1, 2, 2, 3, 3, 4])
        _ = input((0..<rank).map { _ in int(1...9) })
        for _ in 0..<int(1...9) { step() }
        outputs = [values[values.count - 1].id]
        if chance(30) { outputs.append(pick(values).id) }
    }

    private mutating func input(_ shape: [Int], dtype: String = "f32") -> (id: String, shape: [Int]) {
        let id = "i\(inputs.count)"
        inputs.append(["id": id, "shape": shape, "dtype": dtype])
        if chance(60) { annotations[id] = sharding(shape) }
        let value = (id: id, shape: shape)
        if dtype == "f32" { values.append(value) }
        return value
    }

    private mutating func add(_ op: String, _ operands: [String], _ attributes: [String: Any], _ shape: [Int]) {
        let id = "n\(nodes.count)"
        nodes.append(["id": id, "op": op, "in": operands, "attrs": attributes, "shape": shape, "dtype": "f32"])
        values.append((id, shape))
    }

    /// Axes of each dimension, each used once; a dimension of one element is never split.
    private mutating func sharding(_ shape: [Int]) -> [[String]] {
        var dims: [[String]] = shape.map { _ in [] }
        let open = shape.indices.filter { shape[$0] > 1 }
        if open.isEmpty { return dims }
        for axis in mesh {
            for part in pieces(axis) where chance(60) { dims[pick(Array(open))].append(part) }
        }
        return dims
    }

    /// An axis, or its two parts.
    private mutating func pieces(_ axis: (String, Int)) -> [String] {
        guard chance(30), let first = (2..<max(3, axis.1)).first(where: { axis.1 % $0 == 0 && $0 < axis.1 }) else {
            return [axis.0]
        }
        return ["\(axis.0):(1)\(first)", "\(axis.0):(\(first))\(axis.1 / first)"]
    }

    private mutating func step() {
        let x = chance(70) ? values[values.count - 1] : pick(values)
        if x.shape.reduce(1, *) > 3000 {
            return add("reduce", [x.id], ["kind": "max", "dims": [0]], Array(x.shape.dropFirst()))
        }
        switch int(0...17) {
        case 0: add(pick(["neg", "abs"]), [x.id], [:], x.shape)
        case 1, 2: binary(x)
        case 3, 4: product(x)
        case 5, 6: reduce(x)
        case 7: permute(x)
        case 8, 9: reshape(x)
        case 10: slice(x)
        case 11: pad(x)
        case 12: concatenate(x)
        case 13: broadcast(x)
        case 14: windowed(x)
        case 15: dynamic(x)
        case 16: ordered(x)
        default: constrain(x)
        }
    }

    private mutating func binary(_ x: (id: String, shape: [Int])) {
        let same = values.filter { $0.shape == x.shape }
        let other = chance(50) ? pick(same) : input(x.shape)
        add(pick(["add", "sub", "max", "min"]), [x.id, other.id], [:], x.shape)
    }

    private mutating func product(_ x: (id: String, shape: [Int])) {
        guard !x.shape.isEmpty else { return add("neg", [x.id], [:], x.shape) }
        let contracted = int(0...(x.shape.count - 1))
        var attributes: [String: Any] = [
            "lhs_contract": [contracted], "rhs_contract": [0], "lhs_batch": [Int](), "rhs_batch": [Int](),
        ]
        var shape = x.shape
        shape.remove(at: contracted)
        var weights = [x.shape[contracted]]
        if x.shape.count > 1, chance(30) {
            let batch = (contracted + 1) % x.shape.count
            attributes["lhs_batch"] = [batch]
            attributes["rhs_batch"] = [1]
            weights.append(x.shape[batch])
            shape = [x.shape[batch]] + x.shape.indices.filter { $0 != batch && $0 != contracted }.map { x.shape[$0] }
        }
        if chance(80) {
            weights.append(int(1...8))
            shape.append(weights[weights.count - 1])
        }
        let w = input(weights)
        add("dot_general", [x.id, w.id], attributes, shape)
    }

    private mutating func reduce(_ x: (id: String, shape: [Int])) {
        let dims = x.shape.indices.filter { _ in chance(45) }
        guard !dims.isEmpty else { return add("abs", [x.id], [:], x.shape) }
        let kept = x.shape.indices.filter { !dims.contains($0) }.map { x.shape[$0] }
        add("reduce", [x.id], ["kind": pick(["sum", "sum", "max", "min"]), "dims": Array(dims)], kept)
    }

    private mutating func permute(_ x: (id: String, shape: [Int])) {
        var order = Array(x.shape.indices)
        for index in order.indices.reversed() { order.swapAt(index, int(0...index)) }
        add("transpose", [x.id], ["perm": order], order.map { x.shape[$0] })
    }

    private mutating func reshape(_ x: (id: String, shape: [Int])) {
        var shape = x.shape
        for _ in 0..<int(1...2) {
            if shape.count > 1, chance(50) {
                let first = int(0...(shape.count - 2))
                shape[first] *= shape.remove(at: first + 1)
            } else if !shape.isEmpty, shape.count < 5 {
                let dim = int(0...(shape.count - 1))
                let divisors = (1...max(1, shape[dim])).filter { shape[dim] % $0 == 0 }
                let major = pick(divisors)
                shape.insert(major, at: dim)
                shape[dim + 1] /= major
            }
        }
        add("reshape", [x.id], ["shape": shape], shape)
    }

    private mutating func slice(_ x: (id: String, shape: [Int])) {
        if chance(30), !x.shape.isEmpty {
            return add("reverse", [x.id], ["dims": [int(0...(x.shape.count - 1))]], x.shape)
        }
        var (start, limit, strides): ([Int], [Int], [Int]) = ([], [], [])
        for size in x.shape {
            start.append(chance(50) ? 0 : int(0...(size - 1)))
            limit.append(chance(50) ? size : int((start[start.count - 1] + 1)...size))
            strides.append(chance(75) ? 1 : int(1...3))
        }
        let shape = x.shape.indices.map { (limit[$0] - start[$0] + strides[$0] - 1) / strides[$0] }
        add("slice", [x.id], ["start": start, "limit": limit, "strides": strides], shape)
    }

    private mutating func pad(_ x: (id: String, shape: [Int])) {
        let low = x.shape.map { _ in chance(50) ? 0 : int(0...3) }
        let high = x.shape.map { _ in chance(50) ? 0 : int(0...3) }
        add("pad", [x.id], ["low": low, "high": high], x.shape.indices.map { low[$0] + x.shape[$0] + high[$0] })
    }

    private mutating func concatenate(_ x: (id: String, shape: [Int])) {
        guard !x.shape.isEmpty else { return add("neg", [x.id], [:], x.shape) }
        let dim = int(0...(x.shape.count - 1))
        var shape = x.shape
        shape[dim] = int(1...6)
        let other = chance(40) ? x : input(shape)
        shape[dim] = x.shape[dim] + other.shape[dim]
        add("concatenate", [x.id, other.id], ["dim": dim], shape)
    }

    private mutating func broadcast(_ x: (id: String, shape: [Int])) {
        let place = int(0...x.shape.count)
        var shape = x.shape
        shape.insert(int(1...4), at: place)
        add(
            "broadcast_in_dim", [x.id],
            ["shape": shape, "dims": x.shape.indices.map { $0 < place ? $0 : $0 + 1 }], shape)
    }

    private mutating func windowed(_ x: (id: String, shape: [Int])) {
        guard x.shape.count == 4, x.shape[1] >= 2, x.shape[2] >= 2 else { return permute(x) }
        let strides = [int(1...2), int(1...2)]
        let isPool = chance(35)
        let kernel = [int(1...3), int(1...3)]
        var padding: [[Int]] = []
        for size in kernel { padding.append([int(0...(size - 1)), int(0...(size - 1))]) }
        func span(_ index: Int) -> Int {
            let padded: Int = x.shape[1 + index] + padding[index][0] + padding[index][1]
            return padded - kernel[index]
        }
        func size(_ index: Int) -> Int { span(index) / strides[index] + 1 }
        guard span(0) >= 0, span(1) >= 0 else { return permute(x) }
        let rows = [x.shape[0], size(0), size(1)]
        if isPool {
            let attributes: [String: Any] = ["window": kernel, "strides": strides, "padding": padding]
            return add("max_pool", [x.id], attributes, rows + [x.shape[3]])
        }
        let groups = chance(25) ? x.shape[3] : 1
        let w = input(kernel + [x.shape[3] / groups, groups * int(1...3)])
        add(
            "conv", [x.id, w.id], ["strides": strides, "padding": padding, "groups": groups], rows + [w.shape[3]])
    }

    private mutating func dynamic(_ x: (id: String, shape: [Int])) {
        guard !x.shape.isEmpty else { return add("abs", [x.id], [:], x.shape) }
        let sizes = x.shape.map { chance(50) ? $0 : int(1...$0) }
        let update = chance(50) ? input(sizes) : nil
        let indices = x.shape.map { _ in
            let id = "i\(inputs.count)"
            inputs.append(["id": id, "shape": [Int](), "dtype": "s32"])
            return id
        }
        if let update { return add("dynamic_update_slice", [x.id, update.id] + indices, [:], x.shape) }
        add("dynamic_slice", [x.id] + indices, ["sizes": sizes], sizes)
    }

    private mutating func ordered(_ x: (id: String, shape: [Int])) {
        if x.shape.count >= 2, chance(50) {
            let ids = input((0..<int(1...2)).map { _ in int(1...6) }, dtype: "s32")
            return add("gather_rows", [x.id, ids.id], [:], ids.shape + x.shape.dropFirst())
        }
        guard !x.shape.isEmpty else { return add("abs", [x.id], [:], x.shape) }
        add("sort", [x.id], ["dim": int(0...(x.shape.count - 1))], x.shape)
    }

    private mutating func constrain(_ x: (id: String, shape: [Int])) {
        let dims: [Any] = sharding(x.shape).map { dim -> Any in chance(30) ? "?" : dim }
        add("constraint", [x.id], ["sharding": dims], x.shape)
    }
}
