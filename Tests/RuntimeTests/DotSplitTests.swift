import CKernels
import Program
import Tensor
import Testing

/// What holds of bf16 and of int8 products alike, at every level: how a product is cut changes no bit of it.
@Suite struct DotSplitTests {
    /// Blocks of rows, of columns and of k, leaves in groups and in parts.
    private static let shapes = [
        (m: 70, n: 100, k: 176, segment: 22), (m: 40, n: 70, k: 1200, segment: 1000),
        (m: 40, n: 290, k: 520, segment: 512), (m: 600, n: 33, k: 64, segment: 64),
        (m: 40, n: 70, k: 9000, segment: 300), (m: 30, n: 40, k: 5000, segment: 4500),
    ]

    private func problem(_ shape: (m: Int, n: Int, k: Int, segment: Int), _ isInt8: Bool) -> DotProblem {
        DotProblem(m: shape.m, n: shape.n, k: shape.k, segment: shape.segment, isInt8: isInt8)
    }

    @Test("bits do not depend on how rows and columns are split over calls", arguments: [false, true], shapes.indices)
    func splits(isInt8: Bool, index: Int) {
        let problem = problem(Self.shapes[index], isInt8)
        let (m, n) = (problem.m, problem.n)
        for isa in kernelLevels {
            let whole = problem.whole(isa)
            let block = (isInt8 ? tk_dot_s8_column_block : tk_dot_column_block)(isa)
            let leaves = 0..<problem.leafCount
            let packed = problem.packed(isa, leaves: leaves)
            for cuts in [[0, 1, 3, 16, 33, m], [0, 12, m], [0, m - 1, m]] {
                var out = [Float](repeating: .nan, count: m * n)
                let cuts = cuts.prefix { $0 < m } + [m]
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

    @Test("rows that are staged apart, in parts, give the same bits", arguments: [false, true], shapes.indices)
    func staged(isInt8: Bool, index: Int) {
        let problem = problem(Self.shapes[index], isInt8)
        for isa in kernelLevels {
            let whole = problem.whole(isa)
            for parts in [1, 2, 5] {
                #expect(problem.staged(isa, parts: parts) == whole, "\(isa.rawValue) in \(parts)")
            }
        }
    }

    @Test("every count of few rows gives the bits of many", arguments: [false, true])
    func fewRows(isInt8: Bool) {
        let problem = problem((m: 17, n: 75, k: 1000, segment: 130), isInt8)
        for isa in kernelLevels {
            let whole = problem.whole(isa)
            for rows in 1...16 {
                var few = problem
                few.m = rows
                few.x = Array(problem.x[..<(rows * 1000)])
                #expect(few.whole(isa) == Array(whole[..<(rows * 75)]), "\(isa.rawValue) \(rows) rows")
                #expect(few.staged(isa, parts: 2) == Array(whole[..<(rows * 75)]), "\(isa.rawValue) \(rows) rows")
            }
        }
    }

    @Test(
        "a row's bits do not depend on the other rows, nor a column's on the other columns", arguments: [false, true])
    func neighbours(isInt8: Bool) {
        let problem = problem((m: 20, n: 40, k: 176, segment: 22), isInt8)
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

    @Test(
        "nodes computed apart and combined equal the whole", arguments: [false, true],
        [(1, 5), (22, 8), (64, 7), (176, 3)])
    func nodes(isInt8: Bool, leaves: (Int, Int)) {
        let (segment, leafCount) = leaves
        let problem = problem((m: 17, n: 33, k: segment * leafCount - segment / 3, segment: segment), isInt8)
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

    @Test(
        "a bf16 result is the f32 result rounded once; rows of out are ldo apart and nothing else is written",
        arguments: [false, true])
    func rounding(isInt8: Bool) {
        let problem = problem((m: 14, n: 37, k: 70, segment: 22), isInt8)
        for isa in kernelLevels {
            let whole = problem.whole(isa)
            let packed = problem.packed(isa, leaves: 0..<problem.leafCount)
            var out = [UInt16](repeating: 0x1234, count: 14 * 50)
            withScratch((isInt8 ? tk_dot_s8_scratch_bytes : tk_dot_scratch_bytes)(isa, 14, 37, 70, 22)) { scratch in
                let product = isInt8 ? tk_dot_s8 : tk_dot_bf16
                product(isa, 0, 14, 0, 37, 37, 70, 22, problem.x, 70, packed, &out, 50, TK_BF16, scratch)
            }
            for row in 0..<14 {
                let written = (0..<37).map { BFloat16(whole[row * 37 + $0]).bitPattern }
                #expect(Array(out[row * 50..<row * 50 + 37]) == written)
                #expect(out[row * 50 + 37..<(row + 1) * 50].allSatisfy { $0 == 0x1234 })
            }
        }
    }

    @Test("no elements of k give zeros", arguments: [false, true])
    func empty(isInt8: Bool) {
        for isa in kernelLevels {
            var out = [Float](repeating: .nan, count: 6)
            withScratch((isInt8 ? tk_dot_s8_scratch_bytes : tk_dot_scratch_bytes)(isa, 2, 3, 0, 1)) { scratch in
                let product = isInt8 ? tk_dot_s8 : tk_dot_bf16
                product(isa, 0, 2, 0, 3, 3, 0, 1, [0], 0, [UInt8](repeating: 0, count: 64), &out, 3, TK_F32, scratch)
            }
            #expect(out == [0, 0, 0, 0, 0, 0])
        }
    }

    @Test("bits do not depend on threads, whether these share rows, split them or take columns")
    func threads() throws {
        for (rows, columns, depth, granule) in [(70, 700, 1000, 200), (400, 96, 200, 200), (3, 90, 64, 16)] {
            let operands = [
                Sample.random(.bf16, [Dim(rows), Dim(depth, granule: granule)], seed: 1),
                Sample.random(.bf16, [Dim(columns), Dim(depth, granule: granule)], seed: 2),
            ]
            for attributes: Attributes in [["contract": .int(1)], ["contract": .int(1), "precision": .text("int8")]] {
                let results = try [1, 2, 3].map { threads in
                    try SingleOperation(
                        opcode: .dot, operands: operands, attributes: attributes, weights: [1], threads: threads
                    ).whole().floats
                }
                #expect(results[1] == results[0] && results[2] == results[0], "\(rows) rows")
            }
        }
    }
}
