import Program
import Tensor
import Testing

@Suite("Text of programs")
struct ProgramTextTests {
    /// One of everything that a program can hold.
    static var everything: Program {
        var builder = ProgramBuilder(name: "all \"of\" it\n", activation: .bf16)
        let x = builder.input(
            "x", TensorType(.bf16, [Dim(3, granule: 2), Dim(5, granule: 1), Dim(8)]), axes: ["batch", nil, "a+b"])
        let kept = builder.input("kept.key", TensorType(.f32, []), isResident: true)
        let w = builder.scope("layers") {
            $0.scope("3") {
                $0.parameter(
                    ParameterSpec(
                        name: "w.é\u{202E}", part: "part", tensor: "t", fileDims: [8, 16], view: [8, 4, 4],
                        permutation: [2, 1, 0], generatedScale: 1e-300, generatedMean: -0.5), granules: [1, nil, nil],
                    axes: ["-", "_", nil])
            }
        }
        let y = builder.add(.dot, [x, w], ["contract": .int(1)])
        builder.output("y", y)
        builder.output("left", kept, isResident: true)
        var program = builder.program
        program.operations.append(
            .init(
                opcode: .cast, operands: [y],
                attributes: [
                    "int": .int(.min), "one": .float(1), "tiny": .float(.leastNonzeroMagnitude),
                    "large": .float(-1.5e300),
                    "inf": .float(.infinity), "minus": .float(-.infinity), "none": .ints([]),
                    "some": .ints([-1, 0, 7]),
                    "word": .text("tab\tquote\" \\ \u{0} \r\n 🦊"), "with space": .text(""),
                ], type: TensorType(.u8, [Dim(0), Dim(0, granule: 3), Dim(1)])))
        return program
    }

    @Test("Everything that a program holds comes back")
    func roundTrip() throws {
        let program = Self.everything
        let text = ProgramPrinter(program).text
        #expect(try ProgramParser.parse(text) == program)
        #expect(ProgramPrinter(try ProgramParser.parse(text)).text == text)
    }

    @Test("The text reads as documented")
    func golden() {
        var builder = ProgramBuilder(name: "block", activation: .bf16)
        let x = builder.input("x", TensorType(.bf16, [Dim(64, granule: 1), Dim(32)]), axes: ["batch", nil])
        let w = builder.parameter(
            ParameterSpec(name: "w1", part: "unet", tensor: "ff.1", fileDims: [128, 32]), granules: [8, nil],
            axes: ["mlp", nil])
        let h = builder.scope("ff") { $0.add(.dot, [x, w], ["contract": .int(1)]) }
        builder.output("h", builder.add(.activation, [h], ["kind": .text("silu")]))
        #expect(
            ProgramPrinter(builder.program).text == """
                program "block" {
                  weight "w1" from "unet" / "ff.1" [128, 32] scale 0.02 mean 0.0
                  %0 = input() {name = "x"} : bf16[64/1, 32] axes [batch, _]
                  %1 = parameter() {name = "w1"} : bf16[128/8, 32] axes [mlp, _]
                  %2 = dot(%0, %1) {contract = 1} : bf16[64/1, 128/8] in "ff"
                  %3 = activation(%2) {kind = "silu"} : bf16[64/1, 128/8]
                  output "h" = %3
                }

                """)
    }

    @Test("Comments and blanks do not change what is read")
    func comments() throws {
        let program = Self.everything
        let text = ProgramPrinter(program).text { "[model, -] // value \($0)\nsecond line" }
        #expect(text.contains("// [model, -] // value 1 second line"))
        #expect(try ProgramParser.parse("// first\r\n" + text + "\t// end without a newline") == program)
    }

    static let cases: [(text: String, error: String)] = [
        ("", "line 1, column 1: expected 'program', found the end of the text"),
        ("program x {}", "line 1, column 9: expected the program's name in quotes, found 'x'"),
        (
            "program \"x\" {",
            "line 1, column 14: expected '%', 'weight', 'resident', 'output' or '}', found the end of the text"
        ),
        ("program \"x\" {} }", "line 1, column 16: expected the end of the text, found '}'"),
        ("program \"x\" {\n  %1 = cast() : f32[]\n}", "line 2, column 3: expected '%0', the next value, found '%1'"),
        (
            "program \"x\" {\n %0 = twist() : f32[]\n}",
            "line 2, column 7: expected the name of an operation, found 'twist'"
        ),
        (
            "program \"x\" {\n %0 = add(%0) : f32[]\n}",
            "line 2, column 11: expected a value that was made before, found '%0'"
        ),
        (
            "program \"é\" { %0 = input() : f33[] }",
            "line 1, column 30: expected an element type: f32, bf16, f16, i32, u8, found 'f33'"
        ),
        (
            "program \"x\" { %0 = input() : f32[-1] }",
            "line 1, column 34: expected a size from 0 to 1099511627776, found '-1'"
        ),
        (
            "program \"x\" { %0 = input() : f32[4/0] }",
            "line 1, column 36: expected a size from 1 to 1099511627776, found '0'"
        ),
        (
            "program \"x\" { %0 = input() {a = 1, a = 2} : f32[] }",
            "line 1, column 36: expected an attribute that was not given, found 'a'"
        ),
        (
            "program \"x\" { %0 = input() {a = 99999999999999999999} : f32[] }",
            "line 1, column 33: expected a whole number of at most 64 bits, found '99999999999999999999…'"
        ),
        ("program \"x\" { %0 = input() {a = 1e999} : f32[] }", "line 1, column 33: expected a number, found '1e999'"),
        (
            "program \"x\" { %0 = input() {a = [1, 2.5]} : f32[] }",
            "line 1, column 37: expected a whole number, found '2.5'"
        ),
        (
            "program \"x\" { %99999999999999999999 = input() : f32[] }",
            "line 1, column 15: expected the number of a value behind '%', found '%'"
        ),
        (
            "program \"x\n\" {}",
            "line 1, column 11: expected '\"' at the end of a quoted text, found the control character U+a"
        ),
        (
            "program \"\\x\" {}",
            "line 1, column 10: expected one of the escapes \\\" \\\\ \\n \\t \\u{…}, found another one"
        ),
        (
            "program \"\\u{D800}\" {}",
            "line 1, column 10: expected one of the escapes \\\" \\\\ \\n \\t \\u{…}, found another one"
        ),
        (
            "program \"x\" { § }",
            "line 1, column 15: expected a name, a number, a quoted text or punctuation, found '§'"
        ),
        (
            "program \"x\" { weight \"w\" from \"p\" / \"t\" [2] permutation [1] scale 1 mean 0 }",
            "line 1, column 57: expected a permutation of 1 dimensions, found '['"
        ),
        (
            "program \"x\" { resident \"a\" resident \"a\" }",
            "line 1, column 37: expected a resident that was not declared, found \"a\""
        ),
        ("program \"x\" { output \"a\" = %0 }", "line 1, column 28: expected a value that was made before, found '%0'"),
    ]

    @Test("Mistakes are named with line, column and what was expected", arguments: cases)
    func mistakes(text: String, error: String) {
        let thrown = #expect(throws: ProgramTextError.self) { try ProgramParser.parse(text) }
        #expect(thrown?.description == error)
    }

    @Test("Bytes that are not UTF-8 are an error inside quotes and where tokens stand")
    func notUTF8() {
        for bytes: [UInt8] in [Array("program \"".utf8) + [0xFF] + Array("\" {}".utf8), [0xC3], [0x80, 0x80]] {
            #expect(throws: ProgramTextError.self) { try ProgramParser.parse(bytes) }
        }
    }

    @Test("Counts and lengths have bounds")
    func bounds() {
        let many = String(repeating: "1, ", count: ProgramParser.listCountMax) + "1"
        let texts = [
            "program \"\(String(repeating: "x", count: 1 << 15))\" {}",
            "program \"x\" { %0 = input() {a = [\(many)]} : f32[] }",
            "program \"x\" { %0 = input() : f32[\(String(repeating: "1, ", count: 64))1] }",
            String(repeating: "{", count: 100_000),
            "program \"x\" {" + String(repeating: "(", count: 100_000),
        ]
        for text in texts { #expect(throws: ProgramTextError.self) { try ProgramParser.parse(text) } }
    }
}
