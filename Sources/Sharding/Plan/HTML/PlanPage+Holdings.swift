import Program
import Tensor

/// Every layer's weights with the slice that each worker holds.
extension PlanPage {
    var holdingsSection: Markup {
        let holdings = PlanHoldings(report: report, programs: programs)
        let drawn = min(report.workers.count, Self.drawnWorkerMax)
        let keys = report.workers.prefix(drawn).map { worker in
            Markup.element(
                "li",
                [.element("span", ["class": "key dev", "style": Self.hue(worker.rank)], ""), Markup(worker.name)])
        }
        let more = report.workers.count - drawn
        return .element(
            "section", ["id": "holdings", "aria-labelledby": "holdings-title"],
            [
                .element("h2", ["id": "holdings-title"], "Who holds what"),
                .element(
                    "p",
                    "Open a layer to see its weights. A bar stands for the whole weight, a line of it for a worker: the "
                        + "coloured part is what that worker holds. Full lines everywhere mean that every worker has a copy."
                        + (more > 0 ? " The first \(drawn) workers are drawn." : "")),
                .element("ul", ["class": "legend"], keys),
            ] + holdings.parts.map { part($0, holdings) })
    }

    private func part(_ part: PlanHoldings.Part, _ holdings: PlanHoldings) -> Markup {
        let layers = part.layers.map { layer($0, holdings) }
        return .element(
            "details", ["class": "part", "open": "open"],
            [.element("summary", [.element("h3", part.name), size(part.byteCount, part.layers.count, "layer")])]
                + layers)
    }

    private func size(_ byteCount: Int, _ count: Int, _ what: String) -> Markup {
        .element("span", ["class": "size"], "\(count) \(what)\(count == 1 ? "" : "s"), \(PlanReport.bytes(byteCount))")
    }

    private func layer(_ layer: PlanHoldings.Layer, _ holdings: PlanHoldings) -> Markup {
        let rows = layer.weights.map { weight -> [Markup] in
            let held = holdings.pattern(of: weight.name)
            let split = weight.isReplicated ? "whole on every worker" : weight.sharding
            let bar = Markup.element(
                "svg",
                [
                    "class": "slice", "viewBox": "0 0 100 \(holdings.drawnCount * 4)", "preserveAspectRatio": "none",
                    "role": "img", "aria-labelledby": "slice-\(held.id)-words",
                ], [.element("use", ["href": "#slice-\(held.id)"], [])])
            return [
                .element("code", layer.shortName(weight.name)),
                Markup(weight.dims.map(String.init).joined(separator: " × ")), Markup(PlanReport.bytes(weight.bytes)),
                bar,
                Markup(split), .element("span", ["class": "why"], weight.reason),
            ]
        }
        return .element(
            "details", ["class": "layer"],
            [
                .element(
                    "summary", [.element("code", layer.name), size(layer.byteCount, layer.weights.count, "weight")]),
                Self.table(
                    "Weights of \(layer.name)",
                    head: ["weight", "shape", "size", "who holds what", "split over", "because"],
                    rows: rows, right: [2]),
            ])
    }

    /// The bars' shapes, each drawn once and used by all weights that are cut alike.
    var slices: Markup {
        let holdings = PlanHoldings(report: report, programs: programs)
        let shapes = holdings.patterns.map { pattern in
            Markup.element(
                "g", ["id": "slice-\(pattern.id)"],
                [.element("title", ["id": "slice-\(pattern.id)-words"], pattern.words)]
                    + pattern.parts.map { part in
                        .element(
                            "rect",
                            [
                                "class": "dev", "style": Self.hue(part.device), "x": Self.number(100 * part.start),
                                "y": Self.number(Double(part.device) * 4 + 0.4),
                                "width": Self.number(100 * part.length),
                                "height": "3.2",
                            ], [])
                    })
        }
        return .element(
            "svg", ["class": "defs", "aria-hidden": "true", "width": "0", "height": "0"], [.element("defs", shapes)])
    }
}
