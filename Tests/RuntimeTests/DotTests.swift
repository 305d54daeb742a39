import CKernels
import Program
import Tensor
import Testing

/// Levels that run on this machine, and the emulated one.
let kernelLevels: [tk_isa] =
    (0...tk_best_isa().rawValue).map { tk_isa(rawValue: $0) } + [TK_AMX_EMULATED]

/// A counter-based source of numbers for kernel tests.
struct KernelNumbers {
    private var state: UInt64

    init(seed: UInt64) { state = seed &* 0x9E37_79B9_7F4A_7C15 &+ 1 }

    /// A number in -1 ..< 1.
    mutating func next() -> Float {
        state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
        return Float(Int32(truncatingIfNeeded: state >> 32)) / 2_147_483_648
    }

    mutating func floats(_ count: Int) -> [Float] { (0..<count).map { _ in next() } }

    mutating func brains(_ count: Int) -> [UInt16] { (0..<count).map { _ in BFloat16(next()).bitPattern } }
}

/// The f32 value of a bf16 bit pattern.
func widen(_ bits: UInt16) -> Float { BFloat16(bitPattern: bits).float }

/// Scratch of a kernel, 64-byte aligned, filled with NaN so that reading what was not written shows.
func withScratch<R>(_ bytes: Int, _ body: (UnsafeMutableRawPointer) throws -> R) rethrows -> R {
    let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes + 64, alignment: 64)
    defer { memory.deallocate() }
    memory.initializeMemory(as: UInt8.self, repeating: 0xFF, count: bytes)
    memory.advanced(by: bytes).initializeMemory(as: UInt8.self, repeating: 0xA5, count: 64)
    let result = try body(memory)
    #expect((bytes..<bytes + 64).allSatisfy { memory.load(fromByteOffset: $0, as: UInt8.self) == 0xA5 })
    return result
}

/// A product x wᵀ with its operands.
struct DotProblem {
    var m: Int
    var n: Int
    var k: Int
    var segment: Int
    var x: [UInt16]
    var w: [UInt16]
    /// Multiplied as int8.
    var isInt8: Bool

    init(m: Int, n: Int, k: Int, segment: Int, isInt8: Bool = false) {
        self.isInt8 = isInt8
        (self.m, self.n, self.k, self.segment) = (m, n, k, segment)
        var numbers = KernelNumbers(seed: UInt64(m * 31 + n * 17 + k))
        x = numbers.brains(m * k)
        w = numbers.brains(n * k)
    }

    var leafCount: Int { (k + segment - 1) / segment }

    /// The packed weights of leaves [leaves) only.
    func packed(_ isa: tk_isa, leaves: Range<Int>) -> [UInt8] {
        let length = self.length(of: leaves)
        let bytes = (isInt8 ? tk_dot_s8_packed_bytes : tk_dot_packed_bytes)(isa, n, length, segment)
        let pack = isInt8 ? tk_dot_s8_pack : tk_dot_pack
        let block = (isInt8 ? tk_dot_s8_column_block : tk_dot_column_block)(isa)
        return [UInt8](unsafeUninitializedCapacity: bytes + 64) { buffer, count in
            buffer.initialize(repeating: 0xFF)
            w.withUnsafeBufferPointer {
                let first = $0.baseAddress! + leaves.lowerBound * segment
                // In two parts, the later one first.
                let cut = n / 2 / block * block
                pack(isa, first + cut * k, k, cut, n, n, length, segment, buffer.baseAddress!)
                pack(isa, first, k, 0, cut, n, length, segment, buffer.baseAddress!)
            }
            #expect(buffer[bytes...].allSatisfy { $0 == 0xFF })
            count = bytes + 64
        }
    }

    private func length(of leaves: Range<Int>) -> Int {
        min(k, leaves.upperBound * segment) - leaves.lowerBound * segment
    }

    /// Runs one call into `out` [m, n].
    func run(
        _ isa: tk_isa, rows: Range<Int>, columns: Range<Int>, leaves: Range<Int>, packed: [UInt8], out: inout [Float]
    ) {
        let length = length(of: leaves)
        let scratchBytes = isInt8 ? tk_dot_s8_scratch_bytes : tk_dot_scratch_bytes
        let product = isInt8 ? tk_dot_s8 : tk_dot_bf16
        withScratch(scratchBytes(isa, rows.count, columns.count, length, segment)) { scratch in
            x.withUnsafeBufferPointer { x in
                out.withUnsafeMutableBufferPointer { out in
                    product(
                        isa, rows.lowerBound, rows.upperBound, columns.lowerBound, columns.upperBound, n, length,
                        segment,
                        x.baseAddress! + leaves.lowerBound * segment, k, packed, out.baseAddress!, n, TK_F32, scratch)
                }
            }
        }
    }

    /// The whole product in two steps: rows staged in parts, then blocks of columns.
    func staged(_ isa: tk_isa, parts: Int) -> [Float] {
        var out = [Float](repeating: .nan, count: m * n)
        let packed = packed(isa, leaves: 0..<leafCount)
        var shape = tk_dot_shape(isa: isa, is_int8: isInt8, n: n, k: k, segment: segment)
        let block = tk_dot_row_block(&shape, m)
        let columns = 2 * (isInt8 ? tk_dot_s8_column_block : tk_dot_column_block)(isa)
        for first in stride(from: 0, to: m, by: block) {
            let rows = min(block, m - first)
            withScratch(tk_dot_staged_bytes(&shape, rows)) { staged in
                for part in (0..<parts).reversed() {
                    x.withUnsafeBufferPointer {
                        tk_dot_stage(
                            &shape, rows, rows * part / parts, rows * (part + 1) / parts,
                            $0.baseAddress! + first * k, k, staged)
                    }
                }
                for column in stride(from: 0, to: n, by: columns) {
                    withScratch(tk_dot_staged_scratch_bytes(&shape, rows, columns)) { scratch in
                        out.withUnsafeMutableBufferPointer {
                            tk_dot_staged(
                                &shape, rows, column, min(n, column + columns), staged, packed,
                                $0.baseAddress! + first * n, n, TK_F32, scratch)
                        }
                    }
                }
            }
        }
        return out
    }

    /// The whole product in one call.
    func whole(_ isa: tk_isa) -> [Float] {
        var out = [Float](repeating: .nan, count: m * n)
        let all = 0..<leafCount
        run(isa, rows: 0..<m, columns: 0..<n, leaves: all, packed: packed(isa, leaves: all), out: &out)
        return out
    }

    /// The product by definition: `leaf` sums one, the tree combines them.
    func reference(_ leaf: (UnsafePointer<UInt16>, UnsafePointer<UInt16>, Int) -> Float) -> [Float] {
        var out: [Float] = []
        x.withUnsafeBufferPointer { x in
            w.withUnsafeBufferPointer { w in
                for row in 0..<m {
                    for column in 0..<n {
                        let (a, b) = (x.baseAddress! + row * k, w.baseAddress! + column * k)
                        out.append(
                            treeSum(0..<leafCount) {
                                leaf(a + $0 * segment, b + $0 * segment, min(segment, k - $0 * segment))
                            })
                    }
                }
            }
        }
        return out
    }
}

/// The root of the tree over leaves, by its recursive definition.
func treeSum(_ leaves: Range<Int>, _ leaf: (Int) -> Float) -> Float {
    guard leaves.count > 1 else { return leaf(leaves.lowerBound) }
    let half = 1 << (ReductionTree.rootLevel(leafCount: leaves.count) - 1)
    let middle = leaves.lowerBound + half
    return treeSum(leaves.lowerBound..<middle, leaf) + treeSum(middle..<leaves.upperBound, leaf)
}

/// A leaf in ascending order of k.
private func ascending(_ x: UnsafePointer<UInt16>, _ w: UnsafePointer<UInt16>, _ count: Int) -> Float {
    var sum: Float = 0
    for k in 0..<count { sum += widen(x[k]) * widen(w[k]) }
    return sum
}

/// A leaf as AMX tiles sum it: 32 of k at a time, even and odd ones apart.
private func tiled(_ x: UnsafePointer<UInt16>, _ w: UnsafePointer<UInt16>, _ count: Int) -> Float {
    var sum: Float = 0
    for first in stride(from: 0, to: count, by: 32) {
        var halves: (Float, Float) = (0, 0)
        for k in stride(from: first, to: min(count, first + 32), by: 2) {
            halves.0 += widen(x[k]) * widen(w[k])
            if k + 1 < count { halves.1 += widen(x[k + 1]) * widen(w[k + 1]) }
        }
        sum += halves.0 + halves.1
    }
    return sum
}

@Suite struct DotTests {
    static let shapes: [(m: Int, n: Int, k: Int)] = [
        (1, 1, 1), (7, 15, 17), (16, 33, 1000), (33, 17, 176), (17, 1000, 33), (1, 7, 1000), (15, 16, 64), (25, 5, 23),
    ]
    static let segments = [1, 5, 22, 64, 176, 1000]

    @Test("products equal the definition: bit for bit where the order is ascending or AMX's, else closely")
    func definition() {
        for shape in Self.shapes {
            for segment in Self.segments {
                let problem = DotProblem(m: shape.m, n: shape.n, k: shape.k, segment: segment)
                let expected = problem.reference(ascending)
                for isa in kernelLevels {
                    let actual = problem.whole(isa)
                    if isa.rawValue <= TK_AVX512.rawValue {
                        #expect(actual == expected, "\(isa.rawValue) \(shape) segment \(segment)")
                    } else if isa == TK_AMX_EMULATED {
                        #expect(actual == problem.reference(tiled), "\(shape) segment \(segment)")
                    } else {
                        let error = zip(actual, expected).map { abs($0 - $1) }.max()!
                        #expect(error <= 1e-6 * Float(shape.k), "\(isa.rawValue) \(shape) segment \(segment)")
                    }
                }
            }
        }
    }

    @Test("products equal the definition where a leaf is cut into parts")
    func parts() {
        let problem = DotProblem(m: 14, n: 35, k: 5000, segment: 4500)
        let expected = problem.reference(ascending)
        for isa in kernelLevels where isa.rawValue <= TK_AVX512.rawValue {
            #expect(problem.whole(isa) == expected, "\(isa.rawValue)")
        }
    }

    @Test("levels have names that can be read back")
    func names() {
        for isa in kernelLevels + [TK_AMX] {
            var read = TK_PORTABLE
            #expect(tk_isa_named(tk_isa_name(isa), &read) && read == isa)
        }
        var read = TK_PORTABLE
        #expect(tk_isa_named("AVX512_BF16", &read) && read == TK_AVX512_BF16)
        #expect(!tk_isa_named("avx51", &read) && !tk_isa_named("avx5122", &read) && !tk_isa_named("", &read))
    }
}
