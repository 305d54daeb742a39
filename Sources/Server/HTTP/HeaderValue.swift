/// Header values of the form `word; name=value; name="value"` (RFC 9110, 5.6.6).
enum HeaderValue {
    /// Most parameters that are read; the rest is left out.
    private static let parameterLimit = 16

    /// The word in lower case, and the parameters by their names in lower case; the first of a name counts.
    static func split(_ text: String) -> (word: String, parameters: [String: String]) {
        var rest = Array(text.utf8)[...]
        let word = token(&rest)
        var parameters: [String: String] = [:]
        var count = 0
        while let semicolon = rest.first, semicolon == UInt8(ascii: ";"), count < parameterLimit {
            rest = rest.dropFirst()
            let name = token(&rest, ends: [UInt8(ascii: ";"), UInt8(ascii: "=")]).lowercased()
            var value = ""
            if rest.first == UInt8(ascii: "=") {
                rest = rest.dropFirst()
                rest = rest.drop { $0 == 0x20 || $0 == 0x09 }
                value = rest.first == UInt8(ascii: "\"") ? quoted(&rest) : token(&rest)
            }
            if !name.isEmpty, parameters[name] == nil { parameters[name] = value }
            count += 1
        }
        return (word.lowercased(), parameters)
    }

    /// Everything up to a separator, without white space around it.
    private static func token(_ rest: inout ArraySlice<UInt8>, ends: [UInt8] = [UInt8(ascii: ";")]) -> String {
        let token = rest.prefix { !ends.contains($0) }
        rest = rest.dropFirst(token.count)
        let isSpace: (UInt8) -> Bool = { $0 == 0x20 || $0 == 0x09 }
        var trimmed = token.drop(while: isSpace)
        while let last = trimmed.last, isSpace(last) { trimmed = trimmed.dropLast() }
        return String(decoding: trimmed, as: UTF8.self)
    }

    /// A string in quotes, in which a backslash keeps the character after it; then everything up to a separator.
    private static func quoted(_ rest: inout ArraySlice<UInt8>) -> String {
        var bytes: [UInt8] = []
        rest = rest.dropFirst()
        while let byte = rest.popFirst(), byte != UInt8(ascii: "\"") {
            if byte == UInt8(ascii: "\\"), let next = rest.popFirst() {
                bytes.append(next)
            } else {
                bytes.append(byte)
            }
        }
        _ = token(&rest)
        return String(decoding: bytes, as: UTF8.self)
    }
}
