import Program

/// Lanes of time, one a worker.
extension PlanPage {
    /// Pieces that a lane is drawn in; each shows what takes most of its time.
    private static let binCount = 360

    /// What the colours of a lane mean, in the order of the legend.
    private enum Activity: String, CaseIterable {
        case matrix, attention, elements, talk, wait

        var words: String {
            switch self {
            case .matrix: "matrix products, convolutions"
            case .attention: "attention"
            case .elements: "everything element by element"
            case .talk: "packing and adding up messages"
            case .wait: "waiting for another worker"
            }
        }

        init(_ kind: Timeline.Kind) {
            switch kind {
            case .matrix: self = .matrix
            case .attention: self = .attention
            case .elements: self = .elements
            case .send, .combine: self = .talk
            case .wait: self = .wait
            }
        }
    }

    func timeline(_ index: Int) -> Markup {
        let timeline = timelines[index]
        let total = timeline.duration
        let legend = Activity.allCases.map { activity in
            Markup.element(
                "li", [.element("span", ["class": "key a-\(activity.rawValue)"], ""), Markup(activity.words)])
        }
        let drawn = report.workers.prefix(Self.drawnWorkerMax)
        var lanes = drawn.map { lane($0, timeline, total) }
        if let first = programs[index].compiled.locals.first, let entries = timeline.devices.first {
            lanes.insert(layersLane(first, entries, total), at: 0)
        }
        let more = report.workers.count - drawn.count
        let ticks = (0...4).map { Markup.element("span", Self.time(total * Double($0) / 4)) }
        let note = [
            timelineBasis.isEmpty ? "" : "Times are predicted from \(timelineBasis).",
            more > 0 ? "\(more) more workers are in the table." : "",
        ].filter { !$0.isEmpty }.joined(separator: " ")
        return Markup([
            .element("h3", "One call, worker by worker: \(Self.time(total))"),
            .element("ul", ["class": "legend"], legend),
            .element(
                "div", ["class": "lanes"], lanes + [.element("div", ["class": "ticks", "aria-hidden": "true"], ticks)]),
            .element("p", ["class": "note"], note), secondsTable(timeline, total),
        ])
    }

    private func lane(_ worker: PlanReport.WorkerPlan, _ timeline: Timeline, _ total: Double) -> Markup {
        let entries = timeline.devices.indices.contains(worker.rank) ? timeline.devices[worker.rank] : []
        let runs = bins(entries, total) { Activity($0.kind).rawValue }
        let waiting = timeline.devices.indices.contains(worker.rank) ? timeline.seconds(.wait, device: worker.rank) : 0
        let share = Self.percent(total > 0 ? waiting / total : 0)
        let hidden = Self.time(
            timeline.devices.indices.contains(worker.rank) ? timeline.hiddenSeconds[worker.rank] : 0)
        return strip(
            runs, label: worker.name, words: "\(worker.name): waits \(share) of the time, \(hidden) hidden"
        ) { "a-\($0.name)" }
    }

    /// Which layer the first worker is in, in two alternating shades.
    private func layersLane(_ local: LocalProgram, _ entries: [Timeline.Entry], _ total: Double) -> Markup {
        let names = local.instructions.map { instruction -> String in
            switch instruction {
            case .compute(let compute): Self.layer(of: compute.scope)
            case .exchangeStart(let index), .exchangeFinish(let index): Self.layer(of: local.exchanges[index].scope)
            }
        }
        let runs = bins(entries, total) { names.indices.contains($0.instruction) ? names[$0.instruction] : "" }
        var order: [String: Int] = [:]
        for run in runs where order[run.name] == nil { order[run.name] = order.count }
        return strip(runs, label: "layer", words: "Layers, in the order in which they run", isThin: true) {
            (order[$0.name] ?? 0) % 2 == 0 ? "l-even" : "l-odd"
        }
    }

    /// `layers.3` for `layers.3.attn1`: up to the first number, else the first two names.
    static func layer(of scope: String) -> String {
        let parts = scope.split(separator: ".")
        if let number = parts.firstIndex(where: { $0.allSatisfy(\.isNumber) }) {
            return parts[...number].joined(separator: ".")
        }
        return parts.prefix(2).joined(separator: ".")
    }

    // MARK: Drawing

    private struct Run {
        var name: String
        var range: Range<Int>
    }

    /// What takes most of each bin's time, neighbours that agree put together.
    private func bins(_ entries: [Timeline.Entry], _ total: Double, _ name: (Timeline.Entry) -> String) -> [Run] {
        guard total > 0 else { return [] }
        var seconds: [[String: Double]] = Array(repeating: [:], count: Self.binCount)
        let width = total / Double(Self.binCount)
        for entry in entries where entry.end > entry.start {
            let key = name(entry)
            let first = min(Self.binCount - 1, max(0, Int(entry.start / width)))
            let last = min(Self.binCount - 1, max(first, Int(entry.end / width)))
            for bin in first...last {
                let part = min(entry.end, Double(bin + 1) * width) - max(entry.start, Double(bin) * width)
                if part > 0 { seconds[bin][key, default: 0] += part }
            }
        }
        var runs: [Run] = []
        for (bin, shares) in seconds.enumerated() {
            let best = shares.max { ($0.value, $1.key) < ($1.value, $0.key) }
            guard let best else { continue }
            if let last = runs.last, last.name == best.key, last.range.upperBound == bin {
                runs[runs.count - 1].range = last.range.lowerBound..<(bin + 1)
            } else {
                runs.append(Run(name: best.key, range: bin..<(bin + 1)))
            }
        }
        return runs
    }

    private func strip(
        _ runs: [Run], label: String, words: String, isThin: Bool = false,
        _ style: (Run) -> String
    ) -> Markup {
        let shapes = runs.map { run in
            Markup.element(
                "rect",
                [
                    "class": style(run), "x": "\(run.range.lowerBound)", "y": "0", "width": "\(run.range.count)",
                    "height": "10",
                ], [.element("title", run.name)])
        }
        return .element(
            "div", ["class": isThin ? "lane thin" : "lane"],
            [
                .element("span", ["class": "lane-name"], label),
                .element(
                    "svg",
                    [
                        "viewBox": "0 0 \(Self.binCount) 10", "preserveAspectRatio": "none", "role": "img",
                        "aria-label": words,
                    ], shapes),
            ])
    }

    private func secondsTable(_ timeline: Timeline, _ total: Double) -> Markup {
        let rows = report.workers.filter { timeline.devices.indices.contains($0.rank) }.map { worker -> [Markup] in
            var seconds: [Activity: Double] = [:]
            for entry in timeline.devices[worker.rank] {
                seconds[Activity(entry.kind), default: 0] += entry.end - entry.start
            }
            return [Markup(worker.name)] + Activity.allCases.map { Markup(Self.time(seconds[$0] ?? 0)) }
                + [Markup(Self.time(timeline.hiddenSeconds[worker.rank]))]
        }
        return .element(
            "details",
            [
                .element("summary", "The same as numbers"),
                Self.table(
                    "Time of each worker in one call",
                    head: ["worker", "matrix", "attention", "elements", "messages", "waiting", "hidden"], rows: rows,
                    right: [1, 2, 3, 4, 5, 6]),
                .element(
                    "p", ["class": "note"],
                    "Hidden is what a worker would wait more if it computed nothing while messages are on their way."),
            ])
    }
}
