import CKernels
import Program
import Tensor
import Testing

/// Part of a row as int8, by definition.
private struct Quantised {
    var values: [Int64]
    var scale: Float

    init(_ row: ArraySlice<UInt16>) {
        let magnitudes = row.map { abs(widen($0)) }
        let greatest = magnitudes.max() ?? 0
        if magnitudes.contains(where: { !$0.isFinite }) {
            (values, scale) = (row.map { _ in 0 }, .nan)
        } else if greatest < Float(sign: .plus, exponent: -100, significand: 1) {
            (values, scale) = (row.map { _ in 0 }, 0)
        } else {
            let inverse = 127 / greatest
            values = row.map { Int64((widen($0) * inverse).rounded(.toNearestOrEven)) }
            scale = greatest / 127
        }
    }
}

extension DotProblem {
    /// The int8 product by definition.
    fileprivate func quantisedReference() -> [Float] {
        func quantised(_ matrix: [UInt16], _ rows: Int) -> [[Quantised]] {
            (0..<rows).map { row in
                (0..<leafCount).map {
                    Quantised(matrix[(row * k + $0 * segment)..<(row * k + min(k, ($0 + 1) * segment))])
                }
            }
        }
        let (x, w) = (quantised(x, m), quantised(w, n))
        return (0..<m).flatMap { row in
            (0..<n).map { column in
                treeSum(0..<leafCount) { leaf in
                    let (a, b) = (x[row][leaf], w[column][leaf])
                    let sum = zip(a.values, b.values).reduce(0) { $0 + $1.0 * $1.1 }
                    return Float(sum) * (a.scale * b.scale)
                }
            }
        }
    }

    /// For each element: the exact product, and how far quantisation may lead from it.
    fileprivate func exactAndBound() -> [(exact: Double, bound: Double)] {
        func greatest(_ matrix: [UInt16], _ row: Int, _ leaf: Int) -> Double {
            matrix[(row * k + leaf * segment)..<(row * k + min(k, (leaf + 1) * segment))]
                .reduce(0) { max($0, Double(abs(widen($1)))) }
        }
        return (0..<m).flatMap { row in
            (0..<n).map { column in
                var (exact, bound) = (0.0, 0.0)
                for leaf in 0..<leafCount {
                    // Half a step of either factor.
                    let (dx, dw) = (greatest(x, row, leaf) / 254, greatest(w, column, leaf) / 254)
                    for i in (leaf * segment)..<min(k, (leaf + 1) * segment) {
                        let (a, b) = (Double(widen(x[row * k + i])), Double(widen(w[column * k + i])))
                        exact += a * b
                        bound += abs(a) * dw + abs(b) * dx + dx * dw
                    }
                }
                return (exact, bound * 1.00001 + 1e-6)
            }
        }
    }
}

@Suite struct Int8DotTests {
    private func problem(_ m: Int, _ n: Int, _ k: Int, _ segment: Int) -> DotProblem {
        var problem = DotProblem(m: m, n: n, k: k, segment: segment)
        problem.isInt8 = true
        return problem
    }

    @Test("every level equals the definition, bit for bit, at odd sizes")
    func definition() {
        for shape in DotTests.shapes {
            for segment in DotTests.segments {
                let problem = problem(shape.m, shape.n, shape.k, segment)
                let expected = problem.quantisedReference()
                for isa in kernelLevels {
                    #expect(problem.whole(isa) == expected, "\(isa.rawValue) \(shape) segment \(segment)")
                }
            }
        }
    }

    @Test("every level equals the definition where leaves are cut into parts", arguments: [(13, 20000), (40, 1111)])
    func parts(m: Int, segment: Int) {
        let problem = problem(m, 35, 20100, segment)
        let expected = problem.quantisedReference()
        for isa in kernelLevels { #expect(problem.whole(isa) == expected, "\(isa.rawValue)") }
    }

    @Test("the error is at most half a step of either factor")
    func error() {
        for segment in [16, 100, 1000] {
            let problem = problem(9, 21, 1000, segment)
            for (value, (exact, bound)) in zip(problem.whole(tk_best_isa()), problem.exactAndBound()) {
                #expect(abs(Double(value) - exact) <= bound, "segment \(segment)")
            }
        }
    }

    @Test(
        "bits do not depend on how rows and columns are split over calls",
        arguments: [(70, 100, 176, 22), (40, 70, 1200, 1000), (40, 290, 520, 512), (600, 33, 64, 64)])
    func splits(m: Int, n: Int, k: Int, segment: Int) {
        let problem = problem(m, n, k, segment)
        for isa in kernelLevels {
            let whole = problem.whole(isa)
            let block = tk_dot_s8_column_block(isa)
            let leaves = 0..<problem.leafCount
            let packed = problem.packed(isa, leaves: leaves)
            for cuts in [[0, 1, 3, 16, 33, m], [0, 12, m], [0, m - 1, m]] {
                var out = [Float](repeating: .nan, count: m * n)
                for (first, last) in zip(cuts, cuts.dropFirst()) {
                    for column in stride(from: 0, to: n, by: 2 * block) {
                        problem.run(
                            isa, rows: first..<last, columns: column..<min(n, column + 2 * block), leaves: leaves,
                            packed: packed, out: &out)
                    }
                }
                #expect(out == whole, "\(isa.rawValue) rows \(cuts)")
            }
        }
    }

    @Test("nodes computed apart and combined equal the whole", arguments: [(1, 5), (22, 8), (64, 7), (176, 3)])
    func nodes(segment: Int, leafCount: Int) {
        let problem = problem(17, 33, segment * leafCount - segment / 3, segment)
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

    /// Products of the greatest integers in the longest segment: a sum of 127 · 127 · 2^17, either sign.
    @Test("sums of the longest segment stay in 32 bits")
    func longest() {
        let length = Int(TK_DOT_S8_SEGMENT_MAX)
        #expect(length == StoredWeight.segmentMax)
        var problem = problem(2, 3, length, length)
        let (one, minus) = (BFloat16(1).bitPattern, BFloat16(-1).bitPattern)
        problem.x = (0..<2).flatMap { [UInt16](repeating: $0 == 0 ? one : minus, count: length) }
        problem.w = [UInt16](repeating: one, count: 3 * length)
        for isa in kernelLevels {
            let out = problem.whole(isa)
            #expect(out[0..<3].allSatisfy { abs($0 - Float(length)) < 1 }, "\(isa.rawValue)")
            #expect(out[3..<6].allSatisfy { abs($0 + Float(length)) < 1 }, "\(isa.rawValue)")
        }
    }

    @Test("zeros, vanishing numbers, infinities and NaNs")
    func special() {
        var problem = problem(5, 4, 70, 32)
        for i in 0..<32 { problem.x[i] = 0 }
        for i in 0..<70 { problem.x[70 + i] = 0x0001 }
        problem.x[140 + 40] = 0x7F80
        problem.x[210 + 69] = 0x7FC1
        problem.w[2 * 70 + 3] = 0xFF80
        let expected = problem.quantisedReference()
        for isa in kernelLevels {
            let out = problem.whole(isa)
            for (value, wanted) in zip(out, expected) {
                #expect(value == wanted || value.isNaN && wanted.isNaN, "\(isa.rawValue)")
            }
            #expect(out[4..<8].elementsEqual([0, 0, .nan, 0]) { $0 == $1 || $0.isNaN && $1.isNaN })
            #expect(out[8..<16].allSatisfy(\.isNaN) && !out[0].isNaN && !out[16].isNaN, "\(isa.rawValue)")
        }
    }

    @Test("a bf16 result is the f32 result rounded once, and packed weights take half the bytes of bf16")
    func roundingAndSize() {
        let problem = problem(14, 37, 70, 22)
        for isa in kernelLevels {
            let whole = problem.whole(isa)
            let packed = problem.packed(isa, leaves: 0..<problem.leafCount)
            var out = [UInt16](repeating: 0x1234, count: 14 * 50)
            withScratch(tk_dot_s8_scratch_bytes(isa, 14, 37, 70, 22)) { scratch in
                tk_dot_s8(isa, 0, 14, 0, 37, 37, 70, 22, problem.x, 70, packed, &out, 50, TK_BF16, scratch)
            }
            for row in 0..<14 {
                let written = (0..<37).map { BFloat16(whole[row * 37 + $0]).bitPattern }
                #expect(Array(out[row * 50..<row * 50 + 37]) == written)
                #expect(out[row * 50 + 37..<(row + 1) * 50].allSatisfy { $0 == 0x1234 })
            }
            #expect(tk_dot_s8_packed_bytes(isa, 256, 512, 512) == 256 * 512 + 256 * 4)
            var none = [Float](repeating: .nan, count: 6)
            withScratch(tk_dot_s8_scratch_bytes(isa, 2, 3, 0, 1)) { scratch in
                tk_dot_s8(isa, 0, 2, 0, 3, 3, 0, 1, [0], 0, [UInt8](repeating: 0, count: 64), &none, 3, TK_F32, scratch)
            }
            #expect(none == [0, 0, 0, 0, 0, 0])
        }
    }
}
