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
        for (index, axis) in item.mesh.enumerated() where item.mesh.count > 1 {
            var other = item
            other.mesh.remove(at: index)
            other.annotations = item.annotations.mapValues { $0.map { without($0, axis.name) } }
            for node in other.graph.nodes.indices {
                let dims = other.graph.nodes[node].attributes.sharding
                other.graph.nodes[node].attributes.sharding = dims.map { $0.map { without($0, axis.name) } }
            }
            results.append(other)
        }
        for (index, node) in item.graph.nodes.enumerated() where node.op == "constraint" || node.op == "neg" {
            var other = item
            other.graph.nodes.remove(at: index)
            for reader in other.graph.nodes.indices {
                other.graph.nodes[reader].operands = other.graph.nodes[reader].operands.map {
                    $0 == node.id ? node.operands[0] : $0
                }
            }
            other.graph.outputs = other.graph.outputs.map { $0 == node.id ? node.operands[0] : $0 }
            results.append(other)
        }
        return results
    }

    private static func without(_ dim: DimAnnotation, _ axis: String) -> DimAnnotation {
        guard case .axes(let axes) = dim else { return dim }
        return .axes(axes.filter { $0 != axis && !$0.hasPrefix(axis + ":") })
    }

    private static func withoutUnused(_ item: Case) -> Case {
        var other = item
        let used = Set(item.graph.nodes.flatMap(\.operands))
        other.graph.inputs.removeAll { !used.contains($0.id) }
        other.annotations = item.annotations.filter { used.contains($0.key) }
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
        for input in graph.inputs {
            lines.append("\(input.id) \(input.dtype)\(input.shape) \(annotations[input.id].map(text) ?? "open")")
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
