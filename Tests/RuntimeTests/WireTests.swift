import CKernels
import Program
import Tensor
import Testing

/// Values that travel as int8: the kernels beside the definition.
@Suite struct WireTests {
    /// Values after a journey, by definition.
    private func travelled(_ values: [Float], columns: Int, isHalf: Bool) -> [Float] {
        var result: [Float] = []
        for row in 0..<(values.count / columns) {
            for first in stride(from: 0, to: columns, by: WireFormat.blockElementCount) {
                let end = min(columns, first + WireFormat.blockElementCount)
                let block = values[(row * columns + first)..<(row * columns + end)]
                let greatest = block.reduce(Float(0)) { max($0, $1.isFinite ? abs($1) : .infinity) }
                let scale = greatest.isFinite ? (greatest < 0x1p-100 ? 0 : greatest / 127) : .nan
                result += block.map { value in
                    let q = scale > 0 ? (value * (1 / scale)).rounded(.toNearestOrEven) : 0
                    let arrived = max(-127, min(127, q)) * scale
                    return isHalf ? BFloat16(arrived).float : arrived
                }
            }
        }
        return result
    }

    private func sample(_ count: Int, isHalf: Bool) -> [Float] {
        (0..<count).map { index in
            let value = Float((index * 7919 + 13) % 2003 - 1000) * (index % 5 == 0 ? 0.001 : 3.7)
            return isHalf ? BFloat16(value).float : value
        }
    }

    private func bytes(_ values: [Float], isHalf: Bool) -> [UInt8] {
        values.flatMap { value -> [UInt8] in
            if isHalf { return withUnsafeBytes(of: BFloat16(value).bitPattern) { [UInt8]($0) } }
            return withUnsafeBytes(of: value) { [UInt8]($0) }
        }
    }

    private func values(_ bytes: [UInt8], isHalf: Bool) -> [Float] {
        bytes.withUnsafeBytes { raw -> [Float] in
            if isHalf { return raw.bindMemory(to: UInt16.self).map { widen($0) } }
            return [Float](raw.bindMemory(to: Float.self))
        }
    }

    /// What the kernels make of values: sent and received, and rounded in place.
    private func run(_ numbers: [Float], rows: Int, columns: Int, isHalf: Bool) -> (sent: [Float], rounded: [Float]) {
        let dtype = isHalf ? TK_BF16 : TK_F32
        let source = bytes(numbers, isHalf: isHalf)
        // An odd offset: nothing in a message is aligned.
        var message = [UInt8](repeating: 0xEE, count: rows * tk_wire_row_bytes(columns) + 1)
        var arrived = [UInt8](repeating: 0, count: source.count)
        var rounded = source
        message.withUnsafeMutableBytes { raw in
            guard let base = raw.baseAddress else { return }
            tk_wire_encode(base + 1, source, dtype, columns, 0, rows)
            tk_wire_decode(&arrived, dtype, base + 1, columns, 0, rows / 2)
            tk_wire_decode(&arrived, dtype, base + 1, columns, rows / 2, rows)
        }
        tk_wire_round(&rounded, dtype, columns, 0, rows)
        return (values(arrived, isHalf: isHalf), values(rounded, isHalf: isHalf))
    }

    @Test("what arrives equals the definition, bit for bit, at odd sizes", arguments: [false, true])
    func definition(isHalf: Bool) {
        for columns in [1, 31, 127, 128, 129, 300, 1024] {
            #expect(tk_wire_row_bytes(columns) == WireFormat.rowByteCount(columns))
            for rows in [1, 3, 8] {
                let values = sample(rows * columns, isHalf: isHalf)
                let expected = travelled(values, columns: columns, isHalf: isHalf)
                let found = run(values, rows: rows, columns: columns, isHalf: isHalf)
                #expect(found.sent == expected, "\(rows) x \(columns)")
                #expect(found.rounded == expected, "\(rows) x \(columns)")
            }
        }
    }

    @Test("a value is off by half a step of its block at most")
    func error() {
        let (rows, columns) = (4, 256)
        let values = sample(rows * columns, isHalf: false)
        let found = run(values, rows: rows, columns: columns, isHalf: false).sent
        for first in stride(from: 0, to: values.count, by: WireFormat.blockElementCount) {
            let block = first..<(first + WireFormat.blockElementCount)
            let greatest = values[block].reduce(0) { max($0, abs($1)) }
            #expect(block.allSatisfy { abs(values[$0] - found[$0]) <= greatest / 254 * 1.0001 })
        }
    }

    @Test("zeros and vanishing numbers become 0, and a block with what is no number becomes NaN")
    func special() {
        var values = sample(512, isHalf: true)
        for index in 0..<128 { values[index] = index == 7 ? 0x1p-110 : 0 }
        values[130] = .infinity
        values[511] = .nan
        let found = run(values, rows: 2, columns: 256, isHalf: true).sent
        #expect(found[0..<128].allSatisfy { $0 == 0 })
        #expect(found[128..<256].filter { !$0.isNaN }.isEmpty && found[384..<512].filter { !$0.isNaN }.isEmpty)
        #expect(found[256..<384].filter { !$0.isFinite }.isEmpty)
    }
}
