import Program

/// The shardings that annotations alone decide: the starting point of propagation.
struct Annotations {
    let program: Program
    let mesh: Mesh
    let rules: LogicalAxisRules
    let residents: [String: TensorSharding]

    static func shardings(
        of program: Program, mesh: Mesh, rules: LogicalAxisRules, residents: [String: TensorSharding]
    ) throws(ShardingError) -> [TensorSharding] {
        try Annotations(program: program, mesh: mesh, rules: rules, residents: residents).shardings()
    }

    private func shardings() throws(ShardingError) -> [TensorSharding] {
        var resolved: [String: [AxisRef]] = [:]
        for (logical, names) in rules.rules.sorted(by: { $0.key < $1.key }) {
            resolved[logical] = try axes(of: names, usedBy: "the rule for \(logical)")
        }
        var result: [TensorSharding] = []
        result.reserveCapacity(program.operations.count)
        for (value, operation) in program.operations.enumerated() {
            var sharding = TensorSharding.open(rank: operation.type.rank)
            for (dim, name) in operation.axes.enumerated() {
                guard let name else { continue }
                let splits = operation.type.dims[dim].granuleCount > 1
                sharding.dims[dim] = DimSharding(
                    axes: splits ? resolved[name] ?? [] : [], isOpen: false, origin: .annotation(logical: name))
            }
            if operation.opcode == .parameter { try override(&sharding, of: operation) }
            if operation.opcode == .input, case .text(let name)? = operation.attributes.values["name"],
                program.residentInputs.contains(name)
            {
                guard let left = residents[ResidentName(name).base], left.dims.count == operation.type.rank else {
                    throw .residentMissing(name: name, program: program.name)
                }
                sharding.dims = left.dims.map {
                    DimSharding(axes: $0.axes, isOpen: false, origin: .resident(name: name))
                }
            }
            try checkAxes(of: sharding, value)
            result.append(sharding)
        }
        return result
    }

    private func override(
        _ sharding: inout TensorSharding, of operation: Program.Operation
    ) throws(ShardingError) {
        let name = operation.attributes.text("name")
        guard let override = rules.overrides.first(where: { LogicalAxisRules.matches($0.pattern, name) }) else {
            return
        }
        guard override.dims.count == sharding.dims.count else {
            throw .overrideRank(
                pattern: override.pattern, parameter: name, expected: sharding.dims.count, found: override.dims.count)
        }
        for (dim, names) in override.dims.enumerated() {
            let axes = try axes(of: names, usedBy: "the override \(override.pattern)")
            sharding.dims[dim] = DimSharding(
                axes: operation.type.dims[dim].granuleCount > 1 ? axes : [], isOpen: false,
                origin: .override(pattern: override.pattern))
        }
    }

    /// Axes by name; those of one device split nothing and are left out.
    private func axes(of names: [String], usedBy: String) throws(ShardingError) -> [AxisRef] {
        var result: [AxisRef] = []
        for name in names {
            guard let ref = AxisRef(name, mesh: mesh) else {
                throw .unknownMeshAxis(name: name, usedBy: usedBy, known: mesh.axes.map(\.name))
            }
            if result.overlaps(ref) { throw .axisRepeated(axis: name, usedBy: usedBy) }
            if ref.size > 1 { result.append(ref) }
        }
        return result.merged
    }

    private func checkAxes(of sharding: TensorSharding, _ value: Program.ValueID) throws(ShardingError) {
        var seen: [(ref: AxisRef, dim: Int)] = []
        for (dim, entry) in sharding.dims.enumerated() {
            for ref in entry.axes {
                if let other = seen.first(where: { $0.ref.overlaps(ref) }) {
                    throw .axisUsedTwice(
                        value: program.describe(value), axis: mesh.axes[ref.axis].name, dims: [other.dim, dim],
                        annotations: [sharding.dims[other.dim].origin, entry.origin].compactMap(\.annotationText))
                }
                seen.append((ref, dim))
            }
        }
    }
}

extension ShardingOrigin {
    /// What the user wrote: `heads`, or `the override *.weight`; nil where nobody wrote anything.
    var annotationText: String? {
        switch self {
        case .none, .propagated: nil
        case .annotation(let logical): logical
        case .override(let pattern): "the override \(pattern)"
        case .resident(let name): "what was left as \(name)"
        }
    }
}

extension Program {
    /// For messages: `transformer.mlm_layer.conv2.weight` or `dot %17 in layers.3.attn1`.
    func describe(_ value: ValueID) -> String {
        let operation = operations[value]
        if operation.opcode == .parameter || operation.opcode == .input { return operation.attributes.text("name") }
        return "\(operation.opcode.rawValue) %\(value)" + (operation.scope.isEmpty ? "" : " in \(operation.scope)")
    }
}
