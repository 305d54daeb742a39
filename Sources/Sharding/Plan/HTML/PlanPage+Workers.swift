import Program

/// The mesh as a grid of workers with their memory.
extension PlanPage {
    var workersSection: Markup {
        let axes = mesh.axes.filter { $0.size > 1 }
        var words =
            "Each box is a worker: a process that holds its slices of the weights and runs its part of every program. "
        if axes.isEmpty {
            words += "There is only one, so nothing is split."
        } else {
            words += "They stand on a grid, the mesh. "
            words += axes.map { "Along \($0.name) there are \($0.size) positions. " }.joined()
            words +=
                "Workers in one line along an axis split what the axis is for; workers that differ only along other axes hold "
            words += "the same slices of it."
        }
        return .element(
            "section", ["id": "workers", "aria-labelledby": "workers-title"],
            [
                .element("h2", ["id": "workers-title"], "Workers"), .element("p", words), memoryLegend, grid,
            ])
    }

    private var memoryLegend: Markup {
        let kinds = [("weights", "weights"), ("arena", "activations and messages"), ("request", "kept for a request")]
        return .element(
            "ul", ["class": "legend"],
            kinds.map { .element("li", [.element("span", ["class": "key m-\($0.0)"], ""), Markup($0.1)]) })
    }

    /// Columns run along the last axis, rows along the others; each row has its coordinates before it.
    private var grid: Markup {
        let last = mesh.axes.last
        let columns = last?.size ?? 1
        var rows: [Markup] = []
        for row in 0..<(report.workers.count / max(1, columns)) {
            let cells = (0..<columns).map { card(report.workers[row * columns + $0]) }
            let place = zip(mesh.axes, mesh.coordinates(of: row * columns)).dropLast().filter { $0.0.size > 1 }
                .map { "\($0.0.name) \($0.1)" }.joined(separator: ", ")
            let title = place.isEmpty ? [] : [Markup.element("h3", ["class": "row-title"], place)]
            rows.append(
                .element(
                    "div", ["class": "mesh-row"],
                    title + [
                        .element(
                            "div",
                            [
                                "class": columns > 4 ? "cards compact" : "cards",
                                "style": "--columns:\(min(columns, 8))",
                            ], cells)
                    ]))
        }
        let label = last.map { $0.size > 1 ? "\($0.name) runs from left to right" : "" } ?? ""
        let caption = label.isEmpty ? [] : [Markup.element("p", ["class": "axis"], label + " →")]
        return .element("div", ["class": "mesh"], caption + rows)
    }

    private func card(_ worker: PlanReport.WorkerPlan) -> Markup {
        let limit = worker.limitBytes
        let isOver = limit.map { worker.totalBytes > $0 } ?? false
        var lines = [
            Markup.element(
                "p", ["class": "who"],
                [
                    .element("span", ["class": "dot", "style": Self.hue(worker.rank)], "\(worker.rank)"),
                    .element("strong", worker.name),
                ])
        ]
        let host = hosts.indices.contains(worker.rank) ? hosts[worker.rank] : ""
        let place = [host, worker.coordinates].filter { !$0.isEmpty }.joined(separator: " · ")
        if !place.isEmpty { lines.append(.element("p", ["class": "place"], place)) }
        lines.append(memoryBar(worker))
        let of = limit.map { " of \(PlanReport.bytes($0))" } ?? ""
        lines.append(
            .element(
                "p", ["class": isOver ? "memory over" : "memory"],
                PlanReport.bytes(worker.totalBytes) + of + (isOver ? ": too little memory" : "")))
        let parts = [
            ("weights", worker.weightBytes), ("activations", worker.arenaBytes), ("a request", worker.residentBytes),
        ]
        lines.append(
            .element(
                "dl", ["class": "parts"],
                parts.map { .element("div", [.element("dt", $0.0), .element("dd", PlanReport.bytes($0.1))]) }))
        return .element("article", ["class": "card", "style": Self.hue(worker.rank)], lines)
    }

    /// The three parts, on a scale that all workers share.
    private func memoryBar(_ worker: PlanReport.WorkerPlan) -> Markup {
        let scale = Double(
            report.workers.reduce(1) { max($0, $1.totalBytes, $1.limitBytes ?? 0) })
        let parts = [
            ("weights", worker.weightBytes), ("arena", worker.arenaBytes), ("request", worker.residentBytes),
        ]
        var shapes: [Markup] = []
        var start = 0.0
        for (kind, bytes) in parts {
            let width = 100 * Double(bytes) / scale
            shapes.append(
                .element(
                    "rect",
                    [
                        "class": "m-\(kind)", "x": Self.number(start), "y": "0", "width": Self.number(width),
                        "height": "10",
                    ], []))
            start += width
        }
        if let limit = worker.limitBytes {
            let x = Self.number(min(99.4, 100 * Double(limit) / scale))
            shapes.append(.element("rect", ["class": "limit", "x": x, "y": "0", "width": "0.6", "height": "10"], []))
        }
        let words = parts.map { "\($0.0) \(PlanReport.bytes($0.1))" }.joined(separator: ", ")
        return .element(
            "svg",
            [
                "class": "bar", "viewBox": "0 0 100 10", "preserveAspectRatio": "none", "role": "img",
                "aria-label": "Memory: \(words)",
            ], shapes)
    }
}
