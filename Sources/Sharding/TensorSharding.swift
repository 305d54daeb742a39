public import Program

/// How one dimension is split over mesh axes.
public struct DimSharding: Sendable, Hashable {
    /// Axes or parts of axes, major to minor; empty: not split.
    public var axes: [AxisRef]
    /// True where propagation may still add axes.
    public var isOpen: Bool
    /// Which annotation decided it, and along which path it came.
    public var origin: ShardingOrigin

    /// Makes a dimension's sharding.
    public init(axes: [AxisRef] = [], isOpen: Bool = true, origin: ShardingOrigin = .none) {
        self.axes = axes
        self.isOpen = isOpen
        self.origin = origin
    }
}

/// Why a dimension is split as it is.
public enum ShardingOrigin: Sendable, Hashable {
    /// Nothing decided it: replicated.
    case none
    /// The value's own annotation with a logical axis that the cluster's rules map.
    case annotation(logical: String)
    /// An override of the cluster file whose pattern matches the parameter's name.
    case override(pattern: String)
    /// Left so by an earlier program of the request.
    case resident(name: String)
    /// Came through an operation from another value.
    case propagated(operation: Program.ValueID, from: Program.ValueID)
}

/// How a value is split over the mesh: one ``DimSharding`` a dimension; what no dimension names is replicated.
public struct TensorSharding: Sendable, Hashable {
    /// One entry a dimension.
    public var dims: [DimSharding]

    /// Makes a sharding.
    public init(dims: [DimSharding]) { self.dims = dims }

    /// An open sharding of a rank: nothing is decided.
    public static func open(rank: Int) -> TensorSharding {
        TensorSharding(dims: Array(repeating: DimSharding(), count: rank))
    }

    /// For people: `[guidance, -, model]`.
    public func text(_ mesh: Mesh) -> String {
        "["
            + dims.map { dim in
                dim.axes.isEmpty ? "-" : dim.axes.map { $0.text(mesh) }.joined(separator: "+")
            }.joined(separator: ", ") + "]"
    }
}
