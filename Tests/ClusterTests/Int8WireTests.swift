import Models
import Program
import Sharding
import Tensor
import Testing

/// Messages as int8 under a whole model: near the exact ones, in fewer bytes, and the same every time.
@Suite("int8 on the wire", .serialized)
struct Int8WireTests {
    private static let rules = [
        "heads": ["model"], "mlp": ["model"], "vocab": ["model"], "rows": ["model"], "tokens": ["tokens"],
    ]

    @Test(
        "Codes agree with those of exact messages",
        arguments: [(0, "model", 3), (1, "model", 2), (2, "model", 2), (2, "tokens", 2)])
    func agreement(number: Int, axis: String, size: Int) throws {
        let fixture = try #require(ReferenceFixture.all.dropFirst(number).first)
        let mesh = Mesh([.init(axis, size)])
        let model = try RecordedLogits(fixture)
        let rules = Self.rules.filter { $0.value == [axis] }
        let exact = try model.run(.bf16, mesh: mesh, rules: rules)
        let int8 = try model.run(.bf16, mesh: mesh, rules: rules, options: CompilerOptions(wire: .int8))
        #expect(int8.traffic.sent == int8.traffic.planned)
        let (sent, plain) = (int8.traffic.sent.reduce(0, +), exact.traffic.sent.reduce(0, +))
        #expect(10 * sent < 7 * plain)
        let again = try model.run(.bf16, mesh: mesh, rules: rules, options: CompilerOptions(wire: .int8))
        #expect(again.logits == int8.logits)
        let (codes, error) = (RecordedLogits.codes, RecordedLogits.error)
        let (right, got) = (codes(exact.logits), codes(int8.logits))
        let same = zip(right, got).filter { $0 == $1 }.count
        let distance = error(int8.logits, exact.logits)
        print(
            "wire int8: \(fixture.path), \(axis) \(size): \(same) of \(right.count) codes as with exact "
                + "messages; logits off by \(distance), of the reference's by \(error(int8.logits, model.reference)) "
                + "(exact \(error(exact.logits, model.reference))), root mean square, relative; "
                + "\(sent) bytes instead of \(plain)")
        #expect(distance < 0.05 && distance > 0)
        #expect(Double(same) > 0.75 * Double(right.count))
    }
}
