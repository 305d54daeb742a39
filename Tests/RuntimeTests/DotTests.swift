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
    var isInt8 = false

    init(m: Int, n: Int, k: Int, segment: Int) {
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
        return [UInt8](unsafeUninitializedCapacity: bytes + 64) { buffer, count in
            buffer.initialize(repeating: 0xFF)
            w.withUnsafeBufferPointer {
                pack(
                    isa, $0.baseAddress! + leaves.lowerBound * segment, k, n, length, segment, buffer.baseAddress!)
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

    @Test(
        "bits do not depend on how rows and columns are split over calls, also over blocks of rows and of k",
        arguments: [
            (70, 100, 176, 22), (40, 70, 1200, 1000), (40, 290, 520, 512), (600, 33, 64, 64), (26, 33, 9000, 300),
        ])
    func splits(m: Int, n: Int, k: Int, segment: Int) {
        let problem = DotProblem(m: m, n: n, k: k, segment: segment)
        for isa in kernelLevels {
            let whole = problem.whole(isa)
            let block = tk_dot_column_block(isa)
            let leaves = 0..<problem.leafCount
            let packed = problem.packed(isa, leaves: leaves)
            for rowCuts in [[0, 1, 3, 16, 33, m], [0, 12, m], [0, m - 1, m]] {
                var out = [Float](repeating: .nan, count: m * n)
                let rowCuts = rowCuts.filter { $0 <= m }
                for (first, last) in zip(rowCuts, rowCuts.dropFirst()) {
                    for column in stride(from: 0, to: n, by: 2 * block) {
                        problem.run(
                            isa, rows: first..<last, columns: column..<min(n, column + 2 * block), leaves: leaves,
                            packed: packed, out: &out)
                    }
                }
                #expect(out == whole, "\(isa.rawValue) rows \(rowCuts)")
            }
        }
    }

    @Test("a row's bits do not depend on the other rows, nor a column's on the other columns")
    func neighbours() {
        let problem = DotProblem(m: 20, n: 40, k: 176, segment: 22)
        for isa in kernelLevels {
            let whole = problem.whole(isa)
            for row in [0, 5, 19] {
                var one = problem
                one.m = 1
                one.x = Array(problem.x[row * 176..<(row + 1) * 176])
                #expect(one.whole(isa) == Array(whole[row * 40..<(row + 1) * 40]))
            }
            for column in [0, 17, 39] {
                var one = problem
                one.n = 1
                one.w = Array(problem.w[column * 176..<(column + 1) * 176])
                #expect(one.whole(isa) == (0..<20).map { whole[$0 * 40 + column] })
            }
        }
    }

    @Test("nodes computed apart and combined equal the whole", arguments: [(1, 5), (22, 8), (64, 7), (176, 3)])
    func nodes(segment: Int, leafCount: Int) {
        let problem = DotProblem(m: 17, n: 33, k: segment * leafCount - segment / 3, segment: segment)
        for isa in kernelLevels {
            let whole = problem.whole(isa)
            for cut in 0...leafCount {
                let nodes =
                    ReductionTree.maximalNodes(of: 0..<cut, leafCount: leafCount)
                    + ReductionTree.maximalNodes(of: cut..<leafCount, leafCount: leafCount)
                let parts = nodes.map { node in
                    let leaves = node.leaves(of: leafCount)
                    var out = [Float](repeating: .nan, count: 17 * 33)
                    problem.run(
                        isa, rows: 0..<17, columns: 0..<33, leaves: leaves, packed: problem.packed(isa, leaves: leaves),
                        out: &out)
                    return out
                }
                #expect(combine(parts, nodes: nodes, leafCount: leafCount) == whole, "\(isa.rawValue) cut \(cut)")
            }
        }
    }

    @Test("a bf16 result is the f32 result rounded once; rows of out are ldo apart and nothing else is written")
    func rounding() {
        let problem = DotProblem(m: 14, n: 37, k: 70, segment: 22)
        for isa in kernelLevels {
            let whole = problem.whole(isa)
            let packed = problem.packed(isa, leaves: 0..<problem.leafCount)
            var out = [UInt16](repeating: 0x1234, count: 14 * 50)
            withScratch(tk_dot_scratch_bytes(isa, 14, 37, 70, 22)) { scratch in
                tk_dot_bf16(isa, 0, 14, 0, 37, 37, 70, 22, problem.x, 70, packed, &out, 50, TK_BF16, scratch)
            }
            for row in 0..<14 {
                let written = (0..<37).map { BFloat16(whole[row * 37 + $0]).bitPattern }
                #expect(Array(out[row * 50..<row * 50 + 37]) == written)
                #expect(out[row * 50 + 37..<(row + 1) * 50].allSatisfy { $0 == 0x1234 })
            }
        }
    }

    @Test("no elements of k give zeros")
    func empty() {
        for isa in kernelLevels {
            var out = [Float](repeating: .nan, count: 6)
            withScratch(tk_dot_scratch_bytes(isa, 2, 3, 0, 1)) { scratch in
                tk_dot_bf16(
                    isa, 0, 2, 0, 3, 3, 0, 1, [0], 0, [UInt8](repeating: 0, count: 64), &out, 3, TK_F32, scratch)
            }
            #expect(out == [0, 0, 0, 0, 0, 0])
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
