import Foundation
import Logging

/// A log line as one JSON object: `time`, `level`, `logger`, `message`, then the metadata's keys in order.
enum JSONLine {
    /// The line, without its end.
    static func text(
        time: Date, level: String, logger: String, message: String, metadata: Logger.Metadata = [:]
    ) -> String {
        let stamp = time.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true))
        var fields = [
            "\"time\":\(quoted(stamp))", "\"level\":\(quoted(level))", "\"logger\":\(quoted(logger))",
            "\"message\":\(quoted(message))",
        ]
        for (key, value) in metadata.sorted(by: { $0.key < $1.key }) {
            // The line's own keys stay what they are.
            let name = ["time", "level", "logger", "message"].contains(key) ? "\(key)_" : key
            fields.append("\(quoted(name)):\(encoded(value))")
        }
        return "{\(fields.joined(separator: ","))}"
    }

    private static func encoded(_ value: Logger.Metadata.Value) -> String {
        switch value {
        case .string(let text): quoted(text)
        case .stringConvertible(let number as any BinaryInteger): "\(number)"
        case .stringConvertible(let number as Double) where number.isFinite: "\(number)"
        case .stringConvertible(let flag as Bool): "\(flag)"
        case .stringConvertible(let other): quoted("\(other)")
        case .array(let values): "[\(values.map(encoded).joined(separator: ","))]"
        case .dictionary(let pairs):
            "{\(pairs.sorted { $0.key < $1.key }.map { "\(quoted($0.key)):\(encoded($0.value))" }.joined(separator: ","))}"
        }
    }

    /// A JSON string (RFC 8259, 7).
    static func quoted(_ text: String) -> String {
        var result = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": result += "\\\""
            case "\\": result += "\\\\"
            case "\n": result += "\\n"
            case "\t": result += "\\t"
            case "\r": result += "\\r"
            case "\u{0}"..<"\u{20}", "\u{7F}", "\u{2028}", "\u{2029}":
                let digits = String(scalar.value, radix: 16)
                result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: result.unicodeScalars.append(scalar)
            }
        }
        return result + "\""
    }
}
