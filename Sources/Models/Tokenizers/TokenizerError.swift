/// Why a tokenizer's files cannot be used.
public enum TokenizerError: Error, Sendable, Hashable, CustomStringConvertible {
    /// A file's content breaks a rule.
    case malformed(file: String, what: String)
    /// None of the file sets that a tokenizer can be read from is there.
    case missing(folder: String)
    /// A file is larger than any tokenizer is.
    case tooLarge(file: String, byteCount: Int, limit: Int)
    /// A special token is not in the vocabulary.
    case unknownToken(token: String, role: String, folder: String)
    /// A file is there but cannot be read.
    case unreadable(file: String, reason: String)

    /// One sentence: what, where, what to do.
    public var description: String {
        switch self {
        case .malformed(let file, let what):
            "the tokenizer file \(file) is damaged: \(what); download it again"
        case .missing(let folder):
            "the tokenizer folder \(folder) has neither vocab.json with merges.txt nor tokenizer.json; "
                + "download the model again with its tokenizer"
        case .tooLarge(let file, let byteCount, let limit):
            "the tokenizer file \(file) has \(byteCount) bytes, more than the \(limit) that are read; "
                + "check that it is the right file"
        case .unknownToken(let token, let role, let folder):
            "the \(role) token \"\(token)\" of the tokenizer in \(folder) is not in its vocabulary; "
                + "check that vocabulary and configuration belong together"
        case .unreadable(let file, let reason):
            "the tokenizer file \(file) cannot be read: \(reason)"
        }
    }
}
