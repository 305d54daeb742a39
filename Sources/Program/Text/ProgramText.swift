import Tensor

/// How the parts of a program are written; the grammar is in docs/program-text.md.
enum ProgramText {
    /// `"text"`, with `\"`, `\\`, `\n`, `\t` and `\u{…}` for what would not be readable.
    static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\t": result += "\\t"
            case _
            where scalar.value < 0x20 || (0x7F...0x9F).contains(scalar.value)
                || scalar.properties.generalCategory == .format
                || (0x2028...0x2029).contains(scalar.value):
                result += "\\u{\(String(scalar.value, radix: 16))}"
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }

    /// A name as it is where it is a word, else in quotes.
    static func name(_ text: String) -> String {
        guard let first = text.utf8.first, isWordStart(first), text.utf8.allSatisfy(isWordPart), text != "_" else {
            return quoted(text)
        }
        return text
    }

    static func isWordStart(_ byte: UInt8) -> Bool {
        (0x41...0x5A).contains(byte) || (0x61...0x7A).contains(byte) || byte == 0x5F
    }

    static func isWordPart(_ byte: UInt8) -> Bool { isWordStart(byte) || (0x30...0x39).contains(byte) }

    /// `[1, 2]`.
    static func list(_ items: some Sequence<String>) -> String { "[\(items.joined(separator: ", "))]" }

    /// `[768, 1024]`.
    static func ints(_ values: [Int]) -> String { list(values.map(String.init)) }

    /// `16` for a dimension that is never split, `16/1` for one with a granule of 1.
    static func dim(_ dim: Dim) -> String {
        dim.granule == max(1, dim.size) ? "\(dim.size)" : "\(dim.size)/\(dim.granule)"
    }

    /// `bf16[2, 16/1, 1024]`.
    static func type(_ type: TensorType) -> String { type.dtype.rawValue + list(type.dims.map(dim)) }

    /// `1`, `0.5`, `[0, 1]`, `"gelu"`.
    static func attribute(_ attribute: Attribute) -> String {
        switch attribute {
        case .int(let value): "\(value)"
        case .float(let value): "\(value)"
        case .ints(let values): ints(values)
        case .text(let text): quoted(text)
        }
    }

    /// ` {contract = 1}`, or nothing.
    static func attributes(_ attributes: Attributes) -> String {
        if attributes.values.isEmpty { return "" }
        return " {" + attributes.sorted.map { "\(name($0.name)) = \(attribute($0.value))" }.joined(separator: ", ")
            + "}"
    }

    /// `[0:8, 0:1024]`: half-open element ranges.
    static func box(_ box: Box) -> String { list(box.ranges.map { "\($0.lowerBound):\($0.upperBound)" }) }
}
