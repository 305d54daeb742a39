public import Models

/// Which model a cluster serves.
public struct ModelSettings: Sendable, Hashable {
    /// Where the model's shape, and its weights, come from.
    public enum Source: Sendable, Hashable {
        /// A folder in the layout of a diffusers pipeline, or in our own.
        case path(String)
        /// A configuration that is built in; it has no files.
        case preset(String)
    }

    /// Where weights come from.
    public enum Weights: String, Sendable, Hashable, CaseIterable {
        /// The safetensors files in the model's folder.
        case file
        /// Random values, drawn from ``ModelSettings/seed``: pictures are noise, speed and memory are real.
        case generated
    }

    /// Names of the built-in configurations.
    public static let presets = AmusedConfiguration.presets + MuseConfiguration.presets

    /// Folder or preset.
    public var source: Source
    /// What the model computes in: bf16 (with f32 sums), int8 products, or f32 (the reference mode).
    public var dtype: ModelPrecision
    /// Files or generated.
    public var weights: Weights
    /// Seed of generated weights.
    public var seed: UInt64
    /// The text encoder of a preset that leaves the choice; nil: its own.
    public var textEncoder: String?

    /// Makes settings.
    public init(
        source: Source, dtype: ModelPrecision = .bf16, weights: Weights, seed: UInt64 = 0,
        textEncoder: String? = nil
    ) {
        self.source = source
        self.dtype = dtype
        self.weights = weights
        self.seed = seed
        self.textEncoder = textEncoder
    }
}
