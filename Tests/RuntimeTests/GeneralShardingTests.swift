import Program
import Runtime
import Tensor
import Testing

/// Partial results of the general operations, and programs that contradict themselves.
extension ShardingTests {
    private func product(_ dtype: DType, _ depth: Dim) -> SingleOperation {
        SingleOperation(
            opcode: .dotGeneral,
            operands: [
                Sample.random(dtype, dims(2, 3) + [depth], seed: 1),
                Sample.random(dtype, [depth] + dims(2, 35), seed: 2),
            ],
            attributes: [
                "lhsBatch": .ints([0]), "rhsBatch": .ints([1]), "lhsContract": .ints([2]), "rhsContract": .ints([0]),
            ], dtype: dtype)
    }

    private func convolution(_ dtype: DType, _ channels: Dim) -> SingleOperation {
        SingleOperation(
            opcode: .convGeneral,
            operands: [
                Sample.random(dtype, dims(1, 5, 4) + [channels], seed: 1),
                Sample.random(dtype, dims(3, 3) + [channels] + dims(6), seed: 2),
            ],
            attributes: [
                "strides": .ints([1, 2]), "padLow": .ints([1, 1]), "padHigh": .ints([1, 1]), "groups": .int(1),
                "dilation": .ints([1, 1]),
            ], dtype: dtype)
    }

    @Test(arguments: [DType.f32, .bf16])
    func generalProducts(_ dtype: DType) throws {
        for depth in [Dim(23, granule: 3), Dim(40, granule: 8)] {
            try checkReduced(product(dtype, depth), depth, operands: [2, 0])
            try checkReduced(convolution(dtype, depth), depth, operands: [3, 2])
        }
    }

    /// Two devices, each with a part of two reduced dimensions and of everything else what it needs: their sums add up.
    @Test func localSums() throws {
        let (k, l) = (Dim(6, granule: 1), Dim(10, granule: 2))
        let contraction: Attributes = [
            "lhsBatch": .ints([]), "rhsBatch": .ints([]), "lhsContract": .ints([1, 2]), "rhsContract": .ints([0, 1]),
        ]
        let (x, w) = (Sample.small(.f32, dims(4) + [k, l], seed: 1), Sample.small(.f32, [k, l] + dims(7), seed: 2))
        let operations = [
            (SingleOperation(opcode: .dotGeneral, operands: [x, w], attributes: contraction), [[1, 2], [0, 1]]),
            (
                SingleOperation(
                    opcode: .dot, operands: [x, Sample.small(.f32, dims(7) + [k, l], seed: 3)],
                    attributes: ["contract": .int(2)]), [[1, 2], [1, 2]]
            ),
            (
                SingleOperation(
                    opcode: .reduce, operands: [x], attributes: ["dims": .ints([1, 2]), "kind": .text("sum")]),
                [[1, 2]]
            ),
        ]
        let root = [ReductionTree.Node(first: 0, level: 0)]
        for (operation, reduced) in operations {
            let whole = try operation.whole().floats
            let sizes = try operation.resultType().sizes
            var sum = [Float](repeating: 0, count: whole.count)
            for (first, second) in [(0..<4, 0..<4), (0..<4, 4..<10), (4..<6, 0..<4), (4..<6, 4..<10)] {
                let boxes = zip(operation.operands, reduced).map { operand, dims in
                    var box = Box(covering: operand.sizes)
                    box.ranges[dims[0]] = first
                    box.ranges[dims[1]] = second
                    return box
                }
                let part = try operation.run(
                    boxes: boxes, result: Box(covering: sizes), nodes: root, leafCount: 4, isLocalSum: true)
                sum = zip(sum, part.floats).map { $0 + $1 }
            }
            #expect(sum == whole)
        }
    }

    /// What several devices choose from their parts, put side by side and merged, is what one chooses.
    @Test func candidatesOfParts() throws {
        let row = Dim(41, granule: 1)
        let operation = SingleOperation(
            opcode: .topK, operands: [Sample.small(.f32, dims(3) + [row], seed: 4)], attributes: ["k": .int(5)])
        let whole = try operation.whole().floats
        var pairs = [[Double]](repeating: [], count: 3)
        for range in cuts(row) {
            var sharded = operation
            sharded.declared = TensorType(.f32, dims(3, 20, 2))
            let part = try sharded.run(
                boxes: [box([3, 41], 1, range)], result: Box([0..<3, 5..<10, 0..<2])
            ).floats.map(Double.init)
            for index in 0..<3 { pairs[index] += part[(index * 10)..<(index * 10 + 10)] }
        }
        let merged = SingleOperation(
            opcode: .mergeTopK, operands: [Sample(.f32, dims(3, 20, 2), pairs.flatMap { $0 })],
            attributes: ["k": .int(5)])
        #expect(try merged.whole().floats == whole)
    }

    @Test func whatIsNotHeldIsAnError() throws {
        let x = Sample.small(.f32, [Dim(6, granule: 1), Dim(5, granule: 1)], seed: 1)
        func refuse(
            _ opcode: Opcode, _ attributes: Attributes, _ held: Box, _ result: Box,
            sourceLocation: SourceLocation = #_sourceLocation
        ) {
            let operation = SingleOperation(opcode: opcode, operands: [x], attributes: attributes)
            #expect(throws: ExecutionError.self, sourceLocation: sourceLocation) {
                try operation.run(boxes: [held], result: result)
            }
        }
        let whole = Box(covering: [6, 5])
        refuse(.unary, ["kind": .text("exp")], Box([0..<3, 0..<5]), whole)
        refuse(.transpose, ["permutation": .ints([1, 0])], Box([0..<6, 1..<5]), Box(covering: [5, 6]))
        refuse(.reshape, ["sizes": .ints([30])], Box([0..<5, 0..<5]), Box(covering: [30]))
        refuse(
            .slice, ["start": .ints([1, 0]), "limit": .ints([4, 5])], Box([0..<3, 0..<5]), Box(covering: [3, 5]))
        refuse(.sort, ["dim": .int(0)], Box([0..<5, 0..<5]), whole)
        refuse(.reverse, ["dims": .ints([0])], Box([0..<3, 0..<5]), Box([0..<3, 0..<5]))
        refuse(.reduce, ["dims": .ints([0]), "kind": .text("sum")], Box([0..<5, 0..<5]), Box(covering: [5]))
        // A result whose element type is not the operation's.
        var wrong = SingleOperation(opcode: .transpose, operands: [x], attributes: ["permutation": .ints([1, 0])])
        wrong.declared = TensorType(.i32, dims(5, 6))
        #expect(throws: ExecutionError.self) { try wrong.whole() }
        // A slice that ends outside.
        var long = SingleOperation(
            opcode: .slice, operands: [x], attributes: ["start": .ints([1, 0]), "limit": .ints([7, 5])])
        long.declared = x.type
        #expect(throws: ExecutionError.self) { try long.whole() }
        // Tree nodes of another tree.
        let sum = SingleOperation(
            opcode: .reduce, operands: [x], attributes: ["dims": .ints([0]), "kind": .text("sum")])
        #expect(throws: ExecutionError.self) {
            try sum.run(
                boxes: [whole], result: Box(covering: [5]), nodes: [.init(first: 7, level: 0)], leafCount: 9)
        }
    }
}
