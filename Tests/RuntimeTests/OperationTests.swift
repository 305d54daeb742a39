import Program
import Runtime
import Tensor
import Testing

/// Every operation against the reference, in f32 and bf16, at odd sizes.
struct OperationTests {
    /// Asserts that the kernel's result is the reference's, rounded.
    private func check(
        _ operation: SingleOperation, tolerance: Double = 2e-5, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let expected = try ReferenceOps.apply(operation)
        let result = try operation.whole()
        let values = result.floats.map { Double($0) }
        #expect(values.count == expected.count, sourceLocation: sourceLocation)
        let half = result.dtype == .bf16 ? 1.0 / 250 : 0
        let scale = expected.filter(\.isFinite).map { abs($0) }.max() ?? 0
        var worst = 0.0
        for (value, wanted) in zip(values, expected) where value != wanted {
            let error = abs(value - wanted) - abs(wanted) * half
            worst = error.isNaN ? .infinity : max(worst, error)
        }
        #expect(
            worst <= tolerance * max(1, scale), "\(operation.opcode) is off by \(worst)", sourceLocation: sourceLocation
        )
    }

    private static let types: [DType] = [.f32, .bf16]
    private func dims(_ sizes: Int...) -> [Dim] { sizes.map { Dim($0) } }

    @Test(arguments: types, [false, true])
    func dotMatchesReference(_ dtype: DType, _ isWeight: Bool) throws {
        for (rows, columns, depth, granule) in [(1, 1, 1, 1), (3, 70, 45, 7), (37, 33, 128, 32), (130, 65, 91, 91)] {
            let x = Sample.random(dtype, [Dim(rows), Dim(depth, granule: granule)], seed: 1)
            let w = Sample.random(dtype, [Dim(columns), Dim(depth, granule: granule)], seed: 2)
            try check(
                SingleOperation(
                    opcode: .dot, operands: [x, w], attributes: ["contract": .int(1)], dtype: dtype,
                    weights: isWeight ? [1] : []))
        }
        let x = Sample.random(dtype, dims(2, 3, 5, 4), seed: 3)
        let w = Sample.random(dtype == .f32 ? .bf16 : .f32, dims(6, 2, 5, 4), seed: 4)
        try check(SingleOperation(opcode: .dot, operands: [x, w], attributes: ["contract": .int(2)], dtype: dtype))
    }

    @Test(arguments: types)
    func lookups(_ dtype: DType) throws {
        let table = Sample.random(dtype, [Dim(13, granule: 4), Dim(3), Dim(7)], seed: 1)
        let ids = Sample.integers(dims(2, 5), below: 13, seed: 2)
        try check(SingleOperation(opcode: .gather, operands: [table, ids], dtype: dtype))
        let x = Sample.random(dtype, dims(2, 3, 5, 9), seed: 3)
        try check(
            SingleOperation(
                opcode: .takeRow, operands: [x, Sample.integers(dims(2, 3), below: 5, seed: 4)], dtype: dtype))
        let z = Sample.random(dtype, dims(3, 4, 19), seed: 5)
        try check(
            SingleOperation(opcode: .nearestCode, operands: [z, Sample.random(dtype, dims(33, 19), seed: 6)]))
    }

    @Test(arguments: types)
    func elementwise(_ dtype: DType) throws {
        let x = Sample.random(dtype, dims(2, 3, 5, 77), seed: 1, -6...6)
        for sizes in [[2, 3, 5, 77], [77], [1], [5, 1], [3, 1, 77], [2, 1, 5, 1], [1, 5, 77]] {
            let b = Sample.random(dtype, sizes.map { Dim($0) }, seed: 2)
            try check(SingleOperation(opcode: .add, operands: [x, b], dtype: dtype))
            try check(SingleOperation(opcode: .multiply, operands: [x, b], dtype: dtype))
        }
        for kind in ["silu", "gelu", "geluTanh", "quickGelu"] {
            try check(
                SingleOperation(
                    opcode: .activation, operands: [x], attributes: ["kind": .text(kind)], dtype: dtype),
                tolerance: 1e-6)
        }
        let pairs = Sample.random(dtype, dims(3, 2, 51), seed: 3, -3...3)
        try check(SingleOperation(opcode: .gatedGelu, operands: [pairs], dtype: dtype))
        for sizes in [[2, 77], [2, 2, 77], [2, 3, 2, 77], [2, 3, 5, 2, 77]] {
            let s = Sample.random(dtype, sizes.map { Dim($0) }, seed: 4)
            try check(SingleOperation(opcode: .modulate, operands: [x, s], dtype: dtype))
        }
        try check(SingleOperation(opcode: .cast, operands: [x], dtype: dtype == .f32 ? .bf16 : .f32))
        let other = Sample.random(dtype, dims(2, 3, 5, 3), seed: 5)
        try check(SingleOperation(opcode: .concat, operands: [x, other, x], dtype: dtype))
        let v = Sample.random(.f32, dims(3, 5), seed: 6, 0...100)
        try check(
            SingleOperation(
                opcode: .sinusoid, operands: [v], attributes: ["width": .int(16), "maxPeriod": .float(10000)],
                dtype: dtype))
        let colours = Sample.random(dtype, dims(3, 5, 3), seed: 7, -0.5...1.5)
        try check(SingleOperation(opcode: .pixels, operands: [colours]), tolerance: 0)
    }

    @Test(arguments: types)
    func normalizations(_ dtype: DType) throws {
        let x = Sample.random(dtype, dims(3, 5, 83), seed: 1, -2...3)
        let w = Sample.random(dtype, dims(83), seed: 2)
        let b = Sample.random(dtype, dims(83), seed: 3)
        let eps: Attributes = ["eps": .float(1e-6)]
        try check(SingleOperation(opcode: .rmsNorm, operands: [x, w], attributes: eps, dtype: dtype))
        try check(SingleOperation(opcode: .layerNorm, operands: [x, w], attributes: eps, dtype: dtype))
        try check(SingleOperation(opcode: .layerNorm, operands: [x, w, b], attributes: eps, dtype: dtype))
        let picture = Sample.random(dtype, [Dim(2), Dim(7, granule: 2), Dim(5), Dim(12)], seed: 4, -1...2)
        let count = Attribute.int(7 * 5 * 3)
        let sum = SingleOperation(opcode: .groupSum, operands: [picture], attributes: ["groups": .int(4)])
        try check(sum)
        let sums = Sample(.f32, dims(2, 4), try ReferenceOps.apply(sum))
        let squares = SingleOperation(
            opcode: .groupSquares, operands: [picture, sums], attributes: ["groups": .int(4), "count": count])
        try check(squares)
        let scale = Sample.random(dtype, dims(12), seed: 5)
        for activation in ["none", "silu"] {
            try check(
                SingleOperation(
                    opcode: .groupNormalize,
                    operands: [picture, sums, Sample(.f32, dims(2, 4), try ReferenceOps.apply(squares)), scale, scale],
                    attributes: [
                        "groups": .int(4), "count": count, "eps": .float(1e-6), "activation": .text(activation),
                    ], dtype: dtype))
        }
        try check(
            SingleOperation(
                opcode: .globalResponseNorm,
                operands: [
                    picture, Sample.random(.f32, dims(2, 12), seed: 6, 0...9),
                    Sample.random(.f32, dims(2), seed: 7, 1...9), scale, scale,
                ], attributes: ["channels": .int(12), "eps": .float(1e-6)], dtype: dtype))
    }

    @Test(arguments: types)
    func reductions(_ dtype: DType) throws {
        let x = Sample.random(
            dtype, [Dim(3, granule: 2), Dim(5, granule: 1), Dim(7), Dim(37, granule: 8)], seed: 1, 0...1)
        for kind in ["sum", "sumSquares", "sumSqrt", "max"] {
            for dimensions in [[0], [1], [3], [1, 2], [2, 3], [0, 1, 2, 3], [0, 2], [1, 3]] {
                try check(
                    SingleOperation(
                        opcode: .reduce, operands: [x],
                        attributes: ["dims": .ints(dimensions), "kind": .text(kind)]))
            }
        }
        let greatest = Sample.random(.f32, dims(3, 5, 7), seed: 2)
        try check(SingleOperation(opcode: .sumExp, operands: [x, greatest]))
    }

    @Test(arguments: types)
    func attention(_ dtype: DType) throws {
        for (q, k, queryDims, keyDims, causal) in [
            ([2, 3, 5, 3, 9], [2, 3, 5, 3, 9], 2, 2, 0), ([2, 7, 2, 16], [2, 7, 2, 16], 1, 1, 1),
            ([2, 3, 5, 3, 9], [2, 11, 3, 9], 2, 1, 0), ([70, 1, 8], [70, 1, 8], 1, 1, 1),
        ] {
            try check(
                SingleOperation(
                    opcode: .attention,
                    operands: [
                        Sample.random(dtype, q.map { Dim($0) }, seed: 1),
                        Sample.random(dtype, k.map { Dim($0) }, seed: 2),
                        Sample.random(dtype, k.map { Dim($0) }, seed: 3),
                    ],
                    attributes: [
                        "queryDims": .int(queryDims), "keyDims": .int(keyDims), "causal": .int(causal),
                        "scale": .float(0.7),
                    ], dtype: dtype), tolerance: dtype == .f32 ? 2e-5 : 4e-3)
        }
    }

    @Test(arguments: types, [false, true])
    func convolutions(_ dtype: DType, _ isWeight: Bool) throws {
        for (kernel, stride, low, high, upsample) in [
            (3, 1, 1, 1, 1), (1, 1, 0, 0, 1), (3, 2, 0, 1, 1), (3, 1, 1, 1, 2), (2, 2, 0, 1, 1),
        ] {
            try check(
                SingleOperation(
                    opcode: .conv,
                    operands: [
                        Sample.random(dtype, dims(2, 7, 5, 6), seed: 1),
                        Sample.random(dtype, dims(11, 6, kernel, kernel), seed: 2),
                        Sample.random(dtype, dims(11), seed: 3),
                    ],
                    attributes: [
                        "stride": .int(stride), "padLow": .int(low), "padHigh": .int(high), "upsample": .int(upsample),
                    ], dtype: dtype, weights: isWeight ? [1, 2] : []))
        }
        try check(
            SingleOperation(
                opcode: .depthwiseConv,
                operands: [
                    Sample.random(dtype, dims(2, 4, 5, 19), seed: 4), Sample.random(dtype, dims(19, 3, 3), seed: 5),
                ], dtype: dtype))
        let even = Sample.random(dtype, dims(2, 4, 6, 3), seed: 6)
        try check(SingleOperation(opcode: .spaceToDepth, operands: [even], dtype: dtype))
        let blocks = Sample.random(dtype, dims(2, 3, 5, 2, 2, 7), seed: 7)
        try check(SingleOperation(opcode: .depthToSpace, operands: [blocks], dtype: dtype))
    }

    @Test(arguments: types)
    func sampling(_ dtype: DType) throws {
        let halves = Sample.random(dtype, dims(2, 2, 3, 4, 37), seed: 1, -4...4)
        let scale = Sample(.f32, dims(2), [3, 1.5])
        try check(SingleOperation(opcode: .guide, operands: [halves, scale]))
        try check(
            SingleOperation(
                opcode: .guide, operands: [Sample.random(dtype, dims(1, 2, 3, 37), seed: 2), scale]))
        let logits = Sample.random(.f32, dims(2, 3, 4, 1031), seed: 3, -4...4)
        let rng = Sample(.i32, dims(2, 4), [123_456, -77, 0, 5, 9, 0, 1, 5])
        let noise = Sample.random(dtype, dims(2, 3, 4, 1031), seed: 4, 0.001...5)
        for (kind, extra) in [("generated", [rng]), ("given", [noise]), ("none", [])] {
            try check(
                SingleOperation(
                    opcode: .choose, operands: [logits] + extra, attributes: ["noise": .text(kind)]))
        }
        let triples = (0..<72).map { (i: Int) -> Double in i % 3 == 1 ? Double(i) : Double(i % 7) / 8 }
        let choice = Sample(.f32, dims(2, 3, 4, 3), triples)
        try check(SingleOperation(opcode: .choiceIndex, operands: [choice]))
        let ids = (0..<24).map { (i: Int) -> Double in i % 3 == 0 ? 99 : Double(i) }
        let tokens = Sample(.i32, dims(2, 3, 4), ids)
        let mask: Attribute = .int(99)
        try check(SingleOperation(opcode: .acceptTokens, operands: [tokens, choice], attributes: ["maskToken": mask]))
        let greatest = Sample.random(.f32, dims(2, 3, 4), seed: 5, 1...2)
        let sums = Sample.random(.f32, dims(2, 3, 4), seed: 6, 1...9)
        let gumbel = Sample.random(.f32, dims(2, 3, 4), seed: 7)
        for (kind, extra) in [("generated", [rng]), ("given", [gumbel]), ("none", [])] {
            try check(
                SingleOperation(
                    opcode: .confidence, operands: [tokens, choice, greatest, sums, scale] + extra,
                    attributes: ["maskToken": mask, "noise": .text(kind)]), tolerance: 1e-6)
        }
        for counts in [[0.0, 5], [-1, 11], [12, 3]] {
            try check(
                SingleOperation(
                    opcode: .remask, operands: [tokens, greatest, Sample(.i32, dims(2), counts)],
                    attributes: ["maskToken": mask]))
        }
    }
}
