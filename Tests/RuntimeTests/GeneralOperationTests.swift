import Foundation
import Program
import Runtime
import Tensor
import TestSupport
import Testing

/// The general operations against the reference, whole and on parts.
struct GeneralOperationTests {
    /// One thing to compute, and how near the reference it must come (0: exactly).
    struct Case: Sendable, CustomTestStringConvertible {
        let name: String
        let operation: @Sendable () -> SingleOperation
        var tolerance = 0.0
        var testDescription: String { name }
    }

    private static func fine(_ sizes: Int...) -> [Dim] { sizes.map { Dim($0, granule: 1) } }

    private static func operation(
        _ opcode: Opcode, _ operands: [Sample], _ attributes: Attributes = [:], _ dtype: DType? = nil,
        declared: TensorType? = nil
    ) -> SingleOperation {
        SingleOperation(
            opcode: opcode, operands: operands, attributes: attributes,
            dtype: dtype ?? operands.first?.type.dtype ?? .f32,
            declared: declared)
    }

    static let arithmetic: [Case] = {
        var cases: [Case] = []
        for dtype in [DType.f32, .bf16] {
            for kind in ["exp", "log", "tanh", "logistic", "rsqrt", "sqrt", "negate", "abs"] {
                let isPositive = ["log", "rsqrt", "sqrt"].contains(kind)
                cases.append(
                    Case(
                        name: "unary \(kind) \(dtype)",
                        operation: {
                            operation(
                                .unary, [.random(dtype, fine(7, 301), seed: 1, (isPositive ? 0.01 : -9)...9)],
                                ["kind": .text(kind)])
                        }, tolerance: dtype == .f32 ? 1e-6 : 0.01))
            }
            for kind in ["add", "subtract", "multiply", "divide", "maximum", "minimum"] {
                cases.append(
                    Case(
                        name: "binary \(kind) \(dtype)",
                        operation: {
                            operation(
                                .binary,
                                [
                                    .small(dtype, fine(5, 3, 11), seed: 1),
                                    .small(dtype, fine(5, 3, 11), seed: 2, 1...9),
                                ],
                                ["kind": .text(kind)])
                        }, tolerance: kind == "divide" ? (dtype == .f32 ? 1e-6 : 0.01) : 0))
                cases.append(
                    Case(
                        name: "binary \(kind) i32",
                        operation: {
                            operation(
                                .binary,
                                [.small(.i32, fine(5, 33), seed: 1, -99...99), .small(.i32, fine(5, 33), seed: 2)],
                                ["kind": .text(kind)])
                        }))
            }
            for direction in ["eq", "ne", "lt", "le", "gt", "ge"] {
                for type in [dtype, .i32, .u8] {
                    cases.append(
                        Case(
                            name: "compare \(direction) \(type)",
                            operation: {
                                operation(
                                    .compare,
                                    [
                                        .small(type, fine(5, 33), seed: 1, 0...3),
                                        .small(type, fine(5, 33), seed: 2, 0...3),
                                    ], ["direction": .text(direction)])
                            }))
                }
            }
        }
        for type in [DType.f32, .bf16, .i32, .u8] {
            cases.append(
                Case(
                    name: "select \(type)",
                    operation: {
                        operation(
                            .select,
                            [
                                .small(.u8, fine(9, 13), seed: 3, 0...1), .small(type, fine(9, 13), seed: 1, 0...9),
                                .small(type, fine(9, 13), seed: 2, 0...9),
                            ])
                    }))
            for other in [DType.f32, .bf16, .i32, .u8] {
                cases.append(
                    Case(
                        name: "cast \(type) to \(other)",
                        operation: { operation(.cast, [.small(type, fine(3, 1025), seed: 1, 0...200)], [:], other) }))
            }
            cases.append(
                Case(
                    name: "constant \(type)",
                    operation: {
                        operation(
                            .constant, [], ["value": .float(3)], declared: TensorType(type, fine(3, 5)))
                    }))
        }
        for (dim, type) in [(0, DType.i32), (1, .f32), (2, .bf16)] {
            cases.append(
                Case(
                    name: "iota \(dim) \(type)",
                    operation: {
                        operation(.iota, [], ["dim": .int(dim)], declared: TensorType(type, fine(4, 5, 6)))
                    }))
        }
        return cases
    }()

    static let movement: [Case] = {
        var cases: [Case] = []
        for type in [DType.f32, .bf16, .i32, .u8] {
            func add(
                _ name: String, _ opcode: Opcode, _ dims: [Dim], _ attributes: Attributes = [:],
                _ more: @escaping @Sendable () -> [Sample] = { [] }
            ) {
                cases.append(
                    Case(
                        name: "\(name) \(type)",
                        operation: {
                            operation(opcode, [.small(type, dims, seed: 1, 0...99)] + more(), attributes)
                        }))
            }
            add("annotate", .annotate, fine(3, 5, 7))
            for permutation in [[1, 0, 2], [2, 1, 0], [0, 2, 1], [2, 0, 1], [1, 2, 0], [0, 1, 2]] {
                add("transpose \(permutation)", .transpose, fine(5, 19, 33), ["permutation": .ints(permutation)])
            }
            add(
                "broadcast", .broadcast, fine(3, 1, 5), ["sizes": .ints([2, 3, 4, 7, 5]), "dims": .ints([1, 2, 4])])
            add("broadcast scalar", .broadcast, [], ["sizes": .ints([3, 5]), "dims": .ints([])])
            add("slice", .slice, fine(7, 9, 11), ["start": .ints([1, 0, 3]), "limit": .ints([6, 9, 10])])
            add(
                "slice strided", .slice, fine(7, 9, 11),
                ["start": .ints([1, 0, 3]), "limit": .ints([7, 9, 11]), "strides": .ints([2, 3, 5])])
            add("pad", .pad, fine(3, 4, 5), ["low": .ints([1, 0, 2]), "high": .ints([0, 3, 1])])
            add("reverse", .reverse, fine(3, 4, 5), ["dims": .ints([0, 2])])
            for (from, to) in [
                ([6, 4, 5], [24, 5]), ([24, 5], [6, 4, 5]), ([4, 6], [3, 8]), ([2, 3, 4, 5], [6, 20]),
                ([7, 1, 3], [21]),
                ([12], [2, 1, 3, 2]), ([5, 6, 7], [5, 42]), ([8, 3, 4], [4, 6, 4]),
            ] {
                add(
                    "reshape \(from) \(to)", .reshape, from.map { Dim($0, granule: 1) }, ["sizes": .ints(to)])
            }
            for dim in 0..<3 {
                var (a, b) = ([3, 4, 5], [3, 4, 5])
                (a[dim], b[dim]) = (2, 7)
                let shapes = [a, b]
                add("concat \(dim)", .concat, fine(3, 4, 5), ["dim": .int(dim)]) {
                    shapes.enumerated().map { index, sizes in
                        .small(type, sizes.map { Dim($0, granule: 1) }, seed: UInt64(index) + 5, 0...99)
                    }
                }
            }
            for start in [[0, 0, 0], [2, 1, 3], [-5, 99, 2]] {
                add("dynamicSlice \(start)", .dynamicSlice, fine(6, 4, 7), ["sizes": .ints([2, 4, 3])]) {
                    start.map { Sample(.i32, [], [Double($0)]) }
                }
                add("dynamicUpdate \(start)", .dynamicUpdate, fine(6, 4, 7)) {
                    [.small(type, fine(2, 4, 3), seed: 9, 0...99)] + start.map { Sample(.i32, [], [Double($0)]) }
                }
            }
        }
        return cases
    }()

    static let products: [Case] = {
        var cases: [Case] = []
        for dtype in [DType.f32, .bf16] {
            func add(_ name: String, _ a: [Dim], _ b: [Dim], _ lists: [[Int]], out: DType = .f32) {
                cases.append(
                    Case(
                        name: "\(name) \(dtype)",
                        operation: {
                            operation(
                                .dotGeneral, [.small(dtype, a, seed: 1), .small(dtype, b, seed: 2)],
                                [
                                    "lhsBatch": .ints(lists[0]), "rhsBatch": .ints(lists[1]),
                                    "lhsContract": .ints(lists[2]), "rhsContract": .ints(lists[3]),
                                ], out)
                        }))
            }
            add("matrix", fine(53, 17), fine(17, 133), [[], [], [1], [0]])
            add("rows", fine(5, 40), fine(37, 40), [[], [], [1], [1]])
            add("batched", fine(2, 3, 7, 5), fine(2, 3, 9, 5), [[0, 1], [0, 1], [3], [3]])
            add("batch inside", fine(7, 3, 5), fine(5, 9, 3), [[1], [2], [2], [0]])
            add("two contracted", fine(4, 3, 6), fine(6, 5, 3), [[], [], [2, 1], [0, 2]])
            add("outer", fine(4, 2), fine(3), [[], [], [], []])
            add("inner", fine(19), fine(19), [[], [], [0], [0]])
            func conv(
                _ name: String, _ x: [Dim], _ w: [Dim], strides: [Int] = [1, 1], low: [Int] = [0, 0],
                high: [Int] = [0, 0], groups: Int = 1, dilation: [Int] = [1, 1]
            ) {
                cases.append(
                    Case(
                        name: "conv \(name) \(dtype)",
                        operation: {
                            operation(
                                .convGeneral, [.small(dtype, x, seed: 1, -2...2), .small(dtype, w, seed: 2, -2...2)],
                                [
                                    "strides": .ints(strides), "padLow": .ints(low), "padHigh": .ints(high),
                                    "groups": .int(groups), "dilation": .ints(dilation),
                                ], .f32)
                        }))
            }
            conv("same", fine(2, 7, 6, 5), fine(3, 3, 5, 4), low: [1, 1], high: [1, 1])
            conv("strided", fine(1, 9, 8, 3), fine(3, 2, 3, 35), strides: [2, 3], low: [1, 0], high: [0, 1])
            conv("transposed", fine(1, 4, 5, 3), fine(4, 4, 3, 2), low: [2, 2], high: [2, 2], dilation: [2, 2])
            conv("depthwise", fine(2, 6, 5, 7), fine(3, 3, 1, 7), low: [1, 1], high: [1, 1], groups: 7)
            conv("grouped", fine(1, 5, 5, 6), fine(2, 2, 2, 9), groups: 3)
            conv("wide padding", fine(1, 2, 2, 3), fine(2, 2, 3, 2), low: [3, 3], high: [3, 3])
        }
        return cases
    }()

    static let choices: [Case] = {
        var cases: [Case] = []
        for dtype in [DType.f32, .bf16] {
            for dim in 0..<3 {
                cases.append(
                    Case(
                        name: "argMax \(dim) \(dtype)",
                        operation: {
                            operation(.argMax, [.small(dtype, fine(5, 6, 7), seed: 1)], ["dim": .int(dim)])
                        }))
                for (type, sizes) in [(dtype, fine(5, 66, 7)), (.i32, fine(70, 3, 5))] {
                    cases.append(
                        Case(
                            name: "sort \(dim) \(type)",
                            operation: {
                                operation(.sort, [.small(type, sizes, seed: 1, -500...500)], ["dim": .int(dim)])
                            }))
                }
            }
            cases.append(
                Case(
                    name: "topK \(dtype)",
                    operation: { operation(.topK, [.small(dtype, fine(5, 3, 41), seed: 1)], ["k": .int(6)]) }))
            cases.append(
                Case(
                    name: "maxPool \(dtype)",
                    operation: {
                        operation(
                            .maxPool, [.small(dtype, fine(2, 7, 8, 5), seed: 1)],
                            [
                                "window": .ints([3, 2]), "strides": .ints([2, 1]), "padLow": .ints([1, 0]),
                                "padHigh": .ints([1, 1]),
                            ])
                    }))
            for kind in ["sum", "max", "min"] {
                for dims in [[0], [1], [2], [0, 2], [1, 2], [0, 1, 2]] {
                    cases.append(
                        Case(
                            name: "reduce \(kind) \(dims) \(dtype)",
                            operation: {
                                operation(
                                    .reduce, [.small(dtype, fine(5, 6, 7), seed: 1)],
                                    ["dims": .ints(dims), "kind": .text(kind)])
                            }))
                }
            }
        }
        cases.append(
            Case(
                name: "mergeTopK",
                operation: { operation(.mergeTopK, [.small(.f32, fine(4, 9, 2), seed: 1)], ["k": .int(4)]) }))
        for type in [DType.f32, .u8] {
            cases.append(
                Case(
                    name: "resize \(type)",
                    operation: {
                        operation(.resize, [.small(type, fine(2, 3, 4, 5), seed: 1, 0...9)], ["factor": .int(3)])
                    }
                ))
        }
        return cases
    }()

    @Test(arguments: arithmetic + movement + products + choices)
    func whole(_ test: Case) throws {
        let operation = test.operation()
        let result = try operation.whole().floats
        let reference = try ReferenceOps.apply(operation)
        #expect(result.count == reference.count)
        for (got, wanted) in zip(result, reference) {
            #expect(abs(Double(got) - wanted) <= test.tolerance * max(1, abs(wanted)) || Double(got) == wanted)
        }
    }

    /// Random parts of the result from operands that hold everything, and from those that hold just what is read.
    @Test(arguments: arithmetic + movement + products + choices)
    func parts(_ test: Case) throws {
        var operation = test.operation()
        operation.threads = 1
        let type = try operation.resultType()
        let whole = try operation.whole().floats
        var generator = SeededGenerator(seed: UInt64(whole.count))
        let pairs: [Opcode: Int] = [.argMax: 1, .topK: 2, .mergeTopK: 2]
        for _ in 0..<6 {
            var box = Box(covering: type.sizes)
            for dim in box.ranges.indices.dropLast(pairs[operation.opcode] ?? 0) {
                if operation.opcode == .sort, dim == operation.attributes.int("dim") { continue }
                let lower = Int.random(in: 0..<type.sizes[dim], using: &generator)
                box.ranges[dim] = lower..<Int.random(in: (lower + 1)...type.sizes[dim], using: &generator)
            }
            let expected = part(whole, type.sizes, box)
            let boxes = operation.operands.map { Box(covering: $0.sizes) }
            #expect(try operation.run(boxes: boxes, result: box).floats == expected, "\(box)")
            let least = leastBoxes(operation, box)
            #expect(try operation.run(boxes: least, result: box).floats == expected, "\(box) from \(least)")
        }
    }

    /// The box around what the reference reads of each operand.
    private func leastBoxes(_ operation: SingleOperation, _ box: Box) -> [Box] {
        if operation.opcode == .reduce {
            var kept = box.ranges[...]
            return [
                Box(
                    operation.operands[0].sizes.indices.map {
                        operation.attributes.ints("dims").contains($0)
                            ? 0..<operation.operands[0].sizes[$0] : kept.popFirst() ?? 0..<0
                    })
            ]
        }
        var spied = operation
        let reads = operation.operands.map { _ in Sample.Reads() }
        for index in spied.operands.indices { spied.operands[index].reads = reads[index] }
        let reference = ReferenceGeneral(spied)
        for index in indices(box.dims) { _ = reference.element(zip(index, box.ranges).map { $0 + $1.lowerBound }) }
        return operation.operands.indices.map { index in
            let operand = operation.operands[index]
            // Nothing read at all: an empty box.
            var least = reads[index].box ?? Box(operand.sizes.map { _ in 0..<0 })
            let isCut: (Int) -> Bool = { dim in
                switch operation.opcode {
                case .dynamicSlice: index == 0 && operation.attributes.ints("sizes")[dim] < operand.sizes[dim]
                case .dynamicUpdate: index == 1 && operand.sizes[dim] < operation.operands[0].sizes[dim]
                default: false
                }
            }
            for dim in least.ranges.indices {
                // A kernel takes its window whole, also where it sees padding alone.
                if operation.opcode == .convGeneral, index == 1, dim < 2 {
                    least.ranges[dim] = 0..<operand.sizes[dim]
                } else if operation.opcode == .convGeneral, index == 1, reads[1].box == nil {
                    least.ranges[dim] = dim == 3 ? box.ranges[box.ranges.count - 1] : 0..<operand.sizes[dim]
                } else if isCut(dim) {
                    least.ranges[dim] = 0..<operand.sizes[dim]
                } else if operation.opcode == .dynamicUpdate, index == 1 {
                    least.ranges[dim] = box.ranges[dim]
                }
            }
            return least
        }
    }
}
