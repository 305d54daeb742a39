public import Program

/// A plan as one page for a browser: no script, nothing loaded from elsewhere.
public struct PlanPage: Sendable {
    /// Who stands where, memory, work, links.
    let report: PlanReport
    /// What runs, in order.
    let programs: [PlannedProgram]
    let mesh: Mesh
    /// Machine of each worker, where it is known.
    let hosts: [String]
    /// Predicted calls, one a program.
    let timelines: [Timeline]
    /// What the predicted times rest on.
    let timelineBasis: String
    /// How the mesh was chosen, where the cluster file leaves it open.
    let choice: MeshChoice?

    /// Most workers drawn one by one in bars, lanes and matrices; tables and cards list all.
    static let drawnWorkerMax = 16

    /// Makes a page.
    ///
    /// - Parameters:
    ///   - programs: those of the report, in its order.
    ///   - hosts: machine of each worker, by rank; none where they are missing.
    ///   - timelines: by program, in their order; none: the page has no times.
    ///   - timelineBasis: what the times rest on ("measured machines and links").
    ///   - choice: how the mesh was chosen, where the cluster file leaves it open.
    public init(
        report: PlanReport, programs: [PlannedProgram], mesh: Mesh, hosts: [String] = [], timelines: [Timeline] = [],
        timelineBasis: String = "", choice: MeshChoice? = nil
    ) {
        self.report = report
        self.programs = programs
        self.mesh = mesh
        self.hosts = hosts
        self.timelines = timelines
        self.timelineBasis = timelineBasis
        self.choice = choice
    }

    /// The whole page, UTF-8 when written.
    public var html: String {
        let head = Markup.element(
            "head",
            [
                .element("meta", ["charset": "utf-8"], []),
                .element("meta", ["name": "viewport", "content": "width=device-width, initial-scale=1"], []),
                .element(
                    "meta",
                    [
                        "http-equiv": "Content-Security-Policy",
                        "content": "default-src 'none'; style-src 'unsafe-inline'",
                    ], []),
                .element("title", "Plan: \(report.subject)"),
                .element("style", [PlanStyle.sheet]),
            ])
        let main = Markup.element(
            "main", ["id": "main"],
            [overview, workersSection] + choiceSection + programSections + [holdingsSection, glossarySection])
        let body = Markup.element(
            "body",
            [.element("a", ["class": "skip", "href": "#main"], "Skip to the plan"), header, main, footer, slices])
        return "<!DOCTYPE html>\n" + Markup.element("html", ["lang": "en"], [head, body]).html + "\n"
    }

    // MARK: Top and bottom

    private var header: Markup {
        .element(
            "header",
            [
                .element("p", ["class": "kicker"], "tessera plan"),
                .element("h1", report.subject.isEmpty ? "The plan" : report.subject),
                .element("p", ["class": "lead"], lead),
                .element(
                    "nav", ["aria-label": "On this page"],
                    [link("#workers", "Workers")]
                        + programs.indices.map { link("#program-\($0)", "Program \(programs[$0].program.name)") }
                        + [link("#holdings", "Who holds what"), link("#glossary", "Words")]),
            ])
    }

    private func link(_ target: String, _ text: String) -> Markup { .element("a", ["href": target], text) }

    /// One paragraph for somebody who knows nothing of it.
    private var lead: String {
        let count = report.workers.count
        let names = programs.map(\.program.name)
        let total = Set(programs.flatMap { $0.compiled.parameters.map(\.name) }).count
        var text =
            count == 1
            ? "One worker does all the work; nothing is sent. "
            : "\(count) workers share one model. Its \(total) weights are cut into slices or copied so that each worker "
                + "computes its part, and they exchange intermediate results where one needs what another has. "
        text += "A picture is made by \(names.count) programs: \(names.joined(separator: ", "))"
        text += names.contains("step") ? "; step runs once for every decoding step. " : ". "
        text += "Everything below was worked out before anything was loaded, and the bytes are exact."
        return text
    }

    private var overview: Markup {
        var tiles: [(String, String)] = [("workers", "\(report.workers.count)"), ("mesh", report.mesh)]
        let memory = report.workers.map(\.totalBytes).max() ?? 0
        tiles.append(("most memory on a worker", PlanReport.bytes(memory)))
        if let index = report.programs.firstIndex(where: { $0.name == "step" }) ?? report.programs.indices.last {
            let program = report.programs[index]
            tiles.append(("sent in one \(program.name)", PlanReport.bytes(program.sentBytes.reduce(0, +))))
            if timelines.indices.contains(index) {
                tiles.append(("predicted for one \(program.name)", Self.time(timelines[index].duration)))
            }
        }
        return .element(
            "dl", ["class": "tiles"],
            tiles.map { .element("div", [.element("dt", $0.0), .element("dd", $0.1)]) })
    }

    private var footer: Markup {
        var lines = [
            "Same model, seed and settings give the same picture on any mesh: how the work is split changes when and where "
                + "numbers are computed, not which."
        ]
        if !report.inexactSettings.isEmpty {
            lines = [
                "These settings change pixels between meshes: " + report.inexactSettings.joined(separator: ", ") + "."
            ]
        }
        return .element("footer", lines.map { .element("p", $0) })
    }

    // MARK: Shared words

    /// Hue of a device, far from its neighbours'.
    static func hue(_ device: Int) -> String { "--h:\((device * 137 + 210) % 360)" }

    /// `12.3 ms`.
    static func time(_ seconds: Double) -> String {
        switch seconds {
        case ..<1e-9: "0"
        case ..<1e-3: "\(tenths(seconds * 1e6)) µs"
        case ..<1: "\(tenths(seconds * 1e3)) ms"
        case ..<600: "\(tenths(seconds)) s"
        default: "\(tenths(seconds / 60)) min"
        }
    }

    static func tenths(_ value: Double) -> String {
        guard value.isFinite, abs(value) < 1e15 else { return "?" }
        let tenths = Int((value * 10).rounded())
        return tenths >= 1000 ? "\(tenths / 10)" : "\(tenths / 10).\(abs(tenths) % 10)"
    }

    static func percent(_ part: Double) -> String { "\(tenths(100 * part))\u{A0}%" }

    /// A number for CSS and SVG.
    static func number(_ value: Double) -> String {
        guard value.isFinite else { return "0" }
        let thousandths = Int((min(max(value, -1e9), 1e9) * 1000).rounded())
        return thousandths % 1000 == 0 ? "\(thousandths / 1000)" : "\(Double(thousandths) / 1000)"
    }

    /// A table that scrolls sideways on its own where it is wider than the page.
    static func table(_ caption: String, head: [String], rows: [[Markup]], right: Set<Int> = []) -> Markup {
        let headRow = Markup.element(
            "tr",
            head.enumerated().map {
                .element("th", ["scope": "col", "class": right.contains($0.offset) ? "n" : "t"], $0.element)
            })
        let body = rows.map { row in
            Markup.element(
                "tr",
                row.enumerated().map { column, cell in
                    .element("td", ["class": right.contains(column) ? "n" : "t"], [cell])
                })
        }
        return .element(
            "div", ["class": "scroll", "tabindex": "0", "role": "region", "aria-label": caption],
            [
                .element(
                    "table",
                    [.element("caption", caption), .element("thead", [headRow]), .element("tbody", body)])
            ])
    }
}
