import Program

/// Says in words why values are split as they are.
struct Explanation {
    let program: Program
    let shardings: [TensorSharding]
    let rules: [ShardingRule]
    let mesh: Mesh

    /// Operations named on the way to an annotation; `tessera plan --explain` names all.
    private static let hopMax = 4
    private var trace: OriginTrace { OriginTrace(program: program, shardings: shardings, rules: rules) }

    /// Every weight, in order of first use.
    func parameters(_ partitioned: PartitionedProgram) -> [CompiledProgram.ParameterPlan] {
        var seen: Set<String> = []
        return partitioned.parameterLayouts.sorted { $0.key < $1.key }.compactMap { _, entry in
            let operation = program.operations[entry.value]
            let used = TensorSharding(dims: entry.layout.dims.map { DimSharding(axes: $0.axes) })
            let name = operation.attributes.text("name")
            let text = used.text(mesh)
            guard seen.insert("\(name) \(text)").inserted else { return nil }
            return .init(name: name, dims: operation.type.sizes, sharding: text, reason: reason(entry.value, used))
        }
    }

    private func reason(_ value: Program.ValueID, _ used: TensorSharding) -> String {
        let parts = used.dims.indices.compactMap { dim -> String? in
            if used.dims[dim].axes.isEmpty { return nil }
            let axes = used.dims[dim].axes.map { $0.text(mesh) }.joined(separator: "+")
            let decided = shardings[value].dims[dim]
            let why = decided.axes.isEmpty ? "only this part is used" : why(value, dim)
            return "dimension \(dim) over \(axes): \(why)"
        }
        return parts.isEmpty ? "replicated: no annotation splits it" : parts.joined(separator: "; ")
    }

    /// The last operations on the way, the nearest first, and the annotation at its other end.
    private func why(_ value: Program.ValueID, _ dim: Int) -> String {
        let path = trace.path(to: OriginTrace.Place(value: value, dim: dim))
        let sources = [path.start] + path.hops.dropLast().map(\.to)
        let ways = zip(sources, path.hops).reversed().prefix(Self.hopMax).map { source, hop in
            let operation = program.operations[hop.operation]
            let place = operation.scope.isEmpty ? "" : " in \(operation.scope)"
            return "from \(program.describe(source.value)) through \(operation.opcode.rawValue)\(place)"
        }
        let end =
            switch path.origin {
            case .none, .propagated: "undecided"
            case .annotation(let logical): "annotated \(logical)"
            case .override(let pattern): "override \(pattern)"
            case .resident(let name): "left so as \(name)"
            }
        return (ways + (path.hops.count > Self.hopMax ? ["…"] : []) + [end]).joined(separator: ", ")
    }
}
