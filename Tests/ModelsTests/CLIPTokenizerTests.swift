import Foundation
import Models
import Testing

/// The tokenizer against ids that the reference library made.
@Suite struct CLIPTokenizerTests {
    struct Cases: Decodable {
        struct Case: Decodable {
            var text: String
            var ids: [Int32]
        }
        var bos: Int32
        var eos: Int32
        var pad: Int32
        var max_length: Int
        var cases: [Case]
    }

    @Test("there are recorded texts to compare with")
    func fixtures() {
        #expect(!FixtureFolders.all.isEmpty)
    }

    @Test("every recorded text gives the reference's ids", arguments: FixtureFolders.all)
    func reference(folder: URL) throws {
        let data = try Data(contentsOf: folder.appendingPathComponent("tokenizer_cases.json"))
        let expected = try JSONDecoder().decode(Cases.self, from: data)
        let tokenizer = try CLIPTokenizer(folder: folder.appendingPathComponent("tokenizer"), maxLength: 77)
        #expect(tokenizer.startToken == expected.bos)
        #expect(tokenizer.endToken == expected.eos)
        #expect(tokenizer.padToken == expected.pad)
        #expect(tokenizer.maxLength == expected.max_length)
        #expect(expected.cases.count == 222)
        for item in expected.cases {
            let encoding = tokenizer.encode(item.text)
            #expect(encoding.ids == item.ids, "\(item.text.debugDescription)")
            let padded = tokenizer.encodePadded(item.text).ids
            #expect(padded.count == expected.max_length)
            #expect(Array(padded.prefix(item.ids.count)) == item.ids)
            #expect(padded.dropFirst(item.ids.count).allSatisfy { $0 == expected.pad })
        }
    }

    @Test("tokenizer.json alone gives the same ids", arguments: FixtureFolders.all)
    func combinedFile(folder: URL) throws {
        let scratch = try ScratchFolder()
        for name in ["tokenizer.json", "tokenizer_config.json"] {
            try scratch.copy(folder.appendingPathComponent("tokenizer/\(name)"))
        }
        let data = try Data(contentsOf: folder.appendingPathComponent("tokenizer_cases.json"))
        let expected = try JSONDecoder().decode(Cases.self, from: data)
        let tokenizer = try CLIPTokenizer(folder: scratch.url, maxLength: 77)
        for item in expected.cases {
            #expect(tokenizer.encode(item.text).ids == item.ids, "\(item.text.debugDescription)")
        }
    }

    /// A vocabulary of single bytes, three merges and the special tokens.
    private func writeVocabulary(_ scratch: ScratchFolder, pad: String = "\"!\"") throws {
        var vocabulary: [String: Int] = [:]
        for byte in UInt8(0x21)...0x7E {
            let symbol = String(Character(Unicode.Scalar(byte)))
            vocabulary[symbol] = Int(byte) - 0x21
            vocabulary[symbol + "</w>"] = Int(byte) - 0x21 + 100
        }
        vocabulary["ab"] = 200
        vocabulary["ab</w>"] = 201
        vocabulary["aab</w>"] = 202
        vocabulary["<|startoftext|>"] = 203
        vocabulary["<|endoftext|>"] = 204
        let json = try JSONEncoder().encode(vocabulary)
        try scratch.write("vocab.json", Array(json))
        try scratch.write("merges.txt", Array("#version: 0.2\na b\na b</w>\na ab</w>\n".utf8))
        let end = "{\"content\": \"<|endoftext|>\", \"lstrip\": false, \"normalized\": true}"
        try scratch.write(
            "special_tokens_map.json", Array("{\"eos_token\": \(end), \"pad_token\": \(pad)}".utf8))
    }

    @Test("a padding token that is an ordinary character is read from the files and found in texts")
    func padFromFile() throws {
        let scratch = try ScratchFolder()
        try writeVocabulary(scratch)
        let tokenizer = try CLIPTokenizer(folder: scratch.url, maxLength: 8)
        #expect(tokenizer.padToken == 0)
        // The reference library cuts special tokens out before it splits words, so "!" is not "!</w>".
        #expect(tokenizer.encodePadded("aab!").ids == [203, 202, 0, 204, 0, 0, 0, 0])
        try writeVocabulary(scratch, pad: "{\"content\": \"<|endoftext|>\"}")
        let other = try CLIPTokenizer(folder: scratch.url, maxLength: 4)
        #expect(other.padToken == 204)
        #expect(other.encodePadded("!").ids == [203, 100, 204, 204])
        // A normalised special token is found after lower-casing.
        #expect(other.encode("<|EndOfText|>").ids == [203, 204, 204])
    }

    @Test("what does not fit is cut, counted, and the end token stays")
    func cut() throws {
        let scratch = try ScratchFolder()
        try writeVocabulary(scratch)
        let tokenizer = try CLIPTokenizer(folder: scratch.url, maxLength: 5)
        #expect(tokenizer.encode("a b c").cutCount == 0)
        let encoding = tokenizer.encode("a b c d e")
        #expect(encoding.cutCount == 2)
        #expect(encoding.ids.count == 5)
        #expect(encoding.ids.last == 204)
    }

    @Test("merges go by rank, leftmost first")
    func merges() throws {
        let scratch = try ScratchFolder()
        try writeVocabulary(scratch)
        let tokenizer = try CLIPTokenizer(folder: scratch.url, maxLength: 50)
        let a: Int32 = 0x61 - 0x21
        #expect(tokenizer.encode("aaab").ids == [203, a, 202, 204])
        #expect(tokenizer.encode("abab").ids == [203, 200, 201, 204])
        let long = tokenizer.encode(String(repeating: "ab", count: 5000))
        #expect(long.ids.count == 50)
        #expect(long.cutCount == 5000 - 48)
    }

    @Test("the byte-level tokenizer needs no files and stays inside its vocabulary", arguments: [3, 16, 64, 600])
    func byteLevel(size: Int) {
        let tokenizer = CLIPTokenizer.byteLevel(vocabularySize: size, maxLength: 12)
        let encoding = tokenizer.encodePadded("A red fox, reading")
        #expect(encoding.ids.count == 12)
        #expect(encoding.ids.first == Int32(size - 2))
        #expect(encoding.ids.last == Int32(size - 1))
        #expect(encoding.cutCount == 15 - 10)
        #expect(encoding.ids.allSatisfy { $0 >= 0 && $0 < size })
        #expect(tokenizer.encodePadded("") == tokenizer.encodePadded("  \n"))
    }

    @Test("damaged files are named errors")
    func damaged() throws {
        let scratch = try ScratchFolder()
        #expect(throws: TokenizerError.missing(folder: scratch.url.path)) {
            try CLIPTokenizer(folder: scratch.url, maxLength: 8)
        }
        func expectMalformed(_ name: String, _ text: String) throws {
            try writeVocabulary(scratch)
            try scratch.write(name, Array(text.utf8))
            let error = #expect(throws: TokenizerError.self) {
                try CLIPTokenizer(folder: scratch.url, maxLength: 8)
            }
            #expect(error.map { "\($0)".contains(name) || "\($0)".contains("not in its vocabulary") } ?? false)
        }
        try expectMalformed("vocab.json", "{\"a\": ")
        try expectMalformed("vocab.json", "[1, 2]")
        try expectMalformed("vocab.json", "{\"a\": -1}")
        try expectMalformed("vocab.json", "{\"a\": 1e30}")
        try expectMalformed("merges.txt", "a b c\n")
        try expectMalformed("merges.txt", "x y\n")
        try expectMalformed("special_tokens_map.json", "{\"pad_token\": \"[PAD]\"}")
        try expectMalformed("special_tokens_map.json", "{\"pad_token\": 3}")
    }
}
