import CKernels
import Foundation
import Tensor
import Testing

/// One head among several, with its operands in the layout [rows, heads, depth].
private struct AttentionProblem {
    var queries: Int
    var keys: Int
    var depth: Int
    var heads = 3
    var scale: Float = 0.4
    var causalFrom: Int?
    var q: [Float]
    var k: [Float]
    var v: [Float]

    init(queries: Int, keys: Int, depth: Int, causalFrom: Int? = nil) {
        (self.queries, self.keys, self.depth, self.causalFrom) = (queries, keys, depth, causalFrom)
        var numbers = KernelNumbers(seed: UInt64(queries * 1000 + keys * 10 + depth))
        // Values that bf16 holds, so that both types have the same operands.
        func values(_ rows: Int) -> [Float] { numbers.brains(rows * 3 * depth).map { widen($0) * 4 } }
        q = values(queries)
        k = values(keys)
        v = values(keys)
    }

    /// Head 1 of queries [rows), in f32 or bf16, as f32.
    func run(_ isa: tk_isa, rows: Range<Int>? = nil, dtype: tk_dtype = TK_F32) -> [Float] {
        let rows = rows ?? 0..<queries
        let stride = heads * depth
        var shape = tk_attention(
            queries: rows.count, keys: keys, depth: depth, q_stride: stride, k_stride: stride, v_stride: stride,
            out_stride: depth + 3, scale: scale, causal: causalFrom != nil,
            first_query: (causalFrom ?? 0) + rows.lowerBound, dtype: dtype, out_dtype: dtype)
        var out = [Float](repeating: .nan, count: rows.count * (depth + 3))
        var brainOut = [UInt16](repeating: 0x7FC0, count: out.count)
        withScratch(tk_attention_scratch_bytes(isa, &shape)) { scratch in
            if dtype == TK_F32 {
                offset(q, rows.lowerBound) { q in
                    offset(k, 0) { k in offset(v, 0) { v in tk_attend(isa, &shape, q, k, v, &out, scratch) } }
                }
            } else {
                let brains = [q, k, v].map { $0.map { BFloat16($0).bitPattern } }
                offset(brains[0], rows.lowerBound) { q in
                    offset(brains[1], 0) { k in
                        offset(brains[2], 0) { v in tk_attend(isa, &shape, q, k, v, &brainOut, scratch) }
                    }
                }
                out = brainOut.map { widen($0) }
            }
        }
        for row in 0..<rows.count {
            #expect(out[row * (depth + 3) + depth..<(row + 1) * (depth + 3)].allSatisfy { $0.isNaN })
        }
        return (0..<rows.count).flatMap { out[$0 * (depth + 3)..<$0 * (depth + 3) + depth] }
    }

    private func offset<T>(_ values: [T], _ row: Int, _ body: (UnsafePointer<T>) -> Void) {
        values.withUnsafeBufferPointer { body($0.baseAddress! + row * heads * depth + depth) }
    }

    /// The definition, in f64.
    var expected: [Double] {
        func at(_ values: [Float], _ row: Int, _ d: Int) -> Double { Double(values[(row * heads + 1) * depth + d]) }
        return (0..<queries).flatMap { i in
            let seen = causalFrom.map { min(keys, $0 + i + 1) } ?? keys
            let scores = (0..<seen).map { j in
                (0..<depth).reduce(0.0) { $0 + at(q, i, $1) * at(k, j, $1) } * Double(scale)
            }
            let largest = scores.max()!
            let weights = scores.map { exp($0 - largest) }
            let sum = weights.reduce(0, +)
            return (0..<depth).map { d in (0..<seen).reduce(0.0) { $0 + weights[$1] * at(v, $1, d) } / sum }
        }
    }
}

@Suite struct AttentionTests {
    private static let problems = [
        AttentionProblem(queries: 1, keys: 1, depth: 1), AttentionProblem(queries: 7, keys: 15, depth: 5),
        AttentionProblem(queries: 16, keys: 33, depth: 10), AttentionProblem(queries: 33, keys: 17, depth: 12),
        AttentionProblem(queries: 15, keys: 77, depth: 64), AttentionProblem(queries: 9, keys: 1000, depth: 16),
        AttentionProblem(queries: 17, keys: 16, depth: 33), AttentionProblem(queries: 1, keys: 333, depth: 70),
        AttentionProblem(queries: 1, keys: 40, depth: 128),
        AttentionProblem(queries: 1, keys: 50, depth: 9, causalFrom: 30),
        AttentionProblem(queries: 33, keys: 33, depth: 10, causalFrom: 0),
        AttentionProblem(queries: 5, keys: 100, depth: 40, causalFrom: 60),
        AttentionProblem(queries: 12, keys: 20, depth: 7, causalFrom: 15),
    ]

    @Test("attention equals the definition, in f32 and in bf16")
    func definition() {
        for problem in Self.problems {
            let expected = problem.expected
            for isa in kernelLevels {
                let error = zip(problem.run(isa), expected).map { abs(Double($0) - $1) }.max()!
                #expect(error < 1e-5, "\(isa.rawValue) \(problem.queries) \(problem.keys) \(problem.depth)")
                let rounded = zip(problem.run(isa, dtype: TK_BF16), expected).map { abs(Double($0) - $1) }.max()!
                #expect(rounded < 0.0079, "\(isa.rawValue) \(problem.queries) \(problem.keys) \(problem.depth)")
            }
        }
    }

    @Test("bits do not depend on how queries are split over calls")
    func splits() {
        for problem in Self.problems {
            for isa in kernelLevels {
                let whole = problem.run(isa)
                for step in [1, 2, 3, 8, 9] {
                    let parts = stride(from: 0, to: problem.queries, by: step).flatMap {
                        problem.run(isa, rows: $0..<min(problem.queries, $0 + step))
                    }
                    #expect(parts == whole, "\(isa.rawValue) by \(step)")
                }
            }
        }
    }

    @Test("large scores do not overflow, and far smaller ones count for nothing")
    func extremes() {
        var problem = AttentionProblem(queries: 3, keys: 20, depth: 4)
        problem.scale = 1000
        for isa in kernelLevels {
            #expect(zip(problem.run(isa), problem.expected).allSatisfy { abs(Double($0) - $1) < 1e-3 })
        }
        problem.scale = -1000
        for isa in kernelLevels {
            #expect(zip(problem.run(isa), problem.expected).allSatisfy { abs(Double($0) - $1) < 1e-3 })
        }
    }

    @Test("exp and log are within two units in the last place")
    func functions() {
        var worst = (exp: 0.0, log: 0.0)
        for step in -86_000...88_000 {
            let x = Float(step) * 0.001 + 0.0003
            worst.exp = max(worst.exp, abs(Double(tk_expf(x)) / exp(Double(x)) - 1))
            let y = Float(exp(Double(step) * 0.001))
            worst.log = max(worst.log, abs(Double(tk_logf(y)) - log(Double(y))) / Double(abs(log(Double(y))).nextUp))
        }
        #expect(worst.exp < 2.4e-7)
        #expect(worst.log < 2.4e-7)
        #expect(tk_expf(-105) == 0 && tk_expf(-.infinity) == 0 && tk_expf(0) == 1)
        #expect(tk_expf(89) == .infinity && tk_expf(.infinity) == .infinity && tk_expf(.nan).isNaN)
        #expect(abs(Double(tk_expf(-100)) / 3.7835e-44 - 1) < 0.02)
        #expect(tk_logf(0) == -.infinity && tk_logf(1) == 0 && tk_logf(.infinity) == .infinity)
        #expect(tk_logf(-1).isNaN && tk_logf(.nan).isNaN)
        #expect(abs(tk_logf(0x1p-140) + 97.04061) < 1e-4)
    }
}
