/// Cuts a stream of bytes into lines and keeps the last ones.
struct LineTail {
    /// Lines kept.
    static let count = 12
    /// Bytes after which a line is cut.
    static let lineBytes = 2000

    /// The last lines, oldest first.
    private(set) var lines: [String] = []
    private var rest: [UInt8] = []

    /// Takes bytes; the lines that they complete.
    mutating func add(_ bytes: some Sequence<UInt8>) -> [String] {
        var complete: [String] = []
        for byte in bytes {
            if byte == UInt8(ascii: "\n") || rest.count >= Self.lineBytes { complete.append(take()) }
            if byte != UInt8(ascii: "\n") { rest.append(byte) }
        }
        return complete
    }

    /// The line that was not ended, at the end of the stream.
    mutating func finish() -> [String] { rest.isEmpty ? [] : [take()] }

    private mutating func take() -> String {
        let line = String(decoding: rest, as: UTF8.self)
        rest.removeAll(keepingCapacity: true)
        lines.append(line)
        if lines.count > Self.count { lines.removeFirst() }
        return line
    }
}
