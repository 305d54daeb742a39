import Models
import Testing

@Suite("JSON parser")
struct JSONParserTests {
    private func parse(_ text: String) throws -> JSONValue { try JSONParser.parse(Array(text.utf8)) }

    @Test("reads every kind of value")
    func kinds() throws {
        let text = #" {"a": [1, -2, 3.5, 1e2, true, false, null], "b": {"c": "x\n\u00e9\ud83d\ude00\"/"}, "d": []} "#
        let value = try parse(text)
        #expect(
            value.object?["a"]
                == .array([.int(1), .int(-2), .double(3.5), .double(100), .bool(true), .bool(false), .null]))
        #expect(value.object?["b"]?.object?["c"]?.string == "x\né😀\"/")
        #expect(value.object?["d"]?.array?.isEmpty == true)
        #expect(try parse("9223372036854775808") == .double(9_223_372_036_854_775_808))
    }

    @Test(
        "rejects what is not JSON",
        arguments: [
            "", "{", "[1,]", "{\"a\":1,}", "{\"a\" 1}", "01", "1.", "-", "+1", "nul", "\"abc", "\"\\x\"", "\"\\ud800\"",
            "{\"a\":1,\"a\":2}", "1 2", "\"\u{1}\"", "1e999", "{1:2}", "[1 2]", "\"\\u12\"", "tru", "'a'", "NaN", "]",
        ])
    func malformed(text: String) {
        #expect(throws: JSONError.self) { try parse(text) }
    }

    @Test("bounds nesting")
    func depth() throws {
        _ = try parse(String(repeating: "[", count: 31) + String(repeating: "]", count: 31))
        #expect(throws: JSONError.self) {
            try parse(String(repeating: "[", count: 100_000) + String(repeating: "]", count: 100_000))
        }
    }

    @Test("rejects strings that are not UTF-8")
    func utf8() {
        #expect(throws: JSONError.self) { try JSONParser.parse([0x22, 0xC3, 0x22]) }
    }

    @Test("names the place")
    func place() {
        let error = #expect(throws: JSONError.self) { try parse("{\"abc\" 1}") }
        #expect(error?.description == "a colon is expected at byte 7")
    }
}
