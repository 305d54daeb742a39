import Program

/// Makes a failing case as small as it goes while it still fails.
struct CaseMinimizer {
    let isFailing: (Case) -> Bool

    func minimized(_ item: Case) -> Case {
        var best = item
        var isShrinking = true
        while isShrinking {
            isShrinking = false
            for smaller in Self.smaller(best) where isFailing(smaller) {
                best = smaller
                isShrinking = true
                break
            }
        }
        return best
    }

    /// Cases with one thing less.
    private static func smaller(_ item: Case) -> [Case] {
        var results: [Case] = []
        // All but some first nodes, whose last is the only output.
        for count in 1..<max(1, item.graph.nodes.count) {
            var other = item
            other.graph.nodes = Array(item.graph.nodes.prefix(count))
            other.graph.outputs = [other.graph.nodes[count - 1].id]
            results.append(withoutUnused(other))
        }
        if item.graph.outputs.count > 1 {
            for output in item.graph.outputs {
                var other = item
                other.graph.outputs = [output]
                results.append(other)
            }
        }
        for input in item.annotations.keys.sorted() {
            var other = item
            other.annotations[input] = nil
            results.append(other)
        }
        results += plainer(item)
        for index in item.mesh.indices where item.mesh.count > 1 { results.append(without(axis: index, item)) }
        for index in item.graph.nodes.indices { results += without(node: index, item) }
        return results
    }

    /// Cases whose devices, granules and options are more usual.
    private static func plainer(_ item: Case) -> [Case] {
        var results: [Case] = []
        func add(_ change: (inout Case) -> Void) {
            var other = item
            change(&other)
            results.append(other)
        }
        if item.speeds != nil { add { $0.speeds = nil } }
        if item.oneShotByteCount ?? 0 != 0 { add { $0.oneShotByteCount = 0 } }
        if item.isInputAnywhere == true { add { $0.isInputAnywhere = false } }
        for (index, input) in item.graph.inputs.enumerated() where input.granules != nil {
            add { $0.graph.inputs[index].granules = nil }
        }
        return results
    }

    /// The devices at the start of an axis alone.
    private static func without(axis index: Int, _ item: Case) -> Case {
        var other = item
        let axis = other.mesh.remove(at: index)
        let mesh = item.devices
        if let speeds = item.speeds {
            other.speeds = speeds.indices.filter { mesh.coordinates(of: $0)[index] == 0 }.map { speeds[$0] }
        }
        other.annotations = item.annotations.mapValues { $0.map { without($0, axis.name) } }
        for node in other.graph.nodes.indices {
            let dims = other.graph.nodes[node].attributes.sharding
            other.graph.nodes[node].attributes.sharding = dims.map { $0.map { without($0, axis.name) } }
        }
        return other
    }

    /// An operation left out, or its result given by the caller.
    private static func without(node index: Int, _ item: Case) -> [Case] {
        var results: [Case] = []
        let node = item.graph.nodes[index]
        let shapes = Dictionary(
            item.graph.inputs.map { ($0.id, [$0.dtype] + $0.shape.map(String.init)) }
                + item.graph.nodes.map { ($0.id, [$0.dtype] + $0.shape.map(String.init)) }
        ) { first, _ in first }
        if let operand = node.operands.first(where: { shapes[$0] == shapes[node.id] }) {
            var other = item
            other.graph.nodes.remove(at: index)
            for reader in other.graph.nodes.indices {
                other.graph.nodes[reader].operands = other.graph.nodes[reader].operands.map {
                    $0 == node.id ? operand : $0
                }
            }
            other.graph.outputs = other.graph.outputs.map { $0 == node.id ? operand : $0 }
            results.append(withoutUnused(other))
        }
        if index < item.graph.nodes.count - 1 {
            var other = item
            other.graph.nodes.remove(at: index)
            other.graph.inputs.append(.init(id: node.id, shape: node.shape, dtype: node.dtype))
            results.append(withoutUnused(other))
        }
        return results
    }

    private static func without(_ dim: DimAnnotation, _ axis: String) -> DimAnnotation {
        guard case .axes(let axes) = dim else { return dim }
        return .axes(axes.filter { $0 != axis && !$0.hasPrefix(axis + ":") })
    }

    /// Without what no output needs.
    private static func withoutUnused(_ item: Case) -> Case {
        var other = item
        var needed = Set(item.graph.outputs)
        for node in item.graph.nodes.reversed() where needed.contains(node.id) { needed.formUnion(node.operands) }
        other.graph.nodes.removeAll { !needed.contains($0.id) }
        other.graph.inputs.removeAll { !needed.contains($0.id) }
        other.annotations = item.annotations.filter { needed.contains($0.key) }
        return other
    }
}

extension Case {
    /// For messages: mesh, annotations and nodes, one a line.
    var summary: String {
        func text(_ dims: [DimAnnotation]) -> String {
            "["
                + dims.map { dim in
                    if case .axes(let axes) = dim { return axes.isEmpty ? "-" : axes.joined(separator: "+") }
                    return "?"
                }.joined(separator: ", ") + "]"
        }
        var lines = ["mesh " + mesh.map { "\($0.name) \($0.size)" }.joined(separator: " x ")]
        if let speeds { lines[0] += ", speeds \(speeds)" }
        let order = order.map { "\($0) sums" } ?? "sums in both orders"
        let inputs = isInputAnywhere == true ? "anywhere" : "as annotated"
        lines.append("\(order), one round up to \(oneShotByteCount ?? 0) bytes, inputs \(inputs)")
        for input in graph.inputs {
            let granules = input.granules.map { " granules \($0)" } ?? ""
            lines.append(
                "\(input.id) \(input.dtype)\(input.shape)\(granules) "
                    + (annotations[input.id].map(text) ?? "open"))
        }
        for node in graph.nodes {
            let values = Mirror(reflecting: node.attributes).children.compactMap { child -> String? in
                let value = "\(child.value)"
                return value == "nil" || child.label == "sharding" ? nil : "\(child.label ?? ""): \(value)"
            }
            let sharding = node.attributes.sharding.map { " " + text($0) } ?? ""
            let operands = node.operands.joined(separator: ", ")
            lines.append("\(node.id) = \(node.op)(\(operands)) \(values)\(sharding) \(node.shape)")
        }
        return (lines + ["outputs \(graph.outputs)"]).joined(separator: "\n")
    }
}
