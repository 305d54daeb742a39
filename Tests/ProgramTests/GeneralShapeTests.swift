import Program
import Tensor
import Testing

@Suite("Shapes of general operations")
struct GeneralShapeTests {
    private func infer(_ opcode: Opcode, _ operands: [[Dim]], _ attributes: Attributes = [:]) throws -> [Dim] {
        try ShapeRule.infer(opcode, operands.map { TensorType(.f32, $0) }, attributes).dims
    }

    private func fine(_ sizes: Int...) -> [Dim] { sizes.map { Dim($0, granule: 1) } }

    @Test("Reshape finds the finest granules at which both sides can be cut")
    func reshape() throws {
        let heads = [Dim(2), Dim(6, granule: 1), Dim(64)]
        #expect(try infer(.reshape, [heads], ["sizes": .ints([2, 384])]) == [Dim(2), Dim(384, granule: 64)])
        #expect(
            try infer(.reshape, [[Dim(384, granule: 64)]], ["sizes": .ints([6, 64])]) == [Dim(6, granule: 1), Dim(64)])
        #expect(try infer(.reshape, [fine(4, 6)], ["sizes": .ints([3, 8])]) == fine(3, 8))
        #expect(
            try infer(.reshape, [fine(4, 6)], ["sizes": .ints([24]), "granules": .ints([8])]) == [Dim(24, granule: 8)])
        #expect(throws: ProgramError.self) { try infer(.reshape, [fine(4, 6)], ["sizes": .ints([5, 5])]) }
        #expect(throws: ProgramError.self) {
            try infer(.reshape, [fine(4)], ["sizes": .ints([1 << 31, 1 << 31, 1 << 31])])
        }
    }

    @Test("Reshape groups hold the same elements")
    func groups() {
        let groups = ReshapeGroups(from: fine(6, 4, 1, 5), to: [1, 24, 5]).groups
        #expect(groups.map(\.operand) == [0..<2, 3..<4] && groups.map(\.result) == [1..<2, 2..<3])
    }

    @Test("Movements keep granules, and what is never split stays so")
    func granules() throws {
        let x = [Dim(12, granule: 4), Dim(5)]
        let cut: Attributes = ["start": .ints([2, 1]), "limit": .ints([10, 4])]
        #expect(try infer(.slice, [x], cut) == [Dim(8, granule: 4), Dim(3)])
        #expect(
            try infer(.pad, [x], ["low": .ints([1, 0]), "high": .ints([0, 2])]) == [Dim(13, granule: 4), Dim(7)])
        #expect(
            try infer(.concat, [x, [Dim(6, granule: 2), Dim(5)]], ["dim": .int(0)]) == [Dim(18, granule: 2), Dim(5)])
        #expect(try infer(.concat, [x, x]) == [x[0], Dim(10)])
        let wide: Attributes = ["sizes": .ints([3, 12, 5]), "dims": .ints([1, 2])]
        #expect(try infer(.broadcast, [x], wide) == [Dim(3, granule: 1)] + x)
    }

    @Test("A transposed convolution undoes a strided one's shape")
    func convolution() throws {
        func attributes(_ stride: Int, _ dilation: Int, _ pad: Int) -> Attributes {
            [
                "strides": .ints([stride, stride]), "dilation": .ints([dilation, dilation]), "groups": .int(1),
                "padLow": .ints([pad, pad]), "padHigh": .ints([pad, pad]),
            ]
        }
        let (w, v) = (fine(4, 4, 3, 5), fine(4, 4, 5, 3))
        let down = try infer(.convGeneral, [[Dim(2), Dim(16, granule: 4), Dim(8)] + fine(3), w], attributes(2, 1, 1))
        #expect(down == [Dim(2), Dim(8, granule: 2), Dim(4)] + fine(5))
        #expect(
            try infer(.convGeneral, [down, v], attributes(1, 2, 2)) == [Dim(2), Dim(16, granule: 4), Dim(8)] + fine(3))
        #expect(throws: ProgramError.self) { try infer(.convGeneral, [down, w], attributes(1, 1, 0)) }
    }

    @Test("Attributes that do not fit are errors")
    func errors() {
        let x = [fine(4, 6)]
        let bad: [(Opcode, [[Dim]], Attributes)] = [
            (.transpose, x, ["permutation": .ints([0])]), (.transpose, x, ["permutation": .ints([0, 2])]),
            (.slice, x, ["start": .ints([0, 5]), "limit": .ints([4, 4])]),
            (.slice, x, ["start": .ints([0, 0]), "limit": .ints([4, 7])]),
            (.slice, x, ["start": .ints([0]), "limit": .ints([4])]),
            (.pad, x, ["low": .ints([1]), "high": .ints([1])]),
            (.reverse, x, ["dims": .ints([2])]), (.broadcast, x, ["sizes": .ints([4, 5]), "dims": .ints([0, 1])]),
            (.broadcast, x, ["sizes": .ints([6, 4]), "dims": .ints([1, 0])]), (.sort, x, ["dim": .int(2)]),
            (.topK, x, ["k": .int(7)]), (.argMax, x, ["dim": .int(2)]), (.concat, x + [fine(4, 5)], ["dim": .int(0)]),
            (.binary, x + [fine(4, 1)], ["kind": .text("add")]), (.dynamicSlice, x, ["sizes": .ints([2, 2])]),
            (
                .dotGeneral, x + x,
                ["lhsBatch": .ints([]), "rhsBatch": .ints([]), "lhsContract": .ints([0]), "rhsContract": .ints([1])]
            ),
            (
                .dotGeneral, x + x,
                ["lhsBatch": .ints([0]), "rhsBatch": .ints([]), "lhsContract": .ints([1]), "rhsContract": .ints([1])]
            ),
        ]
        for (opcode, operands, attributes) in bad {
            #expect(throws: ProgramError.self, "\(opcode) \(attributes)") { try infer(opcode, operands, attributes) }
        }
    }
}
