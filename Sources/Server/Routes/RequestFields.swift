import Foundation

/// The fields of a request, from JSON or from a form, read one by one.
///
/// Throws an ``APIError`` that names the field wherever something is wrong.
struct RequestFields {
    private let values: [String: JSONValue]
    /// Forms know texts only; their numbers are read from them.
    private let isForm: Bool

    /// Nesting that a JSON body may have; no field needs any.
    private static let depthLimit = 8

    /// Fields of a JSON object.
    init(json bytes: [UInt8]) throws(APIError) {
        guard Self.depth(bytes) <= Self.depthLimit else {
            throw .invalid(nil, "the body is nested too deep", code: "invalid_json")
        }
        let value: JSONValue
        do {
            value = try JSONDecoder().decode(JSONValue.self, from: Data(bytes))
        } catch {
            throw .invalid(nil, "the body is not JSON", code: "invalid_json")
        }
        guard case .object(let values) = value else {
            throw .invalid(nil, "the body must be a JSON object, it is \(value.kind)", code: "invalid_json")
        }
        self.values = values
        isForm = false
    }

    /// Fields of a form.
    init(form: [String: String]) {
        values = form.mapValues { .string($0) }
        isForm = true
    }

    /// Throws where there is a field that is not known, by its name.
    func check(known: [String]) throws(APIError) {
        for name in values.keys.sorted() where !known.contains(name) {
            let shown = String(name.prefix(60))
            throw .invalid(
                shown, "unknown field '\(shown)'; known are \(known.joined(separator: ", "))", code: "unknown_field")
        }
    }

    /// True where the field is there and not null.
    func has(_ name: String) -> Bool { value(name) != nil }

    /// A text.
    func text(_ name: String, byteLimit: Int) throws(APIError) -> String? {
        guard let value = value(name) else { return nil }
        guard case .string(let text) = value else { throw mismatch(name, "a string", value) }
        guard text.utf8.count <= byteLimit else {
            throw .invalid(
                name, "\(name) has \(text.utf8.count) bytes, allowed are \(byteLimit)", code: "too_long")
        }
        return text
    }

    /// A whole number of a range.
    func integer(_ name: String, in range: ClosedRange<Int>) throws(APIError) -> Int? {
        guard let value = value(name) else { return nil }
        let number: Int? =
            switch value {
            case .integer(let number): number
            case .number(let number): Int(exactly: number)
            case .string(let text) where isForm: Int(text)
            default: nil
            }
        guard let number, range.contains(number) else {
            throw .invalid(
                name, "\(name) must be a whole number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    /// A seed.
    func seed(_ name: String) throws(APIError) -> UInt64? {
        guard let value = value(name) else { return nil }
        let number: UInt64? =
            switch value {
            case .integer(let number): UInt64(exactly: number)
            case .unsigned(let number): number
            case .string(let text) where isForm: UInt64(text)
            default: nil
            }
        guard let number else { throw .invalid(name, "\(name) must be a whole number from 0 to \(UInt64.max)") }
        return number
    }

    /// A number of a range.
    func real(_ name: String, in range: ClosedRange<Double>) throws(APIError) -> Double? {
        guard let value = value(name) else { return nil }
        let number: Double? =
            switch value {
            case .integer(let number): Double(number)
            case .unsigned(let number): Double(number)
            case .number(let number): number
            case .string(let text) where isForm: Double(text)
            default: nil
            }
        guard let number, range.contains(number) else {
            throw .invalid(name, "\(name) must be a number from \(range.lowerBound) to \(range.upperBound)")
        }
        return number
    }

    /// Yes or no.
    func flag(_ name: String) throws(APIError) -> Bool? {
        guard let value = value(name) else { return nil }
        switch value {
        case .bool(let flag): return flag
        case .string("true") where isForm: return true
        case .string("false") where isForm: return false
        default: throw mismatch(name, "true or false", value)
        }
    }

    /// One of a few words, all of which are taken.
    func word(_ name: String, of words: [String]) throws(APIError) -> String? {
        try choice(name, of: words)
        guard case .string(let text) = value(name) else { return nil }
        return text
    }

    /// All fields as one text, the same for the same fields in any order and notation.
    var canonical: Data { JSONValue.object(values).encoded }

    /// One of a few words.
    ///
    /// - Parameter unsupported: words of OpenAI's that this server does not take, and what to do instead.
    func choice(
        _ name: String, of words: [String], unsupported: [String] = [], instead: String = ""
    ) throws(APIError) {
        guard let value = value(name) else { return }
        guard case .string(let text) = value else { throw mismatch(name, "a string", value) }
        if words.contains(text) { return }
        if unsupported.contains(text) {
            throw .invalid(name, "\(name) '\(text)' is not supported: \(instead)", code: "unsupported_value")
        }
        throw .invalid(
            name, "\(name) must be one of \((words + unsupported).joined(separator: ", "))")
    }

    private func value(_ name: String) -> JSONValue? {
        guard let value = values[name], value != .null else { return nil }
        // A form's empty field says nothing; an empty prompt is a prompt.
        if isForm, value == .string(""), name != "prompt" { return nil }
        return value
    }

    private func mismatch(_ name: String, _ wanted: String, _ value: JSONValue) -> APIError {
        .invalid(name, "\(name) must be \(wanted), it is \(value.kind)", code: "invalid_type")
    }

    /// Deepest nesting of brackets outside strings.
    private static func depth(_ bytes: [UInt8]) -> Int {
        var (depth, deepest, isText, isEscaped) = (0, 0, false, false)
        for byte in bytes {
            if isText {
                if isEscaped {
                    isEscaped = false
                } else if byte == UInt8(ascii: "\\") {
                    isEscaped = true
                } else if byte == UInt8(ascii: "\"") {
                    isText = false
                }
                continue
            }
            switch byte {
            case UInt8(ascii: "\""): isText = true
            case UInt8(ascii: "["), UInt8(ascii: "{"):
                depth += 1
                deepest = max(deepest, depth)
            case UInt8(ascii: "]"), UInt8(ascii: "}"): depth -= 1
            default: break
            }
        }
        return deepest
    }
}
