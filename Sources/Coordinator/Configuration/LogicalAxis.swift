/// The dimensions that models give names to, so that a cluster can split them.
public enum LogicalAxis: String, Sendable, Hashable, CaseIterable {
    /// Pictures of a request.
    case batch
    /// The conditional and the unconditional half of classifier-free guidance.
    case guidance
    /// Attention heads.
    case heads
    /// The wide dimension of feed-forward layers.
    case mlp
    /// Rows of feature maps in the picture encoder and decoder.
    case rows
    /// Rows of the token grid while tokens are chosen.
    case sampling
    /// Rows of the token grid in the transformer.
    case tokens
    /// Entries of the codebook and of embedding tables.
    case vocab

    /// Mesh axis names that split this axis where a file has no `rules`, major to minor.
    var defaultMeshAxes: [String] {
        switch self {
        case .batch: ["data"]
        case .guidance: ["guidance"]
        case .heads, .mlp, .vocab: ["model"]
        case .rows: ["rows", "tokens", "guidance", "model"]
        case .sampling: ["tokens", "guidance"]
        case .tokens: ["tokens"]
        }
    }

    /// Mesh axis names that have a meaning where a file has no `rules`.
    static let defaultMeshAxisNames = ["data", "guidance", "model", "tokens", "rows"]

    /// The rules of a file that has none: each logical axis takes the mesh axes that carry its usual names.
    public static func defaultRules(mesh: [String]) -> [String: [String]] {
        var rules: [String: [String]] = [:]
        for axis in allCases {
            let names = axis.defaultMeshAxes.filter(mesh.contains)
            if !names.isEmpty { rules[axis.rawValue] = names }
        }
        return rules
    }
}
