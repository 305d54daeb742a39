public import Program

/// A token-based image model of any family: a name, a fingerprint and weights.
///
/// What it computes are its family's programs.
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
