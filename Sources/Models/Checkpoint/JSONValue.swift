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
