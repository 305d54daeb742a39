import Tensor
import Testing

@Suite("Host tensor boxes")
struct HostTensorBoxTests {
    @Test("What is inserted into a box lies there, and nothing around it changes")
    func insert() {
        let dims = [3, 4, 5]
        for box in [Box([1..<3, 0..<4, 2..<4]), Box([0..<3, 1..<2, 0..<5]), Box([0..<0, 0..<4, 0..<5])] {
            var whole = HostTensor([Int32](repeating: -1, count: 60), dims: dims)
            whole.insert(HostTensor((0..<Int32(box.elementCount)).map { $0 }, dims: box.dims), at: box)
            var next: Int32 = 0
            for (index, value) in whole.integers.enumerated() {
                let place = [index / 20, index / 5 % 4, index % 5]
                let isInside = zip(box.ranges, place).allSatisfy { $0.contains($1) }
                #expect(value == (isInside ? next : -1))
                if isInside { next += 1 }
            }
        }
    }

    @Test("A scalar is its own only element")
    func scalar() {
        var scalar = HostTensor([Float(1)], dims: [])
        scalar.insert(HostTensor([Float(2)], dims: []), at: Box([]))
        #expect(scalar.floats == [2])
    }

    @Test("bf16 rounds to nearest, ties to even")
    func rounding() {
        #expect(BFloat16(1.0).bitPattern == 0x3F80)
        #expect(BFloat16(Float(bitPattern: 0x3F80_8000)).bitPattern == 0x3F80)
        #expect(BFloat16(Float(bitPattern: 0x3F81_8000)).bitPattern == 0x3F82)
        #expect(BFloat16(Float.nan).float.isNaN)
        #expect(BFloat16(-Float.infinity).float == -.infinity)
    }
}
