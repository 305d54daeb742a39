/// Cuts a program's text into tokens.
///
/// Strings are checked as UTF-8 when they are read, everything else but comments is ASCII.
struct ProgramLexer {
    let bytes: [UInt8]
    private var offset = 0

    /// Most bytes in a quoted text, escapes included.
    static let textByteCountMax = 1 << 14

    init(_ bytes: [UInt8]) { self.bytes = bytes }

    mutating func next() throws(ProgramTextError) -> ProgramToken {
        skipBlanks()
        let start = offset
        guard offset < bytes.count else { return ProgramToken(kind: .end, offset: start) }
        let byte = bytes[offset]
        let kind: ProgramToken.Kind
        switch byte {
        case UInt8(ascii: "\""): kind = .text(try text())
        case UInt8(ascii: "%"):
            offset += 1
            guard let id = Int(ascii(while: Self.isDigit)), id >= 0 else {
                throw error(at: start, expected: "the number of a value behind '%'")
            }
            kind = .value(id)
        case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): kind = try number()
        case _ where ProgramText.isWordStart(byte): kind = .word(ascii(while: ProgramText.isWordPart))
        case _ where "=(){}[],:/".utf8.contains(byte):
            offset += 1
            kind = .symbol(byte)
        default: throw error(at: start, expected: "a name, a number, a quoted text or punctuation")
        }
        return ProgramToken(kind: kind, offset: start)
    }

    /// An error at a byte, with its line and column and the character there.
    func error(at offset: Int, expected: String, found: String? = nil) -> ProgramTextError {
        let before = bytes[..<min(offset, bytes.count)]
        let lineStart = before.lastIndex(of: 0x0A).map { $0 + 1 } ?? 0
        let line = before.count { $0 == 0x0A } + 1
        // Scalars begin with every byte that does not continue one.
        let column = bytes[lineStart..<before.endIndex].count { $0 & 0xC0 != 0x80 } + 1
        return ProgramTextError(line: line, column: column, expected: expected, found: found ?? character(at: offset))
    }

    private func character(at offset: Int) -> String {
        guard offset < bytes.count else { return "the end of the text" }
        let length = bytes[offset] < 0x80 ? 1 : min(4, bytes.count - offset)
        for count in stride(from: length, to: 0, by: -1) {
            if let text = String(validating: bytes[offset..<(offset + count)], as: UTF8.self),
                text.unicodeScalars.count == 1, let scalar = text.unicodeScalars.first
            {
                return scalar.value < 0x20 || scalar.value == 0x7F
                    ? "the control character U+\(String(scalar.value, radix: 16))" : "'\(text)'"
            }
        }
        return "a byte that is not UTF-8"
    }

    private mutating func skipBlanks() {
        while offset < bytes.count {
            switch bytes[offset] {
            case 0x20, 0x09, 0x0A, 0x0D: offset += 1
            case UInt8(ascii: "/") where offset + 1 < bytes.count && bytes[offset + 1] == UInt8(ascii: "/"):
                while offset < bytes.count, bytes[offset] != 0x0A { offset += 1 }
            default: return
            }
        }
    }

    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

    private mutating func ascii(while isPart: (UInt8) -> Bool) -> String {
        let start = offset
        while offset < bytes.count, isPart(bytes[offset]) { offset += 1 }
        return String(decoding: bytes[start..<offset], as: UTF8.self)
    }

    private mutating func number() throws(ProgramTextError) -> ProgramToken.Kind {
        let start = offset
        offset += 1
        // `-inf` and `-nan` are numbers, and so are digits, points and exponents.
        while offset < bytes.count {
            let byte = bytes[offset]
            let isSign = byte == UInt8(ascii: "+") || byte == UInt8(ascii: "-")
            let followsExponent = bytes[offset - 1] | 0x20 == UInt8(ascii: "e")
            guard ProgramText.isWordPart(byte) || byte == UInt8(ascii: ".") || (isSign && followsExponent) else {
                break
            }
            offset += 1
        }
        let text = String(decoding: bytes[start..<offset], as: UTF8.self)
        let digits = bytes[start..<offset].drop { $0 == UInt8(ascii: "-") }
        if !digits.isEmpty, digits.allSatisfy(Self.isDigit) {
            if let value = Int(text) { return .int(value) }
            throw error(at: start, expected: "a whole number of at most 64 bits", found: "'\(text.prefix(24))…'")
        }
        let isPlain = bytes[start..<offset].allSatisfy { Self.isDigit($0) || "+-.eE".utf8.contains($0) }
        guard isPlain || text == "-inf" || text == "-nan", let value = Double(text), value.isFinite || !isPlain else {
            throw error(at: start, expected: "a number", found: "'\(text.prefix(24))'")
        }
        return .float(value)
    }

    private mutating func text() throws(ProgramTextError) -> String {
        let start = offset
        offset += 1
        var content: [UInt8] = []
        while true {
            guard offset < bytes.count, bytes[offset] != 0x0A else {
                throw error(at: offset, expected: "'\"' at the end of a quoted text")
            }
            guard offset - start <= Self.textByteCountMax else {
                throw error(
                    at: start, expected: "a quoted text of at most \(Self.textByteCountMax) bytes",
                    found: "a longer one")
            }
            let byte = bytes[offset]
            if byte == UInt8(ascii: "\"") {
                offset += 1
                break
            }
            if byte == UInt8(ascii: "\\") {
                content += try escape()
            } else {
                content.append(byte)
                offset += 1
            }
        }
        guard let text = String(validating: content, as: UTF8.self) else {
            throw error(at: start, expected: "a quoted text in UTF-8", found: "bytes that are not UTF-8")
        }
        return text
    }

    private mutating func escape() throws(ProgramTextError) -> [UInt8] {
        let start = offset
        let kind = offset + 1 < bytes.count ? bytes[offset + 1] : 0
        offset += 2
        switch kind {
        case UInt8(ascii: "\""), UInt8(ascii: "\\"): return [kind]
        case UInt8(ascii: "n"): return [0x0A]
        case UInt8(ascii: "t"): return [0x09]
        case UInt8(ascii: "u"):
            guard offset < bytes.count, bytes[offset] == UInt8(ascii: "{"),
                let close = bytes[offset...].prefix(8).firstIndex(of: UInt8(ascii: "}")),
                let value = UInt32(String(decoding: bytes[(offset + 1)..<close], as: UTF8.self), radix: 16),
                let scalar = Unicode.Scalar(value)
            else { break }
            offset = close + 1
            return Array(String(Character(scalar)).utf8)
        default: break
        }
        throw error(at: start, expected: "one of the escapes \\\" \\\\ \\n \\t \\u{…}", found: "another one")
    }
}
