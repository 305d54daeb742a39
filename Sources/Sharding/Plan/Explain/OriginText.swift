import Program

/// Says where shardings came from, with places in the cluster file.
struct OriginText {
    let trace: OriginTrace
    let mesh: Mesh
    let rules: LogicalAxisRules
    let places: RulePlaces

    /// `heads, by the rule heads: [model] (cluster.yaml:9)`; what an annotation's name stands for and who says so.
    func decision(_ origin: ShardingOrigin) -> String {
        switch origin {
        case .none: return "nothing decided it"
        case .annotation(let logical): return "annotated \(logical): \(rule(logical))"
        case .override(let pattern):
            let index = rules.overrides.firstIndex { $0.pattern == pattern }
            return "override of \(pattern)\(index.map(overridePlace) ?? "")"
        case .resident(let name): return "left so as \(name) by an earlier program of the request"
        case .propagated: return "reached by propagation"
        }
    }

    /// `rule heads = [model] (cluster.yaml:9)`.
    private func rule(_ logical: String) -> String {
        guard let axes = rules.rules[logical] else { return "no rule splits \(logical)" }
        let priority = rules.priorities[logical].map { " of priority \($0)" } ?? ""
        let text = "rule \(logical) = [\(axes.joined(separator: ", "))]\(priority)"
        if let place = places.rules[logical] { return "\(text) (\(places.text(place)))" }
        return places.file.isEmpty ? text : "\(text) (follows from the names of the mesh axes; no rule in the file)"
    }

    private func overridePlace(_ index: Int) -> String {
        places.overrides.indices.contains(index) ? " (\(places.text(places.overrides[index])))" : ""
    }

    /// The annotation and every operation that it came through, a line each.
    func path(to place: OriginTrace.Place) -> [String] {
        let path = trace.path(to: place)
        var lines = [decision(path.origin)]
        if path.start != place {
            lines[0] += ", dimension \(path.start.dim) of \(trace.program.describe(path.start.value))"
        }
        for hop in path.hops {
            let operation = trace.program.operations[hop.operation]
            let scope = operation.scope.isEmpty ? "" : " in \(operation.scope)"
            let reached =
                hop.to.value == hop.operation
                ? "its result %\(hop.to.value)" : trace.program.describe(hop.to.value)
            lines.append(
                "-> \(operation.opcode.rawValue) %\(hop.operation)\(scope) reaches dimension \(hop.to.dim) of \(reached)"
            )
        }
        return lines
    }

    /// Shardings that neighbours have and this dimension did not take, with the reason; a line each.
    func lost(at place: OriginTrace.Place, uses: [Program.ValueID]) -> [String] {
        let mine = trace.shardings[place.value].dims[place.dim]
        var seen: Set<[AxisRef]> = []
        var lines: [String] = []
        for operation in [place.value] + uses {
            for carriers in trace.carriers(in: operation) where carriers.contains(place) {
                for other in carriers where other != place {
                    let theirs = trace.shardings[other.value].dims[other.dim].axes
                    guard !theirs.isEmpty, !mine.axes.starts(with: theirs), seen.insert(theirs).inserted else {
                        continue
                    }
                    let end = trace.path(to: other)
                    lines.append(
                        "lost: \(names(theirs)) of dimension \(other.dim) of \(trace.program.describe(other.value)) "
                            + "(\(decision(end.origin))), at \(trace.program.describe(operation)): "
                            + reason(place, mine, theirs))
                }
            }
        }
        return lines
    }

    private func reason(_ place: OriginTrace.Place, _ mine: DimSharding, _ theirs: [AxisRef]) -> String {
        if !mine.isOpen { return "an annotation is never overridden" }
        let others = trace.shardings[place.value].dims.enumerated().filter { $0.offset != place.dim }
        for (dim, other) in others {
            if let axis = other.axes.first(where: theirs.overlaps) {
                return "mesh axis \(axis.text(mesh)) splits dimension \(dim) of this value already"
            }
        }
        if mine.axes.isEmpty { return "propagation stopped before it" }
        return "\(names(mine.axes)) was there first or is longer, or belongs to a larger value"
    }

    func names(_ axes: [AxisRef]) -> String { axes.map { $0.text(mesh) }.joined(separator: "+") }
}
