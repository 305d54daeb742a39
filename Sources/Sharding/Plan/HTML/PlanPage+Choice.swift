/// Why the mesh is as it is, where the compiler chose it.
extension PlanPage {
    var choiceSection: [Markup] {
        guard let choice else { return [] }
        let best = choice.best
        let chosen: [Markup] = [
            Markup(best.title), Markup("\(best.workers.count)"), Markup(Self.time(best.secondsPerPicture)),
            Markup("chosen"),
        ]
        let rivals = choice.rivals.map { rival -> [Markup] in
            [
                Markup(rival.title), Markup("\(rival.workerCount)"),
                Markup(rival.secondsPerPicture.map(Self.time) ?? "–"), Markup(rival.reason),
            ]
        }
        let words =
            "The cluster file leaves the mesh open. Of \(choice.consideredCount) ways to arrange the workers, "
            + "\(choice.compiledCount) were compiled and timed; this one is best. The others, and why they lost:"
        return [
            .element(
                "section", ["id": "choice", "aria-labelledby": "choice-title"],
                [
                    .element("h2", ["id": "choice-title"], "Why this mesh"), .element("p", words),
                    Self.table(
                        "Meshes, the best first", head: ["mesh", "workers", "a picture takes", "why"],
                        rows: [chosen] + rivals, right: [1, 2]),
                ] + choice.notes.map { .element("p", ["class": "note"], $0) })
        ]
    }
}
