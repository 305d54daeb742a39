/// The names that graphs give to dimensions; `cluster.yaml` maps each to mesh axes.
package enum GraphAxis {
    /// Pictures of a request's batch.
    package static let batch = "batch"
    /// The unconditional and the conditional half of classifier-free guidance.
    package static let guidance = "guidance"
    /// Attention heads.
    package static let heads = "heads"
    /// Hidden width of an MLP.
    package static let mlp = "mlp"
    /// Rows of feature maps in the picture tokenizer.
    package static let rows = "rows"
    /// Rows of the token grid while tokens are chosen.
    package static let sampling = "sampling"
    /// Rows of the token grid in the transformer.
    package static let tokens = "tokens"
    /// Ids of a vocabulary.
    package static let vocab = "vocab"

    /// All of them.
    package static let all = [batch, guidance, heads, mlp, rows, sampling, tokens, vocab]

    /// Granule of an `mlp` or `vocab` dimension: a sixteenth, rounded up.
    static func sixteenth(_ size: Int) -> Int { max(1, (size + 15) / 16) }
}
