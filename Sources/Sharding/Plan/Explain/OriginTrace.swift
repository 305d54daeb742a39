import Program

/// Follows the origin of a dimension's sharding back to the annotation that it came from.
struct OriginTrace {
    let program: Program
    let shardings: [TensorSharding]
    let rules: [ShardingRule]

    /// A dimension of a value.
    struct Place: Hashable {
        var value: Program.ValueID
        var dim: Int
    }

    /// One operation that an annotation came through.
    struct Hop: Hashable {
        var operation: Program.ValueID
        /// The dimension that it reached.
        var to: Place
    }

    /// From the annotation (first) to the dimension asked for (last hop).
    struct Path {
        var start: Place
        var origin: ShardingOrigin
        var hops: [Hop]
    }

    /// Longest path followed.
    private static let hopCountMax = 4096

    func path(to place: Place) -> Path {
        var hops: [Hop] = []
        var current = place
        var seen: Set<Place> = []
        while seen.insert(current).inserted, hops.count < Self.hopCountMax {
            let origin = shardings[current.value].dims[current.dim].origin
            guard case .propagated(let operation, let from) = origin,
                let source = source(of: current, through: operation, from: from)
            else { return Path(start: current, origin: origin, hops: hops.reversed()) }
            hops.append(Hop(operation: operation, to: current))
            current = source
        }
        return Path(start: current, origin: .none, hops: hops.reversed())
    }

    /// The dimension of `from` that shares the place's factor in an operation.
    private func source(of place: Place, through operation: Program.ValueID, from: Program.ValueID) -> Place? {
        let candidates = carriers(in: operation).filter { $0.contains(place) }.flatMap { $0 }.filter {
            $0.value == from && $0 != place && !shardings[$0.value].dims[$0.dim].axes.isEmpty
        }
        let axes = shardings[place.value].dims[place.dim].axes
        // Of several, the one that has most in common.
        return candidates.max { common(axes, $0) < common(axes, $1) }
    }

    private func common(_ axes: [AxisRef], _ place: Place) -> Int {
        shardings[place.value].dims[place.dim].axes.count { axes.overlaps($0) }
    }

    /// The dimensions that are split alike by an operation, factor by factor; one that merges others has several factors.
    func carriers(in operation: Program.ValueID) -> [[Place]] {
        let rule = rules[operation]
        var result = [[Place]](repeating: [], count: rule.factors.count)
        for (dim, factors) in rule.result.enumerated() {
            for factor in factors { result[factor].append(Place(value: operation, dim: dim)) }
        }
        for (operand, dims) in rule.operands.enumerated() {
            let value = program.operations[operation].operands[operand]
            for (dim, factors) in dims.enumerated() {
                for factor in factors { result[factor].append(Place(value: value, dim: dim)) }
            }
        }
        return result
    }
}
