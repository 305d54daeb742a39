/// Environment variables that a launcher hands to a worker of another machine through its standard input, so that they
/// stand on no command line.
///
/// Layout: `NAME=VALUE` and a zero byte for each variable, by name; a zero byte alone ends them. What follows is not
/// read: the input stays open for as long as the worker may live.
public struct EnvironmentEntries: Sendable {
    /// Most bytes of all entries; a pipe holds as many.
    public static let byteCountMax = 32 << 10

    private var entry: [UInt8] = []
    private var count = 0
    private var variables: [String: String] = [:]

    /// A reader that has read nothing.
    public init() {}

    /// The bytes of variables.
    ///
    /// Traps where a name is none, a value has a zero byte, or all together are longer than ``byteCountMax``.
    public static func encode(_ variables: [String: String]) -> [UInt8] {
        var bytes: [UInt8] = []
        for (name, value) in variables.sorted(by: { $0.key < $1.key }) {
            precondition(isName(name.utf8), "'\(name)' is not the name of a variable")
            precondition(!value.utf8.contains(0), "the value of \(name) has a zero byte")
            bytes += Array("\(name)=\(value)".utf8) + [0]
        }
        precondition(bytes.count < byteCountMax, "the variables of a worker take more than \(byteCountMax) bytes")
        return bytes + [0]
    }

    /// Takes the next byte; the variables once they are complete.
    public mutating func take(_ byte: UInt8) throws(ProtocolError) -> [String: String]? {
        count += 1
        guard count <= Self.byteCountMax else {
            throw ProtocolError(.size, "the launcher's variables take more than \(Self.byteCountMax) bytes")
        }
        guard byte == 0 else {
            entry.append(byte)
            return nil
        }
        if entry.isEmpty { return variables }
        defer { entry.removeAll(keepingCapacity: true) }
        guard let split = entry.firstIndex(of: UInt8(ascii: "=")), Self.isName(entry[..<split]),
            let value = String(validating: entry[(split + 1)...], as: UTF8.self)
        else { throw ProtocolError(.malformed, "the launcher's input is no list of variables") }
        variables[String(decoding: entry[..<split], as: UTF8.self)] = value
        return nil
    }

    private static func isName(_ text: some Collection<UInt8>) -> Bool {
        guard let first = text.first, !(UInt8(ascii: "0")...UInt8(ascii: "9")).contains(first) else { return false }
        return text.allSatisfy { byte in
            switch byte {
            case UInt8(ascii: "A")...UInt8(ascii: "Z"), UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "_"),
                UInt8(ascii: "0")...UInt8(ascii: "9"):
                true
            default: false
            }
        }
    }
}
