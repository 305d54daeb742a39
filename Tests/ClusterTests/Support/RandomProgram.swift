import Program
import Tensor
import TestSupport

/// A random small program over all kinds of operations, with random annotations and inputs.
///
/// Blocks turn one picture `[batch, rows, columns, channels]` into the next, which may have other rows, columns and
/// channels, and other granules.
struct RandomProgram {
    var builder: ProgramBuilder
    var inputs: [String: HostTensor] = [:]
    var random: SeededGenerator
    private var weightCount = 0
    let batch: Dim
    private let rows: Dim
    private let columns: Dim

    /// A program before ``program`` that leaves a picture for it on the devices.
    private(set) var first: Program?

    static let logicalAxes = ["batch", "rows", "heads", "mlp", "vocab", "other"]

    var program: Program { builder.program }

    /// - Parameter isInTwo: cuts it into two programs, of which the second takes what the first leaves.
    init(seed: UInt64, activation: DType, isInTwo: Bool = false) {
        random = SeededGenerator(seed: seed)
        builder = ProgramBuilder(name: "random", activation: activation)
        batch = Dim(random.int(1...3), granule: 1)
        let granule = random.int(1...2)
        rows = Dim(granule * random.int(1...5), granule: granule)
        columns = Dim(2 * random.int(1...3))
        var x = picture(channels: random.int(1...3) * 4)
        let count = random.int(1...6)
        for index in 0..<count {
            if isInTwo, index == count / 2 { x = handOver(x) }
            x = random.chance(45) ? block(x) : general(x)
            if builder.type(of: x).elementCount > 4000 { x = smaller(x) }
            if random.chance(15) { x = builder.add(.annotate, [x]) }
            annotate(x)
        }
        builder.output("result", builder.add(.cast, [x], dtype: .f32))
        if random.chance(60) { sampling(x) }
        if random.chance(40) { reductions(x) }
        if random.chance(20) { builder.output("pixels", builder.add(.pixels, [x])) }
    }

    /// Ends the first program; a picture in the second, which replaces what it finds and may run again.
    private mutating func handOver(_ x: Program.ValueID) -> Program.ValueID {
        let type = builder.type(of: x)
        let squares = builder.add(.binary, [x, x], ["kind": .text("multiply")])
        for (name, value) in [("left", x), ("squares", squares)] { builder.output(name, value, isResident: true) }
        builder.output("given", builder.add(.cast, [x], dtype: .f32))
        first = builder.program
        builder = ProgramBuilder(name: "second", activation: builder.activation)
        let left = ["left", "squares"].map { builder.input($0, type, isResident: true) }
        let turned = builder.add(.reverse, [left[0]], ["dims": .ints([random.int(0...3)])])
        annotate(turned)
        builder.output("left", turned, isResident: true)
        builder.output("squares", left[0], isResident: true)
        return builder.add(.binary, left, ["kind": .text("subtract")])
    }

    /// The program with some of its products of bf16 operands in int8.
    var programWithInt8Products: Program {
        var program = program
        var random = random
        for index in program.operations.indices where program.operations[index].opcode == .dot {
            let operands = program.operations[index].operands
            guard operands.allSatisfy({ program.type(of: $0).dtype == .bf16 }), random.chance(80) else { continue }
            program.operations[index].attributes.values["precision"] = .text("int8")
        }
        return program
    }

    mutating func picture(channels: Int) -> Program.ValueID {
        let dims = [batch, rows, columns, Dim(channels)]
        let name = "x\(inputs.count)"
        inputs[name] = floats(dims.map(\.size))
        let input = builder.input(name, TensorType(.f32, dims))
        return builder.add(.cast, [input])
    }

    mutating func floats(_ dims: [Int]) -> HostTensor {
        HostTensor((0..<dims.reduce(1, *)).map { _ in random.float() }, dims: dims)
    }

    mutating func weight(
        _ dims: [Int], granules: [Int?] = [], axes: [String?] = [], mean: Double = 0
    ) -> Program.ValueID {
        weightCount += 1
        return builder.parameter(
            ParameterSpec(
                name: "w\(weightCount)", part: "random", tensor: "w\(weightCount)", fileDims: dims,
                generatedScale: 0.3, generatedMean: mean), granules: granules, axes: random.chance(70) ? axes : [])
    }

    /// Random annotation: rows or batch, or nothing.
    private mutating func annotate(_ value: Program.ValueID) {
        guard random.chance(35) else { return }
        let rank = builder.type(of: value).rank
        var axes: [String?] = Array(repeating: nil, count: rank)
        if random.chance(50) { axes[0] = "batch" }
        if random.chance(60) { axes[1] = "rows" }
        if random.chance(20) { axes[rank - 1] = "other" }
        builder.annotate(value, axes)
    }

    private mutating func block(_ x: Program.ValueID) -> Program.ValueID {
        switch random.int(0...7) {
        case 0: attention(x)
        case 1: mlp(x)
        case 2: builder.add(.rmsNorm, [x, weight([channels(x)], mean: 1)], ["eps": .float(1e-6)])
        case 3: builder.add(.depthwiseConv, [x, weight([channels(x), 3, 3], granules: [granule(x), nil, nil])])
        case 4: groupNorm(x)
        case 5: responseNorm(x)
        case 6: convolution(x)
        default: modulated(x)
        }
    }

    func channels(_ x: Program.ValueID) -> Int { builder.type(of: x).sizes.last ?? 0 }

    /// The granule of the channels, which what is multiplied with them has too; nil where they are never split.
    func granule(_ x: Program.ValueID) -> Int? {
        builder.type(of: x).dims.last.flatMap { $0.granuleCount > 1 ? $0.granule : nil }
    }

    private mutating func attention(_ x: Program.ValueID) -> Program.ValueID {
        let (heads, size, width) = (random.int(1...5), random.int(1...5), channels(x))
        var projections: [Program.ValueID] = []
        for _ in 0..<3 {
            let w = weight([heads, size, width], granules: [1, nil, granule(x)], axes: ["heads", nil, nil])
            projections.append(builder.add(.dot, [x, w], ["contract": .int(1)]))
        }
        let mixed = builder.add(
            .attention, projections,
            ["queryDims": .int(2), "keyDims": .int(2), "causal": .int(random.int(0...1)), "scale": .float(0.7)])
        let out = weight([width, heads, size], granules: [granule(x), 1, nil], axes: [nil, "heads", nil])
        return builder.add(.add, [x, builder.add(.dot, [mixed, out], ["contract": .int(2)])])
    }

    private mutating func mlp(_ x: Program.ValueID) -> Program.ValueID {
        let (hidden, width) = (random.int(1...40), channels(x))
        let granule = random.int(1...7)
        let up = weight([2, hidden, width], granules: [nil, granule, self.granule(x)], axes: [nil, "mlp", nil])
        let down = weight([width, hidden], granules: [nil, granule], axes: [nil, "mlp"])
        let gated = builder.add(.gatedGelu, [builder.add(.dot, [x, up], ["contract": .int(1)])])
        let y = builder.add(.dot, [gated, down], ["contract": .int(1)])
        return builder.add(random.chance(50) ? .add : .multiply, [y, weight([width])])
    }

    private mutating func groupNorm(_ x: Program.ValueID) -> Program.ValueID {
        let type = builder.type(of: x)
        let groups = random.pick([1, 2, 4].filter { type.sizes[3] % $0 == 0 })
        let count = type.sizes[1] * type.sizes[2] * type.sizes[3] / groups
        let attributes: Attributes = ["groups": .int(groups), "count": .int(count)]
        let sum = builder.add(.groupSum, [x], attributes)
        let squares = builder.add(.groupSquares, [x, sum], attributes)
        return builder.add(
            .groupNormalize, [x, sum, squares, weight([type.sizes[3]], mean: 1), weight([type.sizes[3]])],
            [
                "groups": .int(groups), "count": .int(count), "eps": .float(1e-6),
                "activation": .text(random.pick(["none", "silu"])),
            ])
    }

    private mutating func responseNorm(_ x: Program.ValueID) -> Program.ValueID {
        let width = channels(x)
        let hidden = random.int(1...20)
        let granule = random.int(1...4)
        let up = weight([hidden, width], granules: [granule, self.granule(x)], axes: ["mlp", nil])
        let h = builder.add(.dot, [x, up], ["contract": .int(1)])
        let squares = builder.add(.reduce, [h], ["dims": .ints([1, 2]), "kind": .text("sumSquares")])
        let norms = builder.add(.reduce, [squares], ["dims": .ints([1]), "kind": .text("sumSqrt")])
        let (gamma, beta) = (weight([hidden], granules: [granule]), weight([hidden], granules: [granule]))
        let y = builder.add(
            .globalResponseNorm, [h, squares, norms, gamma, beta], ["channels": .int(hidden), "eps": .float(1e-6)])
        let down = weight([width, hidden], granules: [nil, granule], axes: [nil, "mlp"])
        return builder.add(.dot, [y, down], ["contract": .int(1)])
    }

    private mutating func convolution(_ x: Program.ValueID) -> Program.ValueID {
        let type = builder.type(of: x)
        let size = random.pick([1, 3])
        let upsample = type.sizes[1] < 10 ? random.int(1...2) : 1
        let width = random.int(1...3) * 4
        let pad = size / 2
        let each = random.pick([nil, 1, 3])
        let w = weight([width, type.sizes[3], size, size], granules: [each], axes: ["mlp", nil, nil, nil])
        let y = builder.add(
            .conv, [x, w, weight([width], granules: [each])],
            ["stride": .int(1), "padLow": .int(pad), "padHigh": .int(pad), "upsample": .int(upsample)])
        guard upsample == 2, random.chance(70) else { return y }
        return builder.add(
            .conv, [y, weight([width, width, 3, 3]), weight([width])],
            ["stride": .int(2), "padLow": .int(0), "padHigh": .int(1), "upsample": .int(1)])
    }

    private mutating func modulated(_ x: Program.ValueID) -> Program.ValueID {
        let name = "s\(inputs.count)"
        inputs[name] = floats([batch.size, 2, channels(x)])
        let s = builder.input(name, TensorType(.f32, [batch, Dim(2), Dim(channels(x))]))
        let y = builder.add(.modulate, [x, builder.add(.cast, [s])])
        return builder.add(.activation, [y], ["kind": .text(random.pick(["silu", "gelu", "quickGelu"]))])
    }

    /// The end of a decoding step.
    private mutating func sampling(_ x: Program.ValueID) {
        let codes = random.int(2...40)
        let granule = random.int(1...5)
        let table = weight([codes, channels(x)], granules: [granule, self.granule(x)], axes: ["vocab", nil])
        let logits = builder.add(.dot, [x, table], ["contract": .int(1)], dtype: .f32)
        let dims = builder.type(of: logits).dims
        let most = builder.add(.reduce, [logits], ["dims": .ints([3]), "kind": .text("max")])
        let sum = builder.add(.sumExp, [logits, most])
        inputs["rng"] = HostTensor(
            (0..<batch.size).flatMap { [Int32(truncatingIfNeeded: random.next()), 5, Int32($0), 1] },
            dims: [batch.size, 4])
        inputs["temperature"] = floats([batch.size])
        inputs["tokens"] = HostTensor(
            [Int32](repeating: 99, count: batch.size * dims[1].size * dims[2].size),
            dims: [batch.size, dims[1].size, dims[2].size])
        inputs["maskCount"] = HostTensor([Int32](repeating: 1, count: batch.size), dims: [batch.size])
        let rng = builder.input("rng", TensorType(.i32, [batch, Dim(4)]))
        let temperature = builder.input("temperature", TensorType(.f32, [batch]))
        let tokens = builder.input("tokens", TensorType(.i32, Array(dims.prefix(3))))
        let maskCount = builder.input("maskCount", TensorType(.i32, [batch]))
        let kind = random.pick(["generated", "generated", "given", "none"])
        var (choiceNoise, confidenceNoise) = ([rng], [rng])
        if kind == "none" { (choiceNoise, confidenceNoise) = ([], []) }
        if kind == "given" {
            inputs["q"] = HostTensor(floats(dims.map(\.size)).floats.map { abs($0) + 0.01 }, dims: dims.map(\.size))
            inputs["g"] = floats(dims.prefix(3).map(\.size))
            choiceNoise = [builder.input("q", TensorType(.f32, dims))]
            confidenceNoise = [builder.input("g", TensorType(.f32, Array(dims.prefix(3))))]
        }
        let noise: Attributes = ["maskToken": .int(99), "noise": .text(kind)]
        let choice = builder.add(.choose, [logits] + choiceNoise, ["noise": .text(kind)])
        let sampled = builder.add(.acceptTokens, [tokens, choice], ["maskToken": .int(99)])
        let confidence = builder.add(
            .confidence, [tokens, choice, most, sum, temperature] + confidenceNoise, noise)
        builder.output("sampled", sampled)
        builder.output("confidence", confidence)
        builder.output("next", builder.add(.remask, [sampled, confidence, maskCount], ["maskToken": .int(99)]))
        builder.output("embedded", builder.add(.cast, [builder.add(.gather, [table, sampled])], dtype: .f32))
        let nearest = builder.add(.nearestCode, [x, table])
        builder.output("nearest", builder.add(.choiceIndex, [nearest]))
    }

    private mutating func reductions(_ x: Program.ValueID) {
        for (name, dims) in [("rowsSum", [1]), ("allSum", [1, 2, 3]), ("batchSum", [0])] {
            builder.output(
                name, builder.add(.reduce, [x], ["dims": .ints(dims), "kind": .text("sum")]))
        }
    }
}
