public import Foundation

extension CLIPTokenizer {
    /// Largest tokenizer file that is read.
    static let fileByteLimit = 64 << 20
    /// Largest vocabulary and merge list.
    static let entryLimit = 1 << 21

    /// Reads a tokenizer from a model's `tokenizer` folder.
    ///
    /// `vocab.json` with `merges.txt`, or `tokenizer.json` where one of them is missing; special tokens and length from
    /// `tokenizer_config.json` and `special_tokens_map.json`.
    ///
    /// - Parameters:
    ///   - folder: where the files are.
    ///   - maxLength: positions of the text encoder; texts are cut to this or to the file's length, whichever is less.
    /// Throws ``TokenizerError``.
    public init(folder: URL, maxLength: Int) throws {
        let settings = try TokenizerSettings.read(folder: folder)
        let model = try TokenizerModel.read(folder: folder)
        func id(_ entry: TokenizerSettings.Token?, _ fallback: String, _ role: String) throws -> Int32 {
            let content = entry?.content ?? fallback
            if let id = model.vocabulary[content] { return id }
            throw TokenizerError.unknownToken(token: content, role: role, folder: folder.path)
        }
        let end = "<|endoftext|>"
        let endID = try id(settings.named["eos_token"], end, "end")
        let unknown = try id(settings.named["unk_token"], end, "unknown")
        let encoder: BytePairEncoding
        do {
            encoder = try BytePairEncoding(
                vocabulary: model.vocabulary, merges: model.merges, unknown: unknown)
        } catch {
            throw TokenizerError.malformed(
                file: model.mergesFile.path,
                what: "merge \(error.index + 1) (\"\(error.left)\" and \"\(error.right)\") is not in the vocabulary")
        }
        self.init(
            encoder: encoder, special: Self.specialTokens(settings: settings, model: model),
            start: try id(settings.named["bos_token"], "<|startoftext|>", "start"), end: endID,
            pad: try id(settings.named["pad_token"], end, "padding"),
            maxLength: max(2, min(maxLength, settings.maxLength ?? maxLength)))
    }

    private static func specialTokens(settings: TokenizerSettings, model: TokenizerModel) -> [SpecialToken] {
        var entries: [String: SpecialToken] = [:]
        func add(_ token: TokenizerSettings.Token, id: Int32?) {
            guard entries[token.content] == nil, let id = id ?? model.vocabulary[token.content] else { return }
            entries[token.content] = SpecialToken(
                content: token.content, id: id, isNormalized: token.normalized ?? false,
                isWholeWord: token.singleWord ?? false)
        }
        for (id, token) in settings.added { add(token, id: id) }
        for (id, token) in model.added where settings.added.isEmpty { add(token, id: id) }
        let defaults = ["bos_token": "<|startoftext|>", "eos_token": "<|endoftext|>"]
        for role in ["bos_token", "eos_token", "unk_token", "pad_token"] {
            if let token = settings.named[role] {
                add(token, id: nil)
            } else if let content = defaults[role] {
                add(.init(content: content), id: nil)
            }
        }
        return entries.values.sorted { $0.content < $1.content }
    }

    /// Reads one file, nil where there is none.
    ///
    /// Throws ``TokenizerError``.
    static func contents(of file: URL) throws -> Data? {
        let attributes: [FileAttributeKey: Any]
        do {
            attributes = try FileManager.default.attributesOfItem(atPath: file.resolvingSymlinksInPath().path)
        } catch let error as CocoaError where error.code == .fileReadNoSuchFile || error.code == .fileNoSuchFile {
            return nil
        } catch {
            throw TokenizerError.unreadable(file: file.path, reason: error.localizedDescription)
        }
        let byteCount = (attributes[.size] as? Int) ?? 0
        guard byteCount <= fileByteLimit else {
            throw TokenizerError.tooLarge(file: file.path, byteCount: byteCount, limit: fileByteLimit)
        }
        do {
            return try Data(contentsOf: file)
        } catch {
            throw TokenizerError.unreadable(file: file.path, reason: error.localizedDescription)
        }
    }

    /// Decodes one JSON file, nil where there is none.
    ///
    /// Throws ``TokenizerError``.
    static func decode<T: Decodable>(_ type: T.Type, from file: URL) throws -> T? {
        guard let data = try contents(of: file) else { return nil }
        do {
            return try JSONDecoder().decode(type, from: data)
        } catch let error as DecodingError {
            throw TokenizerError.malformed(file: file.path, what: Self.sentence(error))
        }
    }

    private static func sentence(_ error: DecodingError) -> String {
        func path(_ context: DecodingError.Context) -> String {
            let path = context.codingPath.map(\.stringValue).joined(separator: ".")
            return path.isEmpty ? context.debugDescription : "\(path): \(context.debugDescription)"
        }
        switch error {
        case .dataCorrupted(let context), .keyNotFound(_, let context), .typeMismatch(_, let context),
            .valueNotFound(_, let context):
            return path(context)
        @unknown default: return "it does not have the expected form"
        }
    }
}
