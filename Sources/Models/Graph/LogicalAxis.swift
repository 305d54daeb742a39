/// The names that graphs give to dimensions; `cluster.yaml` maps each to mesh axes.
public enum LogicalAxis {
    /// Pictures of a request's batch.
    public static let batch = "batch"
    /// The unconditional and the conditional half of classifier-free guidance.
    public static let guidance = "guidance"
    /// Attention heads.
    public static let heads = "heads"
    /// Hidden width of an MLP.
    public static let mlp = "mlp"
    /// Rows of feature maps in the picture tokenizer.
    public static let rows = "rows"
    /// Rows of the token grid while tokens are chosen.
    public static let sampling = "sampling"
    /// Rows of the token grid in the transformer.
    public static let tokens = "tokens"
    /// Ids of a vocabulary.
    public static let vocab = "vocab"

    /// All of them.
    public static let all = [batch, guidance, heads, mlp, rows, sampling, tokens, vocab]

    /// Granule of an `mlp` or `vocab` dimension: a sixteenth, rounded up.
    static func sixteenth(_ size: Int) -> Int { max(1, (size + 15) / 16) }
}
