import Foundation
import Program
import Tensor
import Testing

/// What reads and judges cases must itself be right.
@Suite("Against XLA: reading cases")
struct CaseFileTests {
    private static let product = """
        {"name": "n", "mesh": [["m", 4]], "unknown": {"deep": [1]},
         "graph": {"inputs": [{"id": "a", "shape": [8, 16], "dtype": "f32"}, {"id": "b", "shape": [16, 4], "dtype": "f32"}],
          "nodes": [{"id": "c", "op": "dot_general", "in": ["a", "b"], "attrs": {"lhs_contract": [1], "rhs_contract": [0]},
            "shape": [8, 4], "dtype": "f32"}],
          "outputs": ["c"]},
         "annotations": {"a": A, "b": [[], []]}, "bar": {"ring_bytes": B, "raw_ring_bytes": {"shardy": 1}}}
        """

    private func item(annotation: String, bar: String = "0") throws -> Case {
        let text = Self.product.replacing("A", with: annotation, maxReplacements: 1).replacing(
            "B", with: bar, maxReplacements: 1)
        return try JSONDecoder().decode(Case.self, from: Data(text.utf8))
    }

    @Test func unknownFieldsAndMissingBarsAreFine() throws {
        let item = try item(annotation: #"[["m"], "?"]"#, bar: "null")
        #expect(item.annotations["a"] == [.axes(["m"]), .open])
        #expect(item.bar?.ringBytes == nil)
        try item.check()
    }

    @Test func numbersThatAreNoneBecomeNumbers() throws {
        let text = Data(#"{"a": NaN, "b": [-Infinity, 1], "c": "NaN \" Infinity"}"#.utf8)
        let plain = String(decoding: text.replacingNonNumbers(), as: UTF8.self)
        #expect(plain == #"{"a": 0, "b": [-3.4028234663852886e38, 1], "c": "NaN \" Infinity"}"#)
    }

    @Test func impossibleCasesAreErrors() throws {
        let short = try item(annotation: "[[]]")
        #expect(throws: CaseError.self) { try short.check() }
        var long = try item(annotation: "[[], []]")
        long.mesh = [.init("m", 1 << 20)]
        #expect(throws: CaseError.self) { try long.check() }
        var wrong = try item(annotation: "[[], []]")
        wrong.graph.nodes[0].shape = [8, 5]
        #expect(throws: CaseError.self) { try CaseTranslator.translate(wrong) }
        wrong.graph.nodes[0].op = "fly"
        #expect(throws: CaseError.self) { try CaseTranslator.translate(wrong) }
    }

    @Test("A part of an axis: a device in two holds each half")
    func partsOfAxes() throws {
        let check = AnnotationCheck(mesh: Mesh([.init("m", 4)]))
        let halves = [0, 0, 1, 1].map { Box([$0 * 4..<$0 * 4 + 4, 0..<2]) }
        let dims = [Dim(8, granule: 1), Dim(2, granule: 1)]
        func problem(_ boxes: [Box], _ axes: [String]) -> String? {
            check.problem(boxes, dims: dims, annotation: [.axes(axes), .axes([])], isPartEnough: false)
        }
        #expect(problem(halves, ["m:(1)2"]) == nil)
        #expect(problem(halves, ["m:(2)2"]) != nil)
        #expect(problem([halves[0], halves[2], halves[1], halves[3]], ["m:(2)2"]) == nil)
        #expect(problem(halves, ["m"]) != nil)
        #expect(problem(halves, []) != nil)
        let outcome = CaseRunner(item: try item(annotation: #"[["m:(1)2"], []]"#)).run()
        #expect(outcome.problems.isEmpty && outcome.shardedBytes == 0, "\(outcome)")
    }

    @Test func differencesAreSeen() {
        let a = HostTensor([1, 2, .nan] as [Float], dims: [3])
        let b = HostTensor([1, 2.001, .nan] as [Float], dims: [3])
        let c = HostTensor([1, 2.00001, .nan] as [Float], dims: [3])
        #expect(Comparison.difference(a, a, isExact: true) == nil)
        #expect(Comparison.difference(b, a, isExact: false) != nil)
        #expect(Comparison.difference(c, a, isExact: true) != nil)
        #expect(Comparison.difference(c, a, isExact: false) == nil)
    }

    @Test func sumsOfIntegersAreKnownToBeExact() throws {
        var item = try item(annotation: "[[], []]")
        #expect(CaseExactness(item).isExact)
        item.graph.nodes.insert(
            .init(id: "t", op: "tanh", operands: ["a"], attributes: .init(), shape: [8, 16], dtype: "f32"), at: 0)
        item.graph.nodes[1].operands[0] = "t"
        #expect(!CaseExactness(item).isExact)
    }
}
