import Program

/// Each program: when each worker does what, who sends how much to whom, and the collectives.
extension PlanPage {
    var programSections: [Markup] { report.programs.indices.map(programSection) }

    private func programSection(_ index: Int) -> Markup {
        let program = report.programs[index]
        let work = program.flops.reduce(0, +)
        let sent = program.sentBytes.reduce(0, +)
        var words = Self.purpose(program.name)
        words += "It computes \(PlanReport.count(work, "FLOP"))"
        if program.flops.count > 1, work > 0 {
            let shares = program.flops.map { Double($0) / Double(work) }
            let (least, most) = (shares.min() ?? 0, shares.max() ?? 0)
            words +=
                most - least < 0.001
                ? ", \(Self.percent(most)) on each worker"
                : ", from \(Self.percent(least)) to \(Self.percent(most)) on a worker"
        }
        words += sent > 0 ? ", and sends \(PlanReport.bytes(sent)) in one call." : ", and sends nothing."
        var content = [
            Markup.element("h2", ["id": "program-\(index)-title"], "Program \(program.name)"), .element("p", words),
        ]
        if timelines.indices.contains(index) { content.append(timeline(index)) }
        if sent > 0 { content += [links(program), collectives(program)] }
        return .element(
            "section", ["id": "program-\(index)", "aria-labelledby": "program-\(index)-title"], content)
    }

    private static func purpose(_ name: String) -> String {
        switch name {
        case "text": "Turns the prompt into numbers; runs once a request. "
        case "step": "One decoding step: proposes all tokens of the picture and keeps the surest; runs once a step. "
        case "decode": "Turns the finished tokens into pixels; runs once a request. "
        case "encode": "Turns a given picture into tokens; runs once a request. "
        default: ""
        }
    }

    // MARK: Links

    private func links(_ program: PlanReport.ProgramPlan) -> Markup {
        let most = Double(program.links.map(\.bytes).max() ?? 1)
        let title = Markup.element("h3", "Bytes over each link, in one call")
        guard report.workers.count <= Self.drawnWorkerMax else {
            let rows = program.links.sorted { ($0.bytes, $1.from, $1.to) > ($1.bytes, $0.from, $0.to) }.prefix(24)
            let more = program.links.count - rows.count
            return Markup([
                title,
                Self.table(
                    "The busiest links" + (more > 0 ? " (\(more) more in tessera plan --json)" : ""),
                    head: ["from", "to", "bytes"],
                    rows: rows.map {
                        [
                            Markup(report.workers[$0.from].name), Markup(report.workers[$0.to].name),
                            Markup(PlanReport.bytes($0.bytes)),
                        ]
                    }, right: [2]),
            ])
        }
        var bytes: [[Int]] = Array(
            repeating: Array(repeating: 0, count: report.workers.count), count: report.workers.count)
        for link in program.links { bytes[link.from][link.to] = link.bytes }
        let head = Markup.element(
            "tr",
            [.element("th", ["scope": "col"], "from \\ to")]
                + report.workers.map { .element("th", ["scope": "col", "class": "n"], [rank($0)]) })
        let rows = report.workers.map { from in
            Markup.element(
                "tr",
                [.element("th", ["scope": "row"], [rank(from), Markup(" \(from.name)")])]
                    + report.workers.map { to in
                        let count = bytes[from.rank][to.rank]
                        let share = Self.number((Double(count) / most * 60).rounded())
                        let text = from.rank == to.rank ? "–" : count == 0 ? "0" : PlanReport.bytes(count)
                        return .element("td", ["class": "n heat", "style": "--p:\(share)%"], text)
                    })
        }
        let caption = "A row sends, a column receives; a stronger colour is more"
        return Markup([
            title,
            .element(
                "div", ["class": "scroll", "tabindex": "0", "role": "region", "aria-label": caption],
                [
                    .element(
                        "table", ["class": "matrix"],
                        [.element("caption", caption), .element("thead", [head]), .element("tbody", rows)])
                ]),
        ])
    }

    private func rank(_ worker: PlanReport.WorkerPlan) -> Markup {
        .element(
            "span", ["class": "dot", "style": Self.hue(worker.rank), "title": worker.name], "\(worker.rank)")
    }

    // MARK: Collectives

    private func collectives(_ program: PlanReport.ProgramPlan) -> Markup {
        let groups = PlanReport.grouped(program.collectives) {
            [$0.kind, $0.axes.joined(separator: "+"), PlanReport.folded($0.scope)]
        }
        let rows = groups.map { key, group -> [Markup] in
            [
                .element("abbr", ["title": Self.meaning(key[0])], key[0]), Markup(key[1]),
                .element("code", key[2].isEmpty ? "–" : key[2]), Markup("\(group.count)"),
                Markup(PlanReport.bytes(group.reduce(0) { $0 + $1.bytes })),
            ]
        }
        let kinds = Set(program.collectives.map(\.kind)).sorted()
        let words = kinds.map { Markup.element("li", [.element("strong", $0), Markup(": \(Self.meaning($0))")]) }
        return Markup([
            .element("h3", "Collectives"),
            .element(
                "p", "Points at which workers talk to each other. A * stands for every layer of that name."),
            .element("ul", ["class": "meanings"], words),
            Self.table(
                "Collectives of one call", head: ["collective", "over", "where", "times", "bytes"], rows: rows,
                right: [3, 4]),
        ])
    }

    static func meaning(_ kind: String) -> String {
        switch CollectiveKind(rawValue: kind) {
        case .allGather?: "everyone gets all the slices, so that each has the whole"
        case .allReduce?: "everyone has a part of a sum; the parts are added up and everyone gets the result"
        case .allToAll?: "everyone sends a different piece to everyone: what was cut one way is now cut another way"
        case .broadcast?: "one sends the same to all"
        case .haloExchange?: "neighbours lend each other the rows at the edge of their part of the picture"
        case .permute?: "slices move from one worker to another"
        case .reduceScatter?:
            "everyone has a part of a sum; the parts are added up and each gets its slice of the result"
        case .slice?: "each keeps a part of what it has; nothing is sent"
        case nil: "data moves between workers"
        }
    }
}
