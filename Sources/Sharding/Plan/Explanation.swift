import Program

/// Says in words why values are split as they are.
struct Explanation {
    let program: Program
    let shardings: [TensorSharding]
    let mesh: Mesh

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
            let why = decided.axes.isEmpty ? "only this part is used" : self.why(decided.origin, depth: 0)
            return "dimension \(dim) over \(axes): \(why)"
        }
        return parts.isEmpty ? "replicated: no annotation splits it" : parts.joined(separator: "; ")
    }

    private func why(_ origin: ShardingOrigin, depth: Int) -> String {
        switch origin {
        case .none: return "undecided"
        case .annotation(let logical): return "annotated \(logical)"
        case .override(let pattern): return "override \(pattern)"
        case .resident(let name): return "left so as \(name)"
        case .propagated(let operation, let from):
            let opcode = program.operations[operation].opcode.rawValue
            let scope = program.operations[operation].scope
            let place = scope.isEmpty ? opcode : "\(opcode) in \(scope)"
            guard depth < 4 else { return "through \(place)" }
            let source = shardings[from].dims.first { !$0.axes.isEmpty && $0.origin != origin }?.origin ?? .none
            if source == .none { return "from \(program.describe(from)) through \(place)" }
            return "from \(program.describe(from)) through \(place), \(why(source, depth: depth + 1))"
        }
    }
}
