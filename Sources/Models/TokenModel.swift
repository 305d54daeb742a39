public import Program

/// A token-based image model of any family: a name, a fingerprint and weights.
///
/// What it computes are the programs of its family. Axes and dims of them: `B` pictures, `G` guidance rows (2 with guidance:
/// unconditional first; else 1), `Y`, `X` token grid, `V` codes, `H`, `W` pixels. The `text` program, whose results the
/// steps read, takes what each family's text encoder needs.
public protocol TokenModel: Sendable {
    /// Folder or preset.
    var name: String { get }
    /// What the programs compute in.
    var precision: ModelPrecision { get }
    /// SHA-256 fingerprint, as 64 hexadecimal digits.
    var identity: String { get }
    /// Weights.
    var weights: ModelWeights { get }
    /// All weights of all parts, by name.
    var parameters: [String: ParameterSpec] { get }

    /// `step`: one step of parallel decoding; `conditionalStep` where only the conditional row is computed.
    ///
    /// Inputs `tokens` i32 `[B, Y, X]`, `grid` i32 `[G, B, Y, X]` (the same tokens once a computed guidance row), `scale`
    /// f32 `[B]`, `temperature` f32 `[B]`, `maskCount` i32 `[B]`; noise generated: `rng` i32 `[B, 4]`, given: `expNoise`
    /// f32 `[B, Y, X, V]` and `gumbel` f32 `[B, Y, X]`; and the residents of the text program. Outputs `tokens`, `sampled`
    /// i32 `[B, Y, X]`, and where asked the guided `logits` f32 `[B, Y, X, V]`.
    func stepProgram(
        batch: Int, guidance: GuidanceRows, rows: Int, columns: Int, noise: SamplingNoise, exposesLogits: Bool
    ) -> Program
    /// `decode`: input `tokens` i32 `[B, Y, X]`; output `pixels` u8 `[B, H, W, 3]`, and where asked `image` f32, not clipped
    /// to [0, 1].
    func decodeProgram(batch: Int, rows: Int, columns: Int, exposesImage: Bool) -> Program
    /// `encode`: input `image` f32 `[B, H, W, 3]` in [0, 1]; output `tokens` i32 `[B, Y, X]`, and where asked `latents` f32
    /// `[B, Y, X, C]`.
    func encodeProgram(batch: Int, rows: Int, columns: Int, exposesLatents: Bool) -> Program
}

extension TokenModel {
    /// Where the values of all weights are, by ``ParameterSpec/name``.
    ///
    /// Throws ``CheckpointError/weights(folder:problems:)``.
    public func sources() throws(CheckpointError) -> [String: ParameterSource] {
        try weights.sources(of: Program(name: "model", parameters: parameters))
    }
}

/// Where a model's weights come from.
public enum ModelWeights: Sendable {
    /// The files of a folder.
    case checkpoint(Checkpoint)
    /// Counter-based random values.
    case generated(seed: UInt64)

    /// Where the values of a program's weights are, by ``ParameterSpec/name``.
    ///
    /// Throws ``CheckpointError/weights(folder:problems:)``.
    public func sources(of program: Program) throws(CheckpointError) -> [String: ParameterSource] {
        switch self {
        case .checkpoint(let checkpoint): try checkpoint.sources(of: program.parameters.values)
        case .generated(let seed): program.parameters.mapValues { _ in .generated(seed: seed) }
        }
    }

    /// Fingerprint of a preset's generated weights.
    static func generatedIdentity(_ preset: String, seed: UInt64) -> String {
        var hash = SHA256()
        hash.update(Array("generated \(preset) \(seed)\n".utf8))
        return hash.hexadecimal()
    }
}
