import HTTPProbe
import Server
import TestSupport
import Testing

/// Forms as browsers, OpenAI's client and nobody at all send them.
@Suite(.timeLimit(.minutes(10))) struct MultipartFormTests {
    private func parse(_ text: String, boundary: String = "b") throws -> [MultipartForm.Part] {
        try MultipartForm(Array(text.utf8), boundary: boundary).parts
    }

    @Test func takesFormsApart() throws {
        let parts = try parse(
            "preamble\r\n--b\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\none\r\n--two\r\n"
                + "--b \t\r\ncontent-type: image/png\r\ncontent-disposition: form-data; filename=\"x;\\\"y\"; name=f\r\n\r\n"
                + "\r\n\r\n--b--\r\nepilogue")
        #expect(parts.map(\.name) == ["a", "f"] && parts.map(\.isFile) == [false, true])
        #expect(String(decoding: parts[0].bytes, as: UTF8.self) == "one\r\n--two")
        #expect(parts[1].bytes == Array("\r\n".utf8))
    }

    @Test func picturesNeedNoFileName() throws {
        for (type, isFile) in [("image/png", true), ("Image/PNG; x=y", true), ("text/plain", false)] {
            for heads in [
                "content-type: \(type)\r\ncontent-disposition: form-data; name=f",
                "content-disposition: form-data; name=f\r\ncontent-type: \(type)",
            ] {
                let parts = try parse("--b\r\n\(heads)\r\n\r\nx\r\n--b--")
                #expect(parts.map(\.isFile) == [isFile] && parts[0].bytes == Array("x".utf8), "\(heads)")
            }
        }
    }

    @Test(arguments: [
        "", "--b", "--c\r\n\r\n--c--", "--b\r\n", "--b\r\n--b--", "--b\r\n\r\n--b--", "--bx\r\n\r\n--b--",
        "--b\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\nno end",
        "--b\r\ncontent-disposition: form-data\r\n\r\nx\r\n--b--", "--b\r\nno colon\r\n\r\nx\r\n--b--",
        "--b\r\ncontent-disposition: attachment; name=\"a\"\r\n\r\nx\r\n--b--",
    ])
    func refusesWhatIsNoForm(text: String) {
        #expect(throws: MultipartFormError.self) { try parse(text) }
    }

    @Test func numbersAreBounded() {
        let part = "--b\r\ncontent-disposition: form-data; name=\"a\"\r\n\r\nx\r\n"
        #expect(throws: Never.self) { try parse(String(repeating: part, count: MultipartForm.partLimit) + "--b--") }
        #expect(throws: MultipartFormError.self) {
            try parse(String(repeating: part, count: MultipartForm.partLimit + 1) + "--b--")
        }
        #expect(throws: MultipartFormError.self) {
            try parse("--b\r\nx-long: \(String(repeating: "y", count: 9000))\r\n\r\nx\r\n--b--")
        }
        #expect(throws: MultipartFormError.self) { try parse(part, boundary: String(repeating: "b", count: 71)) }
        #expect(throws: MultipartFormError.self) { try parse(part, boundary: "") }
    }

    /// Bodies that were changed at random: cut, doubled, overwritten; each is a form or a named error.
    @Test(arguments: UInt64(0)..<8)
    func damagedFormsNeverCrash(seed: UInt64) throws {
        var random = SeededGenerator(seed: seed)
        var form = Form()
        form.add("prompt", "a fox")
        form.add("image", file: "a.png", try FakeService.square(9))
        form.add("n", "2")
        let whole = form.finished
        #expect(try MultipartForm(whole, boundary: Form.boundary).parts.count == 3)
        let pieces = ["\r\n", "--", "\"", ";", "=", "\\", ":", "\0", Form.boundary].map { Array($0.utf8) }
        var damaged = 0
        var largest = 0
        for _ in 0..<400 {
            var bytes = whole
            for _ in 0..<Int.random(in: 1...4, using: &random) {
                guard !bytes.isEmpty else { break }
                let start = Int.random(in: 0..<bytes.count, using: &random)
                let end = Int.random(in: start...min(bytes.count, start + 40), using: &random)
                switch Int.random(in: 0..<4, using: &random) {
                case 0: bytes.removeSubrange(start..<end)
                case 1: bytes.insert(contentsOf: bytes[start..<end], at: start)
                case 2: bytes[start] = UInt8.random(in: 0...255, using: &random)
                default: bytes.insert(contentsOf: pieces.randomElement(using: &random) ?? [], at: start)
                }
            }
            do {
                let parts = try MultipartForm(bytes, boundary: Form.boundary).parts
                largest = max(largest, parts.reduce(0) { $0 + $1.bytes.count } - bytes.count)
            } catch {
                damaged += 1
            }
        }
        #expect(damaged > 0 && largest <= 0, "a part has more bytes than its body")
    }

    /// The same over a socket: whatever comes, the server answers, and not with an error of its own.
    @Test func damagedRequestsAreAnswered() async throws {
        var form = Form()
        form.add("prompt", "a fox")
        form.add("image", file: "a.png", try FakeService.square(9))
        let whole = form.finished
        try await serving(FakeService()) { port in
            var random = SeededGenerator(seed: 99)
            for _ in 0..<60 {
                var bytes = whole
                for _ in 0..<3 {
                    let place = Int.random(in: 0..<bytes.count, using: &random)
                    bytes[place] = .random(in: 0...255, using: &random)
                }
                let answer = try await HTTPProbe.exchange(
                    port: port, "POST", "/v1/images/edits", headers: Form.headers, body: bytes)
                #expect([200, 400, 413].contains(answer.status), "\(answer.text)")
            }
        }
    }
}
