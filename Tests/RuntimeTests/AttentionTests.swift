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

    /// Head 1 of queries [rows), on operands and with a result in f32 or bf16, as f32.
    func run(
        _ isa: tk_isa, rows: Range<Int>? = nil, dtype: tk_dtype = TK_F32, result: tk_dtype? = nil
    ) -> [Float] {
        let (rows, result) = (rows ?? 0..<queries, result ?? dtype)
        let stride = heads * depth
        var shape = tk_attention(
            queries: rows.count, keys: keys, depth: depth, q_stride: stride, k_stride: stride, v_stride: stride,
            out_stride: depth + 3, scale: scale, causal: causalFrom != nil,
            first_query: (causalFrom ?? 0) + rows.lowerBound, dtype: dtype, out_dtype: result)
        var out = [Float](repeating: .nan, count: rows.count * (depth + 3))
        var brainOut = [UInt16](repeating: 0x7FC0, count: out.count)
        out.withUnsafeMutableBytes { floats in
            brainOut.withUnsafeMutableBytes { brains in
                let to = (result == TK_F32 ? floats : brains).baseAddress!
                withScratch(tk_attention_scratch_bytes(isa, &shape)) { scratch in
                    // What lies in the scratch cannot matter.
                    memset(scratch, 0xFF, tk_attention_scratch_bytes(isa, &shape))
                    if dtype == TK_F32 {
                        attend(isa, &shape, [q, k, v], rows.lowerBound, to, scratch)
                    } else {
                        let brains = [q, k, v].map { $0.map { BFloat16($0).bitPattern } }
                        attend(isa, &shape, brains, rows.lowerBound, to, scratch)
                    }
                }
            }
        }
        if result == TK_BF16 { out = brainOut.map { widen($0) } }
        for row in 0..<rows.count {
            #expect(out[row * (depth + 3) + depth..<(row + 1) * (depth + 3)].allSatisfy { $0.isNaN })
        }
        return (0..<rows.count).flatMap { out[$0 * (depth + 3)..<$0 * (depth + 3) + depth] }
    }

    private func attend<T>(
        _ isa: tk_isa, _ shape: inout tk_attention, _ operands: [[T]], _ row: Int, _ out: UnsafeMutableRawPointer,
        _ scratch: UnsafeMutableRawPointer
    ) {
        offset(operands[0], row) { q in
            offset(operands[1], 0) { k in
                offset(operands[2], 0) { v in tk_attend(isa, &shape, q, k, v, out, scratch) }
            }
        }
    }

    private func offset<T>(_ values: [T], _ row: Int, _ body: (UnsafePointer<T>) -> Void) {
        values.withUnsafeBufferPointer { body($0.baseAddress! + row * heads * depth + depth) }
    }

    /// The definition, in f64.
    ///
    /// Weights are rounded to bf16 where that is said; `slack` is what another rounding of the heaviest one would change.
    func definition(rounded: Bool) -> (values: [Double], slack: Double) {
        func at(_ values: [Float], _ row: Int, _ d: Int) -> Double { Double(values[(row * heads + 1) * depth + d]) }
        var slack = 0.0
        let values = (0..<queries).flatMap { i in
            let seen = causalFrom.map { min(keys, $0 + i + 1) } ?? keys
            let scores = (0..<seen).map { j in
                (0..<depth).reduce(0.0) { $0 + at(q, i, $1) * at(k, j, $1) } * Double(scale)
            }
            let largest = scores.max()!
            let weights = scores.map { score in
                let weight = exp(score - largest)
                return rounded ? Double(widen(BFloat16(Float(weight)).bitPattern)) : weight
            }
            let sum = weights.reduce(0, +)
            slack = max(slack, weights.max()! / sum / 256 * 8)
            return (0..<depth).map { d in (0..<seen).reduce(0.0) { $0 + weights[$1] * at(v, $1, d) } / sum }
        }
        return (values, slack)
    }

    var expected: [Double] { definition(rounded: false).values }

    func error(_ isa: tk_isa, _ expected: [Double], dtype: tk_dtype = TK_F32, result: tk_dtype? = nil) -> Double {
        zip(run(isa, dtype: dtype, result: result), expected).map { abs(Double($0) - $1) }.max()!
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
            let (exact, rounded) = (problem.definition(rounded: false), problem.definition(rounded: true))
            for isa in kernelLevels {
                let name: Comment = "\(isa.rawValue) \(problem.queries) \(problem.keys) \(problem.depth)"
                #expect(problem.error(isa, exact.values) < 1e-5, name)
                // Half a unit in the last place of values up to 4, and weights that are rounded beside it.
                #expect(problem.error(isa, exact.values, dtype: TK_BF16) < 0.0079 + 0.0079, name)
                let error = problem.error(isa, rounded.values, dtype: TK_BF16, result: TK_F32)
                #expect(error < 2e-5 + rounded.slack, name)
            }
        }
    }

    @Test("bits do not depend on how queries are split over calls", arguments: [TK_F32.rawValue, TK_BF16.rawValue])
    func splits(type: UInt32) {
        let dtype = tk_dtype(rawValue: type)
        for problem in Self.problems {
            for isa in kernelLevels {
                let whole = problem.run(isa, dtype: dtype, result: TK_F32)
                for step in [1, 2, 3, 8, 9] {
                    let parts = stride(from: 0, to: problem.queries, by: step).flatMap {
                        problem.run(
                            isa, rows: $0..<min(problem.queries, $0 + step), dtype: dtype, result: TK_F32)
                    }
                    #expect(parts == whole, "\(isa.rawValue) by \(step)")
                }
            }
        }
    }

    @Test("on bf16 operands levels without dot products of pairs agree to the bit")
    func levels() {
        for problem in Self.problems {
            let portable = problem.run(TK_PORTABLE, dtype: TK_BF16, result: TK_F32)
            for isa in kernelLevels where isa.rawValue < TK_AVX512_BF16.rawValue {
                #expect(problem.run(isa, dtype: TK_BF16, result: TK_F32) == portable, "\(isa.rawValue)")
            }
        }
    }

    @Test("a score that is no number makes its row none, and no other", arguments: [TK_F32.rawValue, TK_BF16.rawValue])
    func notANumber(type: UInt32) {
        var problem = AttentionProblem(queries: 11, keys: 37, depth: 6)
        problem.q[(4 * problem.heads + 1) * problem.depth + 5] = .nan
        for isa in kernelLevels {
            let out = problem.run(isa, dtype: tk_dtype(rawValue: type))
            for (index, value) in out.enumerated() { #expect(value.isNaN == (index / problem.depth == 4)) }
        }
    }

    @Test("large scores do not overflow, and far smaller ones count for nothing")
    func extremes() {
        var problem = AttentionProblem(queries: 3, keys: 20, depth: 4)
        for scale in [1000, -1000] as [Float] {
            problem.scale = scale
            for isa in kernelLevels {
                #expect(problem.error(isa, problem.expected) < 1e-3)
                #expect(problem.error(isa, problem.expected, dtype: TK_BF16, result: TK_F32) < 1e-3)
            }
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
