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
        DotProblem(m: m, n: n, k: k, segment: segment, isInt8: true)
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

    @Test("packed weights take half the bytes of bf16, and a scale a segment")
    func size() {
        for isa in kernelLevels {
            #expect(tk_dot_s8_packed_bytes(isa, 256, 512, 512) == 256 * 512 + 256 * 4)
            #expect(tk_dot_s8_packed_bytes(isa, 256, 512, 128) == 256 * 512 + 4 * 256 * 4)
        }
    }
}
