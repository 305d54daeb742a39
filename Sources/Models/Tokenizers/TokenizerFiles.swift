import Foundation

/// Special tokens and length as a tokenizer's configuration files give them.
struct TokenizerSettings: Sendable {
    /// A token in a configuration: a plain string, or an object with flags.
    struct Token: Sendable, Decodable {
        var content: String
        var normalized: Bool?
        var singleWord: Bool?

        private enum CodingKeys: String, CodingKey { case content, normalized, singleWord = "single_word" }

        init(content: String) { self.content = content }

        init(from decoder: any Decoder) throws {
            do {
                content = try decoder.singleValueContainer().decode(String.self)
            } catch DecodingError.typeMismatch {
                let object = try decoder.container(keyedBy: CodingKeys.self)
                content = try object.decode(String.self, forKey: .content)
                normalized = try object.decodeIfPresent(Bool.self, forKey: .normalized)
                singleWord = try object.decodeIfPresent(Bool.self, forKey: .singleWord)
            }
        }
    }

    private struct Configuration: Decodable {
        var bos_token: Token?
        var eos_token: Token?
        var pad_token: Token?
        var unk_token: Token?
        var model_max_length: Double?
        var added_tokens_decoder: [String: Token]?

        var named: [String: Token] {
            let pairs = [
                ("bos_token", bos_token), ("eos_token", eos_token), ("pad_token", pad_token), ("unk_token", unk_token),
            ]
            return Dictionary(uniqueKeysWithValues: pairs.compactMap { name, token in token.map { (name, $0) } })
        }
    }

    /// By role: bos_token, eos_token, pad_token, unk_token.
    var named: [String: Token]
    /// Tokens with ids from `added_tokens_decoder`.
    var added: [(id: Int32, token: Token)]
    /// `model_max_length`, where it is a sensible number.
    var maxLength: Int?

    /// Reads `tokenizer_config.json` and `special_tokens_map.json`, both optional.
    ///
    /// The map decides, as in the reference library, unless the configuration lists its added tokens itself.
    static func read(folder: URL) throws -> TokenizerSettings {
        let configurationFile = folder.appendingPathComponent("tokenizer_config.json")
        let configuration = try CLIPTokenizer.decode(Configuration.self, from: configurationFile)
        let map = try CLIPTokenizer.decode(
            Configuration.self, from: folder.appendingPathComponent("special_tokens_map.json"))
        var added: [(id: Int32, token: Token)] = []
        for (key, token) in (configuration?.added_tokens_decoder ?? [:]).sorted(by: { $0.key < $1.key }) {
            guard let id = Int32(key), id >= 0 else {
                throw TokenizerError.malformed(
                    file: configurationFile.path, what: "added_tokens_decoder has the id \"\(key)\"")
            }
            added.append((id, token))
        }
        let listsAdded = configuration?.added_tokens_decoder != nil
        let named = (configuration?.named ?? [:]).merging(map?.named ?? [:]) { listsAdded ? $0 : $1 }
        let length = configuration?.model_max_length.flatMap { (2...1e6).contains($0) ? Int($0) : nil }
        return TokenizerSettings(named: named, added: added, maxLength: length)
    }
}

/// Vocabulary and merges of a byte-pair tokenizer.
struct TokenizerModel: Sendable {
    /// Ids by token.
    var vocabulary: [String: Int32]
    /// Pairs, the first learnt first.
    var merges: [(String, String)]
    /// Tokens with ids that `tokenizer.json` lists beside the vocabulary.
    var added: [(id: Int32, token: TokenizerSettings.Token)] = []
    /// Where the merges stand.
    var mergesFile: URL

    /// Reads `vocab.json` and `merges.txt`, or `tokenizer.json` where one of them is missing.
    static func read(folder: URL) throws -> TokenizerModel {
        let mergesFile = folder.appendingPathComponent("merges.txt")
        let vocabularyFile = folder.appendingPathComponent("vocab.json")
        if let vocabulary = try CLIPTokenizer.decode([String: Int32].self, from: vocabularyFile),
            let merges = try CLIPTokenizer.contents(of: mergesFile)
        {
            try check(vocabulary, file: vocabularyFile)
            return TokenizerModel(
                vocabulary: vocabulary, merges: try parseMerges(merges, file: mergesFile), mergesFile: mergesFile)
        }
        let combined = folder.appendingPathComponent("tokenizer.json")
        guard let file = try CLIPTokenizer.decode(CombinedFile.self, from: combined) else {
            throw TokenizerError.missing(folder: folder.path)
        }
        guard file.model.type ?? "BPE" == "BPE" else {
            throw TokenizerError.malformed(file: combined.path, what: "its model is not of type BPE")
        }
        var vocabulary = file.model.vocab
        for token in file.added_tokens ?? [] where vocabulary[token.content] == nil {
            vocabulary[token.content] = token.id
        }
        try check(vocabulary, file: combined)
        guard file.model.merges.count <= CLIPTokenizer.entryLimit else {
            throw TokenizerError.malformed(file: combined.path, what: "it has too many merges")
        }
        let added = (file.added_tokens ?? []).map { entry in
            var token = TokenizerSettings.Token(content: entry.content)
            token.normalized = entry.normalized
            token.singleWord = entry.single_word
            return (id: entry.id, token: token)
        }
        return TokenizerModel(
            vocabulary: vocabulary, merges: file.model.merges.map { ($0.left, $0.right) }, added: added,
            mergesFile: combined)
    }

    private static func check(_ vocabulary: [String: Int32], file: URL) throws {
        guard vocabulary.count <= CLIPTokenizer.entryLimit else {
            throw TokenizerError.malformed(file: file.path, what: "it has too many tokens")
        }
        if let bad = vocabulary.first(where: { $0.value < 0 || Int($0.value) >= CLIPTokenizer.entryLimit }) {
            throw TokenizerError.malformed(file: file.path, what: "\"\(bad.key)\" has the id \(bad.value)")
        }
    }

    private static func parseMerges(_ data: Data, file: URL) throws -> [(String, String)] {
        guard let text = String(data: data, encoding: .utf8) else {
            throw TokenizerError.malformed(file: file.path, what: "it is not UTF-8")
        }
        var merges: [(String, String)] = []
        for (index, line) in text.utf8.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
            .enumerated()
        {
            var line = line
            if line.last == UInt8(ascii: "\r") { line = line.dropLast() }
            if line.isEmpty || (index == 0 && line.starts(with: "#version".utf8)) { continue }
            let parts = line.split(separator: UInt8(ascii: " "))
            guard parts.count == 2, let left = String(parts[0]), let right = String(parts[1]) else {
                throw TokenizerError.malformed(file: file.path, what: "line \(index + 1) is not a pair of tokens")
            }
            merges.append((left, right))
            guard merges.count <= CLIPTokenizer.entryLimit else {
                throw TokenizerError.malformed(file: file.path, what: "it has too many merges")
            }
        }
        return merges
    }

    private struct CombinedFile: Decodable {
        struct Added: Decodable {
            var id: Int32
            var content: String
            var normalized: Bool?
            var single_word: Bool?
        }
        /// `"a b"`, or in newer files `["a", "b"]`.
        struct Merge: Decodable {
            var left: String
            var right: String

            init(from decoder: any Decoder) throws {
                let container = try decoder.singleValueContainer()
                let parts: [String]
                do {
                    parts = try container.decode([String].self)
                } catch DecodingError.typeMismatch {
                    parts = try container.decode(String.self).split(separator: " ").map(String.init)
                }
                guard parts.count == 2 else {
                    throw DecodingError.dataCorruptedError(in: container, debugDescription: "a merge is not a pair")
                }
                left = parts[0]
                right = parts[1]
            }
        }
        struct Model: Decodable {
            var type: String?
            var vocab: [String: Int32]
            var merges: [Merge]
        }
        var added_tokens: [Added]?
        var model: Model
    }
}
