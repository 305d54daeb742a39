/// What a request for a model or a picture asks that cannot be done.
public enum ModelError: Error, Sendable, Hashable, CustomStringConvertible {
    /// There is no preset of this name.
    case unknownPreset(name: String, known: [String])
    /// There is no text encoder of this name.
    case unknownTextEncoder(name: String, known: [String])
    /// Pictures of this size cannot be made.
    case unsupportedSize(width: Int, height: Int, reason: String)

    /// One sentence: what, where, what to do.
    public var description: String {
        switch self {
        case .unknownPreset(let name, let known):
            "There is no model preset \(name)\(Spelling.suggestion(for: name, among: known)); "
                + "there are \(known.joined(separator: ", "))."
        case .unknownTextEncoder(let name, let known):
            "There is no text encoder \(name)\(Spelling.suggestion(for: name, among: known)); "
                + "there are \(known.joined(separator: ", "))."
        case .unsupportedSize(let width, let height, let reason):
            "A picture of \(width) x \(height) pixels cannot be made: \(reason)."
        }
    }

    /// Stable word for logs, metrics and JSON.
    public var code: String {
        switch self {
        case .unknownPreset: "unknown_preset"
        case .unknownTextEncoder: "unknown_text_encoder"
        case .unsupportedSize: "unsupported_size"
        }
    }
}
