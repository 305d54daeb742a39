/// The operations that random graphs are made of.
extension RandomGraph {
    mutating func step() {
        let x = chance(70) ? values[values.count - 1] : pick(values)
        if x.shape.reduce(1, *) > 1500 {
            add("reduce", [x.id], Array(x.shape.dropFirst())) {
                $0.kind = "max"
                $0.dims = [0]
            }
            return
        }
        switch int(0...21) {
        case 0: add(pick(["neg", "abs"]), [x.id], x.shape)
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
        case 17: several(x)
        case 18: generated(x)
        case 19: chosen(x)
        case 20: regranulate(x)
        default: constrain(x)
        }
    }

    // MARK: Arithmetic

    private mutating func binary(_ x: Value) {
        let same = values.filter { $0.shape == x.shape }
        let other = chance(50) ? pick(same) : input(x.shape)
        add(pick(["add", "sub", "max", "min"]), [x.id, other.id], x.shape)
    }

    private mutating func product(_ x: Value) {
        guard !x.shape.isEmpty else { return _ = add("neg", [x.id], x.shape) }
        let contracted = int(0...(x.shape.count - 1))
        var (lhsContract, rhsContract, lhsBatch, rhsBatch) = ([contracted], [0], [Int](), [Int]())
        var weights = [x.shape[contracted]]
        let others = x.shape.indices.filter { $0 != contracted }
        if let batch = others.first, chance(30) {
            (lhsBatch, rhsBatch) = ([batch], [1])
            weights.append(x.shape[batch])
        } else if let second = others.last, chance(20) {
            (lhsContract, rhsContract) = ([contracted, second], [0, 1])
            weights.append(x.shape[second])
        }
        var shape = lhsBatch.map { x.shape[$0] }
        shape += others.filter { !lhsBatch.contains($0) && !lhsContract.contains($0) }.map { x.shape[$0] }
        if chance(80) {
            weights.append(int(1...8))
            shape.append(weights[weights.count - 1])
        }
        let w = input(weights)
        add("dot_general", [x.id, w.id], shape) {
            ($0.lhsContract, $0.rhsContract, $0.lhsBatch, $0.rhsBatch) = (
                lhsContract, rhsContract, lhsBatch, rhsBatch
            )
        }
    }

    private mutating func reduce(_ x: Value) {
        let dims = Array(x.shape.indices.filter { _ in chance(45) })
        guard !dims.isEmpty else { return _ = add("abs", [x.id], x.shape) }
        let kept = x.shape.indices.filter { !dims.contains($0) }.map { x.shape[$0] }
        let kind = pick(["sum", "sum", "max", "min"])
        add("reduce", [x.id], kept) { ($0.kind, $0.dims) = (kind, dims) }
    }

    /// A constant or a ramp, added.
    private mutating func generated(_ x: Value) {
        let other: String
        if x.shape.isEmpty || chance(40) {
            let value = Double(int(-3...3))
            other = add("const", [], x.shape) { $0.value = value }
        } else {
            let dim = int(0...(x.shape.count - 1))
            other = add("iota", [], x.shape) { $0.dim = dim }
        }
        add(pick(["add", "sub", "max"]), chance(50) ? [x.id, other] : [other, x.id], x.shape)
    }

    /// Comparison and selection, or the place of the greatest element.
    private mutating func chosen(_ x: Value) {
        if !x.shape.isEmpty, chance(50) {
            let dim = int(0...(x.shape.count - 1))
            var shape = x.shape
            shape.remove(at: dim)
            let places = add("argmax", [x.id], shape, dtype: "s32") { $0.axis = dim }
            add("convert", [places], shape)
            return
        }
        let other = pick(values.filter { $0.shape == x.shape })
        let least = input(x.shape)
        let direction = pick(["lt", "ge", "eq", "ne"])
        let mask = add("compare", [x.id, least.id], x.shape, dtype: "pred") { $0.direction = direction }
        add("select", [mask, other.id, least.id], x.shape)
    }

    // MARK: Movement

    private mutating func permute(_ x: Value) {
        var order = Array(x.shape.indices)
        for index in order.indices.reversed() { order.swapAt(index, int(0...index)) }
        add("transpose", [x.id], order.map { x.shape[$0] }) { $0.permutation = order }
    }

    private mutating func reshape(_ x: Value) {
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
        add("reshape", [x.id], shape) { $0.shape = shape }
    }

    /// The same elements, to be cut elsewhere.
    private mutating func regranulate(_ x: Value) {
        let granules = granules(x.shape)
        add("reshape", [x.id], x.shape) { ($0.shape, $0.granules) = (x.shape, granules) }
    }

    private mutating func slice(_ x: Value) {
        if chance(30), !x.shape.isEmpty {
            let dim = int(0...(x.shape.count - 1))
            add("reverse", [x.id], x.shape) { $0.dims = [dim] }
            return
        }
        var (start, limit, strides): ([Int], [Int], [Int]) = ([], [], [])
        for size in x.shape {
            start.append(chance(50) ? 0 : int(0...(size - 1)))
            limit.append(chance(50) ? size : int((start[start.count - 1] + 1)...size))
            strides.append(chance(75) ? 1 : int(1...3))
        }
        add("slice", [x.id], x.shape.indices.map { (limit[$0] - start[$0] + strides[$0] - 1) / strides[$0] }) {
            ($0.start, $0.limit, $0.strides) = (start, limit, strides)
        }
    }

    private mutating func pad(_ x: Value) {
        let low = x.shape.map { _ in chance(50) ? 0 : int(0...3) }
        let high = x.shape.map { _ in chance(50) ? 0 : int(0...3) }
        add("pad", [x.id], x.shape.indices.map { low[$0] + x.shape[$0] + high[$0] }) {
            ($0.low, $0.high) = (low, high)
        }
    }

    private mutating func concatenate(_ x: Value) {
        guard !x.shape.isEmpty else { return _ = add("neg", [x.id], x.shape) }
        let dim = int(0...(x.shape.count - 1))
        var shape = x.shape
        shape[dim] = int(1...6)
        let other = chance(40) ? x : input(shape)
        shape[dim] = x.shape[dim] + other.shape[dim]
        add("concatenate", [x.id, other.id], shape) { $0.dim = dim }
    }

    private mutating func broadcast(_ x: Value) {
        let place = int(0...x.shape.count)
        var shape = x.shape
        shape.insert(int(1...4), at: place)
        add("broadcast_in_dim", [x.id], shape) {
            ($0.shape, $0.dims) = (shape, x.shape.indices.map { $0 < place ? $0 : $0 + 1 })
        }
    }

    /// Parts of one value, each read by itself.
    private mutating func several(_ x: Value) {
        guard let dim = x.shape.indices.max(by: { x.shape[$0] < x.shape[$1] }), x.shape[dim] >= 3 else {
            return binary(x)
        }
        let size = x.shape[dim] / 3
        var shape = x.shape
        shape[dim] = size
        var parts: [String] = []
        for part in 0..<3 {
            let start = x.shape.indices.map { $0 == dim ? part * size : 0 }
            let limit = x.shape.indices.map { $0 == dim ? (part + 1) * size : x.shape[$0] }
            parts.append(
                add("slice", [x.id], shape) {
                    ($0.start, $0.limit, $0.strides) = (start, limit, x.shape.map { _ in 1 })
                })
        }
        let first = add(pick(["add", "max"]), [parts[0], parts[1]], shape)
        add("sub", [first, parts[2]], shape)
    }

    private mutating func windowed(_ x: Value) {
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
            add("max_pool", [x.id], rows + [x.shape[3]]) {
                ($0.window, $0.strides, $0.padding) = (kernel, strides, padding)
            }
            return
        }
        let groups = chance(25) ? x.shape[3] : 1
        let w = input(kernel + [x.shape[3] / groups, groups * int(1...3)])
        add("conv", [x.id, w.id], rows + [w.shape[3]]) {
            ($0.strides, $0.padding, $0.groups) = (strides, padding, groups)
        }
    }

    private mutating func dynamic(_ x: Value) {
        guard !x.shape.isEmpty else { return _ = add("abs", [x.id], x.shape) }
        let sizes = x.shape.map { chance(50) ? $0 : int(1...$0) }
        let update = chance(50) ? input(sizes) : nil
        let indices = x.shape.map { _ in index() }
        if let update {
            add("dynamic_update_slice", [x.id, update.id] + indices, x.shape)
        } else {
            add("dynamic_slice", [x.id] + indices, sizes) { $0.sizes = sizes }
        }
    }

    private mutating func ordered(_ x: Value) {
        if x.shape.count >= 2, chance(50) {
            let ids = input((0..<int(1...2)).map { _ in int(1...6) }, dtype: "s32")
            add("gather_rows", [x.id, ids.id], ids.shape + x.shape.dropFirst())
            return
        }
        guard let last = x.shape.last else { return _ = add("abs", [x.id], x.shape) }
        if chance(40) {
            let k = int(1...min(3, last))
            add("top_k", [x.id], x.shape.dropLast() + [k, 2]) { $0.k = k }
            return
        }
        let dim = int(0...(x.shape.count - 1))
        add("sort", [x.id], x.shape) { $0.dim = dim }
    }

    private mutating func constrain(_ x: Value) {
        let dims = sharding(x.shape).map { dim -> DimAnnotation in chance(30) ? .open : .axes(dim) }
        add("constraint", [x.id], x.shape) { $0.sharding = dims }
    }
}
