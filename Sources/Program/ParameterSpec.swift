public import Tensor

/// A weight of the model: which checkpoint tensor feeds it, and how that is seen.
public struct ParameterSpec: Sendable, Hashable {
    /// Unique name in the model, with its part in front ("transformer.mlm_layer.conv1.weight").
    public var name: String
    /// Part of the model whose files hold it ("transformer", "vqvae", "text_encoder").
    public var part: String
    /// Name in those files.
    public var tensor: String
    /// Shape in the file.
    ///
    /// ``view`` has the same number of elements.
    public var fileDims: [Int]
    /// The file tensor reshaped, row-major.
    public var view: [Int]
    /// Result dimension i is view dimension `permutation[i]`.
    public var permutation: [Int]
    /// For generated weights: standard deviation (around 1 for norms, else around 0).
    public var generatedScale: Double
    /// For generated weights: mean.
    public var generatedMean: Double

    /// Makes a spec; without a view the file's shape is taken as it is.
    public init(
        name: String, part: String, tensor: String, fileDims: [Int], view: [Int]? = nil, permutation: [Int]? = nil,
        generatedScale: Double = 0.02, generatedMean: Double = 0
    ) {
        self.name = name
        self.part = part
        self.tensor = tensor
        self.fileDims = fileDims
        self.view = view ?? fileDims
        self.permutation = permutation ?? Array((view ?? fileDims).indices)
        self.generatedScale = generatedScale
        self.generatedMean = generatedMean
    }

    /// Names are unique in a model: the rest need not be hashed.
    public func hash(into hasher: inout Hasher) { hasher.combine(name) }

    /// Shape that the program sees.
    public var dims: [Int] { permutation.map { view[$0] } }
}

/// The part of a weight that one device needs.
///
/// Buffers with `Storage.parameter` refer to it.
public struct ParameterSlice: Sendable, Hashable {
    /// The weight.
    public var spec: ParameterSpec
    /// Element type in the device's memory.
    public var dtype: DType
    /// The part, in the dimensions that the program sees (``ParameterSpec/dims``).
    public var box: Box

    /// Makes a slice.
    public init(spec: ParameterSpec, dtype: DType, box: Box) {
        self.spec = spec
        self.dtype = dtype
        self.box = box
    }
}

/// Where a weight's values come from, as the coordinator found it; a worker reads only the ranges it needs.
public enum ParameterSource: Sendable, Hashable {
    /// A tensor in a file: absolute byte offset, element type; dense row-major `ParameterSpec.fileDims`.
    case file(path: String, offset: Int, dtype: DType)
    /// Counter-based random values: element i (row-major in `fileDims`) is drawn from the seed, the name and i alone.
    case generated(seed: UInt64)
}
