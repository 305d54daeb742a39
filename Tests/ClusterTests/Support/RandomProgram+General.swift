import Program
import Tensor
import TestSupport

/// Blocks of the general operations: movement, lookups, products, windows, choices.
extension RandomProgram {
    mutating func general(_ x: Program.ValueID) -> Program.ValueID {
        switch random.int(0...19) {
        case 0: transposed(x)
        case 1: reshaped(x)
        case 2: cut(x)
        case 3: padded(x)
        case 4: joined(x)
        case 5: builder.add(.reverse, [x], ["dims": .ints([random.int(0...3)])])
        case 6: softmax(x)
        case 7: products(x)
        case 8: generalConvolution(x)
        case 9: pool(x)
        case 10: enlarged(x)
        case 11: dynamicPart(x)
        case 12: updated(x)
        case 13: looked(x)
        case 14: builder.add(.sort, [x], ["dim": .int(random.int(0...3))])
        case 15: best(x)
        case 16: masked(x)
        case 17: normalized(x)
        case 18: conditioned(x)
        default: guided(x)
        }
    }

    // MARK: Support

    private func sizes(_ x: Program.ValueID) -> [Int] { builder.type(of: x).sizes }

    /// A value in the activation type.
    private mutating func activation(_ x: Program.ValueID) -> Program.ValueID {
        builder.type(of: x).dtype == builder.activation ? x : builder.add(.cast, [x], dtype: builder.activation)
    }

    private mutating func reshape(
        _ x: Program.ValueID, _ sizes: [Int], granules: [Int]? = nil
    ) -> Program.ValueID {
        var attributes: Attributes = ["sizes": .ints(sizes)]
        if let granules { attributes.values["granules"] = .ints(granules) }
        return builder.add(.reshape, [x], attributes)
    }

    private mutating func broadcast(
        _ x: Program.ValueID, _ dims: [Int], like other: Program.ValueID
    ) -> Program.ValueID {
        builder.add(.broadcast, [x], ["sizes": .ints(sizes(other)), "dims": .ints(dims)])
    }

    private mutating func binary(_ kind: String, _ a: Program.ValueID, _ b: Program.ValueID) -> Program.ValueID {
        builder.add(.binary, [a, b], ["kind": .text(kind)])
    }

    private mutating func unary(_ kind: String, _ x: Program.ValueID) -> Program.ValueID {
        builder.add(.unary, [x], ["kind": .text(kind)])
    }

    /// An i32 tensor that the caller gives.
    private mutating func integers(_ dims: [Dim], below limit: Int) -> Program.ValueID {
        let name = "n\(inputs.count)"
        let count = dims.reduce(1) { $0 * $1.size }
        inputs[name] = HostTensor((0..<count).map { _ in Int32(random.int(0...(limit - 1))) }, dims: dims.map(\.size))
        return builder.input(name, TensorType(.i32, dims))
    }

    /// Half as many rows and columns.
    mutating func smaller(_ x: Program.ValueID) -> Program.ValueID {
        let all = sizes(x)
        let limit = [all[0], (all[1] + 1) / 2, (all[2] + 1) / 2, min(all[3], 24)]
        return builder.add(.slice, [x], ["start": .ints([0, 0, 0, 0]), "limit": .ints(limit)])
    }

    // MARK: Movement

    private mutating func transposed(_ x: Program.ValueID) -> Program.ValueID {
        let order = random.pick([[0, 2, 1, 3], [0, 1, 3, 2], [0, 3, 2, 1]])
        let y = builder.add(.transpose, [x], ["permutation": .ints(order)])
        return unary(random.pick(["tanh", "negate", "abs"]), y)
    }

    private mutating func reshaped(_ x: Program.ValueID) -> Program.ValueID {
        let all = sizes(x)
        switch random.int(0...3) {
        case 0:
            let y = unary("logistic", reshape(x, [all[0], all[1] * all[2], all[3]]))
            return reshape(y, all)
        case 1: return reshape(x, all, granules: [1, random.int(1...3), random.int(1...3), random.int(1...4)])
        case 2: return reshape(x, [all[0], all[2], all[1], all[3]])
        default:
            guard all[1] % 2 == 0 else { return reshape(x, [all[0], all[1] * all[2], 1, all[3]]) }
            let y = reshape(x, [all[0], 2, all[1] / 2, all[2], all[3]])
            let z = builder.add(.transpose, [y], ["permutation": .ints([0, 2, 1, 3, 4])])
            return reshape(z, [all[0], all[1] / 2, 2 * all[2], all[3]])
        }
    }

    private mutating func cut(_ x: Program.ValueID) -> Program.ValueID {
        var (start, limit, strides) = ([0], [batch.size], [1])
        for size in sizes(x).dropFirst() {
            start.append(random.chance(50) ? 0 : random.int(0...(size - 1)))
            limit.append(random.chance(50) ? size : random.int((start[start.count - 1] + 1)...size))
            strides.append(random.chance(70) ? 1 : 2)
        }
        let y = builder.add(
            .slice, [x], ["start": .ints(start), "limit": .ints(limit), "strides": .ints(strides)])
        guard random.chance(40) else { return y }
        // Back to where it was, with zeros around.
        let low = [0] + start.dropFirst()
        let high = zip(sizes(x), zip(low, sizes(y))).map { max(0, $0 - $1.0 - $1.1) }
        return builder.add(.add, [x, builder.add(.pad, [y], ["low": .ints(Array(low)), "high": .ints(high)])])
    }

    private mutating func padded(_ x: Program.ValueID) -> Program.ValueID {
        let low = [0] + (0..<3).map { _ in random.int(0...2) }
        let high = [0] + (0..<3).map { _ in random.int(0...2) }
        return builder.add(.pad, [x], ["low": .ints(low), "high": .ints(high)])
    }

    private mutating func joined(_ x: Program.ValueID) -> Program.ValueID {
        let dim = random.int(1...3)
        var all = builder.type(of: x).dims
        let size = random.int(1...4)
        all[dim] = Dim(size, granule: random.chance(30) ? size : 1)
        let name = "x\(inputs.count)"
        inputs[name] = floats(all.map(\.size))
        let other = activation(builder.input(name, TensorType(.f32, all)))
        let operands = random.chance(50) ? [x, other] : random.chance(50) ? [other, x] : [x, other, x]
        return builder.add(.concat, operands, random.chance(80) || dim != 3 ? ["dim": .int(dim)] : [:])
    }

    private mutating func dynamicPart(_ x: Program.ValueID) -> Program.ValueID {
        let part = [batch.size] + sizes(x).dropFirst().map { random.chance(50) ? $0 : random.int(1...$0) }
        let indices = (0..<4).map { _ in integers([], below: 5) }
        return builder.add(.dynamicSlice, [x] + indices, ["sizes": .ints(part)])
    }

    private mutating func updated(_ x: Program.ValueID) -> Program.ValueID {
        let dims = builder.type(of: x).dims.map { dim in
            random.chance(50) ? dim : Dim(random.int(1...dim.size), granule: 1)
        }
        let name = "x\(inputs.count)"
        inputs[name] = floats(dims.map(\.size))
        let update = activation(builder.input(name, TensorType(.f32, dims)))
        let indices = (0..<4).map { _ in integers([], below: 5) }
        return builder.add(.dynamicUpdate, [x, update] + indices)
    }

    // MARK: Products and windows

    /// A softmax written out.
    private mutating func softmax(_ x: Program.ValueID) -> Program.ValueID {
        let dim = random.int(1...3)
        let kept = (0..<4).filter { $0 != dim }
        let most = activation(builder.add(.reduce, [x], ["dims": .ints([dim]), "kind": .text("max")]))
        let weights = unary("exp", binary("subtract", x, broadcast(most, kept, like: x)))
        let sum = activation(builder.add(.reduce, [weights], ["dims": .ints([dim]), "kind": .text("sum")]))
        return binary("divide", weights, broadcast(sum, kept, like: x))
    }

    /// Attention to all places by two products, or a product with a weight for each row.
    private mutating func products(_ x: Program.ValueID) -> Program.ValueID {
        let all = sizes(x)
        if random.chance(50) {
            let places = reshape(x, [all[0], all[1] * all[2], all[3]])
            let scores = builder.add(
                .dotGeneral, [x, places],
                [
                    "lhsBatch": .ints([0]), "rhsBatch": .ints([0]), "lhsContract": .ints([3]),
                    "rhsContract": .ints([2]),
                ])
            return builder.add(
                .dotGeneral, [unary("tanh", scores), places],
                [
                    "lhsBatch": .ints([0]), "rhsBatch": .ints([0]), "lhsContract": .ints([3]),
                    "rhsContract": .ints([1]),
                ])
        }
        let rows = builder.type(of: x).dims[1]
        let w = weight(
            [all[1], random.int(1...9), all[3]],
            granules: [rows.granuleCount > 1 ? rows.granule : nil, random.int(1...3), granule(x)],
            axes: ["rows", "mlp", nil])
        let y = builder.add(
            .dotGeneral, [x, w],
            ["lhsBatch": .ints([1]), "rhsBatch": .ints([0]), "lhsContract": .ints([3]), "rhsContract": .ints([2])])
        return builder.add(.transpose, [y], ["permutation": .ints([1, 0, 2, 3])])
    }

    /// Strides, padding and dilation of a window that fits.
    private mutating func window(_ x: Program.ValueID, _ kernel: [Int], dilates: Bool) -> Attributes {
        let strides = (0..<2).map { _ in random.int(1...2) }
        let low = kernel.map { random.int(0...($0 - 1)) }
        let high = kernel.indices.map { max(random.int(0...(kernel[$0] - 1)), kernel[$0] - low[$0] - sizes(x)[1 + $0]) }
        var attributes: Attributes = ["strides": .ints(strides), "padLow": .ints(low), "padHigh": .ints(high)]
        if dilates { attributes.values["dilation"] = .ints((0..<2).map { _ in random.chance(75) ? 1 : 2 }) }
        return attributes
    }

    private mutating func generalConvolution(_ x: Program.ValueID) -> Program.ValueID {
        let width = channels(x)
        let groups = random.pick([1, 1, width] + (width % 2 == 0 ? [2] : []))
        let kernel = [random.int(1...3), random.int(1...3)]
        let out = groups * random.int(1...(groups > 4 ? 1 : 4))
        let w = weight(
            kernel + [width / groups, out],
            granules: [nil, nil, groups == 1 ? granule(x) : nil, random.chance(50) ? 1 : nil],
            axes: [nil, nil, nil, "mlp"])
        var attributes = window(x, kernel, dilates: true)
        attributes.values["groups"] = .int(groups)
        return builder.add(.convGeneral, [x, w], attributes)
    }

    private mutating func pool(_ x: Program.ValueID) -> Program.ValueID {
        let kernel = [random.int(1...3), random.int(1...3)]
        var attributes = window(x, kernel, dilates: false)
        attributes.values["window"] = .ints(kernel)
        return builder.add(.maxPool, [x], attributes)
    }

    /// Enlarged, or moved between places and channels and back.
    private mutating func enlarged(_ x: Program.ValueID) -> Program.ValueID {
        let dims = builder.type(of: x).dims
        let isEven = dims[1...2].allSatisfy { $0.size % 2 == 0 && ($0.granuleCount <= 1 || $0.granule % 2 == 0) }
        guard isEven, random.chance(60) else { return builder.add(.resize, [x], ["factor": .int(2)]) }
        let deep = builder.add(.spaceToDepth, [x])
        let order = builder.add(.transpose, [deep], ["permutation": .ints([0, 1, 2, 4, 5, 3])])
        return builder.add(.depthToSpace, [unary("abs", order)])
    }

    // MARK: Lookups and choices

    /// Rows of a table for given places, or for the greatest channel of each.
    private mutating func looked(_ x: Program.ValueID) -> Program.ValueID {
        let dims = Array(builder.type(of: x).dims.prefix(3))
        let rows = random.int(2...9)
        let table = weight([rows, channels(x)], granules: [random.int(1...2), nil], axes: ["vocab", nil])
        if random.chance(50) {
            return builder.add(.add, [x, builder.add(.gather, [table, integers(dims, below: rows)])])
        }
        let greatest = builder.add(.argMax, [x], ["dim": .int(3)])
        return builder.add(.gather, [table, builder.add(.choiceIndex, [greatest])])
    }

    /// The greatest channels with their places.
    private mutating func best(_ x: Program.ValueID) -> Program.ValueID {
        let k = random.int(1...min(4, channels(x)))
        var found = builder.add(.topK, [x], ["k": .int(k)])
        if random.chance(30) { found = builder.add(.mergeTopK, [found], ["k": .int(random.int(1...k))]) }
        let all = sizes(found)
        return activation(reshape(found, Array(all.prefix(3)) + [2 * all[3]]))
    }

    /// Elements up to a running index, others from elsewhere.
    private mutating func masked(_ x: Program.ValueID) -> Program.ValueID {
        let type = builder.type(of: x)
        let ramp = builder.iota(dim: random.int(0...3), TensorType(.i32, type.dims))
        let limit = broadcast(integers([], below: 6), [], like: x)
        let direction = random.pick(["eq", "ne", "lt", "le", "gt", "ge"])
        let mask = builder.add(.compare, [ramp, limit], ["direction": .text(direction)])
        let other = random.chance(50) ? builder.constant(0.5, type) : activation(binary("multiply", x, x))
        return builder.add(.select, [mask, x, other])
    }

    // MARK: Norms and conditions

    private mutating func normalized(_ x: Program.ValueID) -> Program.ValueID {
        if random.chance(50) {
            return builder.add(
                .layerNorm, [x, weight([channels(x)], mean: 1), weight([channels(x)])], ["eps": .float(1e-6)])
        }
        let kind = random.pick(["sumSquares", "sumSqrt", "max", "min"])
        let given = kind == "sumSqrt" ? unary("abs", x) : x
        let dims = random.pick([[1], [2], [3], [1, 3], [2, 3]])
        let reduced = activation(builder.add(.reduce, [given], ["dims": .ints(dims), "kind": .text(kind)]))
        let kept = (0..<4).filter { !dims.contains($0) }
        return unary("tanh", binary("add", x, broadcast(reduced, kept, like: x)))
    }

    /// A row of each picture, or a position, added everywhere.
    private mutating func conditioned(_ x: Program.ValueID) -> Program.ValueID {
        let all = sizes(x)
        let vector: Program.ValueID
        if all[3] % 2 == 0, random.chance(50) {
            let name = "x\(inputs.count)"
            inputs[name] = floats([batch.size, 1])
            let place = builder.input(name, TensorType(.f32, [batch, Dim(1)]))
            vector = builder.add(.sinusoid, [place], ["width": .int(all[3]), "maxPeriod": .float(100)])
        } else {
            let places = reshape(x, [all[0], all[1] * all[2], all[3]])
            vector = builder.add(.takeRow, [places, integers([batch], below: all[1] * all[2])])
        }
        return binary("add", x, broadcast(activation(vector), [0, 3], like: x))
    }

    private mutating func guided(_ x: Program.ValueID) -> Program.ValueID {
        var pair = reshape(x, [1] + sizes(x))
        if random.chance(75) {
            let other = reshape(unary("tanh", x), [1] + sizes(x))
            pair = builder.add(.concat, [pair, other], ["dim": .int(0)])
        }
        let name = "x\(inputs.count)"
        inputs[name] = floats([batch.size])
        let scale = builder.input(name, TensorType(.f32, [batch]))
        return activation(builder.add(.guide, [pair, scale]))
    }
}
