import Protocol
import TestSupport
import Testing

/// Variables on a worker's standard input.
@Suite struct EnvironmentEntriesTests {
    /// What a reader makes of bytes: variables, with the number of bytes it took; nil: it wants more.
    private static func read(_ bytes: [UInt8]) throws(ProtocolError) -> (variables: [String: String], count: Int)? {
        var reader = EnvironmentEntries()
        for (index, byte) in bytes.enumerated() {
            if let variables = try reader.take(byte) { return (variables, index + 1) }
        }
        return nil
    }

    @Test(arguments: [
        [:], ["A": ""], ["LONG": "a=b=c", "_x1": "line\nline", "Z": "ünicode 'quoted' $HOME"],
    ])
    func whatIsWrittenIsRead(variables: [String: String]) throws {
        let bytes = EnvironmentEntries.encode(variables)
        let read = try #require(try Self.read(bytes + Array("more".utf8)))
        #expect(read.variables == variables && read.count == bytes.count)
        #expect(try Self.read(bytes.dropLast()) == nil)
    }

    @Test(arguments: ["no equals sign", "=value", "1A=x", "A B=x", "A\u{00e9}=x"])
    func whatIsNoVariableIsRefused(entry: String) {
        #expect(throws: ProtocolError.self) { try Self.read(Array(entry.utf8) + [0]) }
    }

    @Test func endlessInputIsRefused() {
        let error = #expect(throws: ProtocolError.self) {
            try Self.read([UInt8](repeating: 65, count: EnvironmentEntries.byteCountMax + 1))
        }
        #expect(error?.code == .size)
    }

    @Test(arguments: 0..<200) func anyBytesAreVariablesOrAnError(seed: UInt64) {
        var generator = SeededGenerator(seed: seed)
        let alphabet: [UInt8] = [0, 61, 65, 95, 48, 255, 10]
        let bytes = (0..<64).map { _ in alphabet[generator.int(0...(alphabet.count - 1))] }
        if let read = try? Self.read(bytes) {
            #expect(EnvironmentEntries.encode(read.variables).count <= read.count)
        }
    }
}
