import Tensor
import Testing

@Suite("Host tensor boxes")
struct HostTensorBoxTests {
    @Test("What is inserted into a box comes out of it, and nothing around it changes")
    func roundTrip() {
        let dims = [3, 4, 5]
        let whole = HostTensor((0..<60).map { Int32($0) }, dims: dims)
        for box in [Box([1..<3, 0..<4, 2..<4]), Box([0..<3, 1..<2, 0..<5]), Box([0..<0, 0..<4, 0..<5])] {
            let part = whole.extract(box)
            #expect(part.dims == box.dims)
            var other = HostTensor([Int32](repeating: -1, count: 60), dims: dims)
            other.insert(part, at: box)
            #expect(other.extract(box) == part)
            #expect(other.integers.filter { $0 >= 0 }.count == box.elementCount)
        }
    }

    @Test("A scalar is its own only element")
    func scalar() {
        var scalar = HostTensor([Float(1)], dims: [])
        scalar.insert(HostTensor([Float(2)], dims: []), at: Box([]))
        #expect(scalar.floats == [2])
        #expect(scalar.extract(Box([])).floats == [2])
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
