import CKernels
import Program
import Runtime
import Tensor
import Testing

/// Parts computed by themselves have the bits of the whole.
struct ShardingTests {
    private static let types: [DType] = [.f32, .bf16]
    func dims(_ sizes: Int...) -> [Dim] { sizes.map { Dim($0) } }

    /// Cuts a dimension into unequal ranges of granules, one of them empty.
    func cuts(_ dim: Dim) -> [Range<Int>] {
        let n = dim.granuleCount
        return [0..<(n / 3), (n / 3)..<(n / 3), (n / 3)..<(n - 1), (n - 1)..<n]
    }

    func box(_ sizes: [Int], _ dimension: Int?, _ range: Range<Int>) -> Box {
        var box = Box(covering: sizes)
        if let dimension { box.ranges[dimension] = range }
        return box
    }

    /// Checks that cutting a dimension which is not reduced changes no bit.
    ///
    /// - Parameter cut: the dimension in each operand (nil: the operand stays whole) and in the result.
    func checkPassThrough(
        _ operation: SingleOperation, _ dim: Dim, _ cut: (operands: [Int?], result: Int),
        sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let whole = try operation.whole().floats
        let sizes = try operation.resultType().sizes
        for granules in cuts(dim) {
            let range = dim.elements(granules)
            let result = box(sizes, cut.result, range)
            let boxes = zip(operation.operands, cut.operands).map { box($0.sizes, $1, range) }
            let piece = try operation.run(boxes: boxes, result: result).floats
            #expect(piece == part(whole, sizes, result), "\(range)", sourceLocation: sourceLocation)
        }
    }

    /// Checks that partial results of a cut reduced dimension combine to the whole's bits.
    func checkReduced(
        _ operation: SingleOperation, _ dim: Dim, operands: [Int?], sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let whole = try operation.whole()
        let sizes = try operation.resultType().sizes
        let leafCount = dim.granuleCount
        var nodes: [ReductionTree.Node] = []
        var partials: [[Float]] = []
        for granules in cuts(dim) {
            let own = ReductionTree.maximalNodes(of: granules, leafCount: leafCount)
            let boxes = zip(operation.operands, operands).map { box($0.sizes, $1, dim.elements(granules)) }
            let piece = try operation.run(
                boxes: boxes, result: Box(covering: sizes), nodes: own, leafCount: leafCount)
            let count = sizes.reduce(1, *)
            #expect(piece.floats.count == own.count * count, sourceLocation: sourceLocation)
            partials += own.indices.map { Array(piece.floats[($0 * count)..<(($0 + 1) * count)]) }
            nodes += own
        }
        let combined = combine(partials, nodes, leafCount, whole.dtype)
        #expect(combined == whole.floats, sourceLocation: sourceLocation)
    }

    private func combine(
        _ partials: [[Float]], _ nodes: [ReductionTree.Node], _ leafCount: Int, _ dtype: DType
    ) -> [Float] {
        let count = partials[0].count
        let flat = partials.flatMap { $0 }
        let bytes = flat.withUnsafeBufferPointer { buffer in
            let pointers = partials.indices.map { index in buffer.baseAddress.map { $0 + index * count } }
            return [UInt8](unsafeUninitializedCapacity: count * dtype.byteCount) { out, written in
                tk_tree_combine(
                    pointers, nodes.map { UInt8($0.level) }, nodes.map(\.first), nodes.count, leafCount, count,
                    out.baseAddress, dtype == .bf16 ? TK_BF16 : TK_F32)
                written = count * dtype.byteCount
            }
        }
        return HostTensor(dtype: dtype, dims: [count], bytes: bytes).floats
    }

    @Test(arguments: types, [false, true])
    func dot(_ dtype: DType, _ isWeight: Bool) throws {
        for (rows, columns, granule, count) in [(1, 65, 3, 7), (37, 129, 32, 5), (50, 17, 20, 16)] {
            let depth = Dim(granule * count - 2, granule: granule)
            let (m, n) = (Dim(rows, granule: 1), Dim(columns, granule: 5))
            let operation = SingleOperation(
                opcode: .dot,
                operands: [Sample.random(dtype, [m, depth], seed: 1), Sample.random(dtype, [n, depth], seed: 2)],
                attributes: ["contract": .int(1)], dtype: dtype, weights: isWeight ? [1] : [])
            try checkPassThrough(operation, m, ([0, nil], 0))
            try checkPassThrough(operation, n, ([nil, 0], 1))
            try checkReduced(operation, depth, operands: [1, 1])
        }
        let heads = Dim(6, granule: 1)
        try checkReduced(
            SingleOperation(
                opcode: .dot,
                operands: [
                    Sample.random(dtype, dims(5) + [heads] + dims(9), seed: 3),
                    Sample.random(dtype, dims(7) + [heads] + dims(9), seed: 4),
                ], attributes: ["contract": .int(2)], dtype: dtype, weights: isWeight ? [1] : []), heads,
            operands: [1, 1])
    }

    @Test(arguments: types)
    func gather(_ dtype: DType) throws {
        let vocabulary = Dim(37, granule: 4)
        let operation = SingleOperation(
            opcode: .gather,
            operands: [
                Sample.random(dtype, [vocabulary, Dim(9, granule: 2)], seed: 1),
                Sample.integers(dims(2, 17), below: 37, seed: 2),
            ], dtype: dtype)
        try checkReduced(operation, vocabulary, operands: [0, nil])
        try checkPassThrough(operation, Dim(9, granule: 2), ([1, nil], 2))
    }

    @Test(arguments: types)
    func reductions(_ dtype: DType) throws {
        let (rows, columns) = (Dim(13, granule: 2), Dim(45, granule: 8))
        let x = Sample.random(dtype, [Dim(2), rows, Dim(3), columns], seed: 1, 0...1)
        for kind in ["sum", "sumSquares", "sumSqrt"] {
            for (dimensions, dim) in [([1, 2], rows), ([1], rows), ([3], columns), ([1, 3], rows)] {
                let operation = SingleOperation(
                    opcode: .reduce, operands: [x],
                    attributes: ["dims": .ints(dimensions), "kind": .text(kind)])
                try checkReduced(operation, dim, operands: [dimensions[0]])
            }
            try checkPassThrough(
                SingleOperation(
                    opcode: .reduce, operands: [x], attributes: ["dims": .ints([1, 2]), "kind": .text(kind)]), columns,
                ([3], 1))
        }
        try checkReduced(
            SingleOperation(opcode: .sumExp, operands: [x, Sample.random(.f32, dims(2, 13, 3), seed: 2)]), columns,
            operands: [3, nil])
        let sum = SingleOperation(
            opcode: .groupSum, operands: [Sample.random(dtype, dims(2) + [rows] + dims(3, 8), seed: 3)],
            attributes: ["groups": .int(2)])
        try checkReduced(sum, rows, operands: [1])
        try checkReduced(
            SingleOperation(
                opcode: .groupSquares, operands: sum.operands + [Sample.random(.f32, dims(2, 2), seed: 4)],
                attributes: ["groups": .int(2), "count": .int(156)]), rows, operands: [1, nil])
    }

    @Test(arguments: types)
    func attention(_ dtype: DType) throws {
        for causal in [0, 1] {
            let (heads, rows) = (Dim(5, granule: 1), Dim(7, granule: 1))
            let shape = dims(2) + [rows] + dims(3) + [heads] + dims(16)
            let operation = SingleOperation(
                opcode: .attention,
                operands: (1...3).map { Sample.random(dtype, shape, seed: UInt64($0)) },
                attributes: ["queryDims": .int(2), "keyDims": .int(2), "causal": .int(causal), "scale": .float(0.25)],
                dtype: dtype)
            try checkPassThrough(operation, heads, ([3, 3, 3], 3))
            try checkPassThrough(operation, rows, ([1, nil, nil], 1))
        }
    }

    @Test(arguments: types)
    func convolutionRows(_ dtype: DType) throws {
        for (kernel, stride, low, high, upsample) in [
            (3, 1, 1, 1, 1), (3, 2, 0, 1, 1), (3, 1, 1, 1, 2), (1, 1, 0, 0, 1),
        ] {
            let rows = Dim(12, granule: 2)
            let operation = SingleOperation(
                opcode: .conv,
                operands: [
                    Sample.random(dtype, dims(2) + [rows] + dims(6, 5), seed: 1),
                    Sample.random(dtype, [Dim(9, granule: 2)] + dims(5, kernel, kernel), seed: 2),
                    Sample.random(dtype, [Dim(9, granule: 2)], seed: 3),
                ],
                attributes: [
                    "stride": .int(stride), "padLow": .int(low), "padHigh": .int(high), "upsample": .int(upsample),
                ], dtype: dtype, weights: [1])
            let type = try operation.resultType()
            let whole = try operation.whole().floats
            for granules in cuts(type.dims[1]) {
                let out = type.dims[1].elements(granules)
                let first = max(0, (out.lowerBound * stride - low)) / upsample
                let last = min(11, ((out.upperBound - 1) * stride - low + kernel - 1) / upsample)
                let result = box(type.sizes, 1, out)
                let needed = out.isEmpty ? 0..<0 : first..<(last + 1)
                let boxes =
                    [box(operation.operands[0].sizes, 1, needed)]
                    + operation.operands.dropFirst().map { Box(covering: $0.sizes) }
                let piece = try operation.run(boxes: boxes, result: result).floats
                #expect(piece == part(whole, type.sizes, result))
            }
            try checkPassThrough(operation, Dim(9, granule: 2), ([nil, 0, 0], 3))
        }
    }

    @Test(arguments: types)
    func depthwiseRows(_ dtype: DType) throws {
        let rows = Dim(9, granule: 1)
        let operation = SingleOperation(
            opcode: .depthwiseConv,
            operands: [
                Sample.random(dtype, dims(2) + [rows] + dims(4, 21), seed: 1),
                Sample.random(dtype, dims(21, 3, 3), seed: 2),
            ],
            dtype: dtype)
        let whole = try operation.whole().floats
        for range in cuts(rows) where !range.isEmpty {
            let result = box([2, 9, 4, 21], 1, range)
            let needed = box([2, 9, 4, 21], 1, max(0, range.lowerBound - 1)..<min(9, range.upperBound + 1))
            let piece = try operation.run(boxes: [needed, Box(covering: [21, 3, 3])], result: result).floats
            #expect(piece == part(whole, [2, 9, 4, 21], result))
        }
    }

    /// Arg-max triples and maxima of vocabulary ranges give the whole's, whoever draws the noise.
    @Test func choicesOfVocabularyRanges() throws {
        let vocabulary = Dim(1000, granule: 64)
        let logits = Sample.random(.f32, dims(2, 3, 2) + [vocabulary], seed: 1)
        let rng = Sample(.i32, dims(2, 4), [5, 6, 0, 1, 5, 6, 1, 1])
        let z = Sample.random(.f32, dims(2, 3, 2, 8), seed: 2)
        let operations = [
            (
                SingleOperation(opcode: .choose, operands: [logits, rng], attributes: ["noise": .text("generated")]),
                [3, nil]
            ),
            (
                SingleOperation(
                    opcode: .nearestCode, operands: [z, Sample.random(.f32, [vocabulary] + dims(8), seed: 3)]),
                [nil, 0]
            ),
        ]
        for (operation, dimensions) in operations {
            let whole = try operation.whole().floats
            var best = [Float](repeating: -.infinity, count: whole.count)
            for granules in cuts(vocabulary) {
                let range = vocabulary.elements(granules)
                let boxes = zip(operation.operands, dimensions).map { box($0.sizes, $1, range) }
                let piece = try operation.run(boxes: boxes, result: Box(covering: [2, 3, 2, 3])).floats
                if range.isEmpty { #expect(Array(piece.prefix(3)) == [-.infinity, 16_777_216, 0]) }
                tk_argmax_combine(&best, piece, whole.count / 3)
            }
            #expect(best == whole)
        }
        let maximum = SingleOperation(
            opcode: .reduce, operands: [logits], attributes: ["dims": .ints([3]), "kind": .text("max")])
        let empty = try maximum.run(boxes: [box(logits.sizes, 3, 0..<0)], result: Box(covering: [2, 3, 2]))
        #expect(empty.floats.allSatisfy { $0 == -.infinity })
    }

    /// Token rows of a grid draw what they draw in the whole.
    @Test func choicesOfTokenRows() throws {
        let rows = Dim(5, granule: 1)
        let logits = Sample.random(.f32, dims(2) + [rows] + dims(3, 77), seed: 1)
        let rng = Sample(.i32, dims(2, 4), [5, 6, 0, 1, 5, 6, 1, 1])
        try checkPassThrough(
            SingleOperation(opcode: .choose, operands: [logits, rng], attributes: ["noise": .text("generated")]), rows,
            ([1, nil], 1))
        let shape = dims(2) + [rows] + dims(3)
        let tokens = Sample(.i32, shape, [Double](repeating: 9, count: 30))
        let choice = Sample.random(.f32, shape + dims(3), seed: 2)
        let sums = Sample.random(.f32, shape, seed: 3, 1...2)
        try checkPassThrough(
            SingleOperation(
                opcode: .confidence, operands: [tokens, choice, sums, sums, Sample(.f32, dims(2), [1, 2]), rng],
                attributes: ["maskToken": .int(9), "noise": .text("generated")]), rows, ([1, 1, 1, 1, nil, nil], 1))
    }

    /// The number of threads is a matter of speed alone.
    @Test(arguments: types)
    func threadsChangeNothing(_ dtype: DType) throws {
        let depth = Dim(300, granule: 32)
        var operation = SingleOperation(
            opcode: .dot,
            operands: [
                Sample.random(dtype, dims(70) + [depth], seed: 1), Sample.random(dtype, dims(200) + [depth], seed: 2),
            ],
            attributes: ["contract": .int(1)], dtype: dtype)
        operation.threads = 1
        let alone = try operation.whole()
        operation.threads = 5
        #expect(try operation.whole() == alone)
    }
}
