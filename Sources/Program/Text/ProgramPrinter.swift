/// Writes a ``Program`` as text that people can read and ``ProgramParser`` reads back to the same program.
///
///     %17 = dot(%3, %5) {contract = 1} : bf16[2, 16/1, 1024] axes [guidance, _, _] in "layers.3.attn1"
public struct ProgramPrinter: Sendable {
    private let program: Program

    /// Makes a printer.
    public init(_ program: Program) { self.program = program }

    /// The whole program.
    public var text: String { text { _ in nil } }

    /// The whole program with a comment behind the values that have one; comments do not change what is read back.
    public func text(comment: (Program.ValueID) -> String?) -> String {
        var lines = ["program \(ProgramText.quoted(program.name)) {"]
        for (key, spec) in program.parameters.sorted(by: { $0.key < $1.key }) {
            lines.append("  " + Self.weight(key, spec))
        }
        for name in program.residentInputs.sorted() { lines.append("  resident \(ProgramText.quoted(name))") }
        for value in program.operations.indices {
            let remark = comment(value).map { "  // " + $0.map { $0.isNewline ? " " : String($0) }.joined() } ?? ""
            lines.append("  " + operation(value) + remark)
        }
        for output in program.outputs {
            lines.append(
                "  output \(ProgramText.quoted(output.name)) = %\(output.value)"
                    + (output.isResident ? " resident" : ""))
        }
        return lines.joined(separator: "\n") + "\n}\n"
    }

    /// One operation's line, without indentation.
    public func operation(_ value: Program.ValueID) -> String {
        let operation = program.operations[value]
        var line = "%\(value) = \(operation.opcode.rawValue)("
        line += operation.operands.map { "%\($0)" }.joined(separator: ", ") + ")"
        line += ProgramText.attributes(operation.attributes) + " : " + ProgramText.type(operation.type)
        if !operation.axes.isEmpty {
            line += " axes " + ProgramText.list(operation.axes.map { $0.map(ProgramText.name) ?? "_" })
        }
        if !operation.scope.isEmpty { line += " in \(ProgramText.quoted(operation.scope))" }
        return line
    }

    private static func weight(_ key: String, _ spec: ParameterSpec) -> String {
        var line = "weight \(ProgramText.quoted(key)) from \(ProgramText.quoted(spec.part))"
        line += " / \(ProgramText.quoted(spec.tensor)) \(ProgramText.ints(spec.fileDims))"
        if spec.view != spec.fileDims { line += " view \(ProgramText.ints(spec.view))" }
        if spec.permutation != Array(spec.view.indices) {
            line += " permutation \(ProgramText.ints(spec.permutation))"
        }
        line += " scale \(spec.generatedScale) mean \(spec.generatedMean)"
        return spec.name == key ? line : line + " as \(ProgramText.quoted(spec.name))"
    }
}
