/// A parsed JSON document.
package enum JSONValue: Sendable, Hashable {
    /// `[...]`
    case array([JSONValue])
    /// `true` or `false`
    case bool(Bool)
    /// A number with a fraction or an exponent, or too large for an integer.
    case double(Double)
    /// A number without fraction and exponent.
    case int(Int)
    /// `null`
    case null
    /// `{...}`; a repeated key is an error of the document.
    case object([String: JSONValue])
    /// `"..."`
    case string(String)

    /// Members of an object, else nil.
    package var object: [String: JSONValue]? { if case .object(let members) = self { members } else { nil } }
    /// Elements of an array, else nil.
    package var array: [JSONValue]? { if case .array(let elements) = self { elements } else { nil } }
    /// A string's value, else nil.
    package var string: String? { if case .string(let value) = self { value } else { nil } }
    /// An integer's value, else nil.
    package var int: Int? { if case .int(let value) = self { value } else { nil } }
    /// A flag's value, else nil.
    package var bool: Bool? { if case .bool(let value) = self { value } else { nil } }
    /// A number's value, else nil.
    package var number: Double? {
        switch self {
        case .double(let value): value
        case .int(let value): Double(value)
        default: nil
        }
    }

    /// The value as a document: one member a line at the top, keys in order.
    package var text: String {
        guard case .object(let members) = self else { return compact + "\n" }
        let lines = members.sorted { $0.key < $1.key }.map { "  \(Self.quoted($0.key)): \($0.value.compact)" }
        return "{\n" + lines.joined(separator: ",\n") + "\n}\n"
    }

    /// The value as JSON on one line, keys in order; numbers are finite.
    package var compact: String {
        switch self {
        case .array(let elements): "[" + elements.map(\.compact).joined(separator: ", ") + "]"
        case .object(let members):
            "{"
                + members.sorted { $0.key < $1.key }.map { "\(Self.quoted($0.key)): \($0.value.compact)" }
                .joined(separator: ", ") + "}"
        case .string(let value): Self.quoted(value)
        case .bool, .double, .int, .null: brief
        }
    }

    private static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case let control where control.value < 0x20:
                let digits = String(control.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }

    /// The value as JSON writes it, shortened: for messages.
    package var brief: String {
        switch self {
        case .array(let elements): "[" + elements.prefix(8).map(\.brief).joined(separator: ", ") + "]"
        case .bool(let value): value ? "true" : "false"
        case .double(let value): "\(value)"
        case .int(let value): "\(value)"
        case .null: "null"
        case .object: "{…}"
        case .string(let value): "\"\(value.prefix(64))\""
        }
    }
}

/// What is wrong with a JSON document, and where.
package struct JSONError: Error, Sendable, Hashable, CustomStringConvertible {
    /// Byte offset.
    package let offset: Int
    /// What was found or expected there.
    package let problem: String
    /// The problem and its byte offset.
    package var description: String { "\(problem) at byte \(offset)" }
}
