import Program

/// The shardings that annotations alone decide: the starting point of propagation.
enum Annotations {
    static func shardings(
        of program: Program, mesh: Mesh, rules: LogicalAxisRules, residents: [String: TensorSharding]
    ) throws(ShardingError) -> [TensorSharding] {
        var resolved: [String: [Int]] = [:]
        for (logical, names) in rules.rules.sorted(by: { $0.key < $1.key }) {
            resolved[logical] = try indices(of: names, mesh, usedBy: "the rule for \(logical)")
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
            if operation.opcode == .parameter {
                try apply(rules.overrides, to: &sharding, of: operation, mesh)
            }
            if operation.opcode == .input, case .text(let name)? = operation.attributes.values["name"],
                program.residentInputs.contains(name)
            {
                guard let left = residents[name], left.dims.count == operation.type.rank else {
                    throw .residentMissing(name: name, program: program.name)
                }
                sharding.dims = left.dims.map {
                    DimSharding(axes: $0.axes, isOpen: false, origin: .resident(name: name))
                }
            }
            try checkAxes(of: sharding, value, program, mesh)
            result.append(sharding)
        }
        return result
    }

    private static func apply(
        _ overrides: [LogicalAxisRules.Override], to sharding: inout TensorSharding, of operation: Program.Operation,
        _ mesh: Mesh
    ) throws(ShardingError) {
        let name = operation.attributes.text("name")
        guard let override = overrides.first(where: { LogicalAxisRules.matches($0.pattern, name) }) else { return }
        guard override.dims.count == sharding.dims.count else {
            throw .overrideRank(
                pattern: override.pattern, parameter: name, expected: sharding.dims.count, found: override.dims.count)
        }
        for (dim, names) in override.dims.enumerated() {
            let axes = try indices(of: names, mesh, usedBy: "the override \(override.pattern)")
            sharding.dims[dim] = DimSharding(
                axes: operation.type.dims[dim].granuleCount > 1 ? axes : [], isOpen: false,
                origin: .override(pattern: override.pattern))
        }
    }

    /// Axes by name; those of one device split nothing and are left out.
    private static func indices(of names: [String], _ mesh: Mesh, usedBy: String) throws(ShardingError) -> [Int] {
        var result: [Int] = []
        for name in names {
            guard let index = mesh.index(of: name) else {
                throw .unknownMeshAxis(name: name, usedBy: usedBy, known: mesh.axes.map(\.name))
            }
            if mesh.axes[index].size > 1 { result.append(index) }
        }
        return result
    }

    private static func checkAxes(
        of sharding: TensorSharding, _ value: Program.ValueID, _ program: Program, _ mesh: Mesh
    ) throws(ShardingError) {
        var seen: [Int: Int] = [:]
        for (dim, entry) in sharding.dims.enumerated() {
            for axis in entry.axes {
                if let other = seen[axis] {
                    throw .axisUsedTwice(
                        value: program.describe(value), axis: mesh.axes[axis].name, dims: [other, dim])
                }
                seen[axis] = dim
            }
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
