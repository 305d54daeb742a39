public import Tensor

/// One dimension of a value: its size and the granule it may be cut at.
///
/// Shards are contiguous ranges of granules; reductions over the dimension are computed granule by granule and combined
/// in a ``ReductionTree`` over the granules, whoever computes them. A dimension of one granule cannot be split.
public struct Dim: Sendable, Hashable {
    /// Elements along the dimension.
    public let size: Int
    /// Elements in a granule; the last granule may be short.
    public let granule: Int

    /// A dimension cut at multiples of `granule`.
    public init(_ size: Int, granule: Int) {
        precondition(size >= 0 && granule >= 1, "a dimension has a size of at least 0 and a granule of at least 1")
        self.size = size
        self.granule = granule
    }

    /// A dimension that is never split.
    public init(_ size: Int) { self.init(size, granule: max(1, size)) }

    /// How many granules there are; the last may be short.
    public var granuleCount: Int { (size + granule - 1) / granule }

    /// The element range of a granule range.
    public func elements(_ granules: Range<Int>) -> Range<Int> {
        min(size, granules.lowerBound * granule)..<min(size, granules.upperBound * granule)
    }
}

/// Element type and dimensions of a value in the global program.
public struct TensorType: Sendable, Hashable {
    /// Element type.
    public let dtype: DType
    /// Dimensions, outermost first; storage is dense and row-major; pictures and feature maps are channels-last.
    public let dims: [Dim]

    /// Makes a type.
    public init(_ dtype: DType, _ dims: [Dim]) {
        self.dtype = dtype
        self.dims = dims
    }

    /// Sizes alone.
    public var sizes: [Int] { dims.map(\.size) }
    /// Number of dimensions.
    public var rank: Int { dims.count }
    /// Product of the sizes.
    public var elementCount: Int { sizes.reduce(1, *) }
}
