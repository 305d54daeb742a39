import Program

/// Picks the best of the meshes that were tried and says why the others lost.
struct MeshRanking {
    let search: MeshSearch
    let outcomes: [MeshChoice.Outcome]
    let misfits: [MeshSearch.Misfit]
    let uncompiled: [MeshSearch.Candidate]

    /// Times that differ by less are equal, as predictions are no better: fewer workers win, then earlier axes, which send
    /// less.
    private static let tolerance = 1.03

    /// The choice.
    ///
    /// - Throws: ``MeshSearchError`` where nothing fits.
    func choice() throws(MeshSearchError) -> MeshChoice {
        guard let fastest = outcomes.map(\.secondsPerPicture).min() else { throw nothingFits() }
        let order = search.axes.map(\.name)
        func rank(_ outcome: MeshChoice.Outcome) -> [Int] {
            [outcome.numbers.count]
                + order.map { name in -(outcome.axes.first { $0.name == name }?.size ?? 1) }
        }
        let close = outcomes.indices.filter { outcomes[$0].secondsPerPicture <= fastest * Self.tolerance }
        let index = close.reduce(close[0]) {
            rank(outcomes[$1]).lexicographicallyPrecedes(rank(outcomes[$0])) ? $1 : $0
        }
        let best = outcomes[index]
        let others = outcomes.indices.filter { $0 != index }.map { outcomes[$0] }.sorted {
            $0.secondsPerPicture < $1.secondsPerPicture
        }
        return MeshChoice(
            objective: search.objective.rawValue, best: best, rivals: rivals(best, others), notes: notes(best),
            consideredCount: outcomes.count + misfits.count + uncompiled.count,
            compiledCount: outcomes.count + misfits.count)
    }

    private func rivals(_ best: MeshChoice.Outcome, _ others: [MeshChoice.Outcome]) -> [MeshChoice.Rival] {
        let slower = others.map { other in
            MeshChoice.Rival(
                title: title(other.title, other.numbers), workerCount: other.numbers.count,
                secondsPerPicture: other.secondsPerPicture, reason: reason(other, best))
        }
        let unfit = misfits.map { misfit in
            MeshChoice.Rival(
                title: title(misfit.candidate.title, misfit.candidate.numbers),
                workerCount: misfit.candidate.numbers.count, secondsPerPicture: nil,
                reason: "does not fit: " + misfit.shortfalls.prefix(2).map(\.description).joined(separator: ", ")
                    + (misfit.shortfalls.count > 2 ? " and \(misfit.shortfalls.count - 2) more" : ""))
        }
        let skipped = uncompiled.prefix(50).map { candidate in
            MeshChoice.Rival(
                title: title(candidate.title, candidate.numbers), workerCount: candidate.numbers.count,
                secondsPerPicture: candidate.estimate,
                reason: "not compiled: \(search.compiledMax) others have better estimates")
        }
        return slower + unfit + skipped
    }

    /// Placements of one mesh differ in the workers' order alone.
    private func title(_ title: String, _ numbers: [Int]) -> String {
        if numbers.count <= 1 || numbers == numbers.sorted() { return title }
        return "\(title) (workers \(numbers.map(String.init).joined(separator: ",")))"
    }

    private func reason(_ other: MeshChoice.Outcome, _ best: MeshChoice.Outcome) -> String {
        let ratio = other.secondsPerPicture / best.secondsPerPicture
        if ratio <= Self.tolerance {
            return other.numbers.count > best.numbers.count
                ? "no faster, with \(other.numbers.count) workers instead of \(best.numbers.count)"
                : "as fast; earlier axes go first"
        }
        let slower = "\(MeshChoice.rounded(ratio, digits: 2))x"
        func perPicture(_ seconds: Double, _ outcome: MeshChoice.Outcome) -> Double {
            seconds / Double(outcome.pictures)
        }
        let computing = perPicture(other.computeSeconds, other) - perPicture(best.computeSeconds, best)
        let talking =
            perPicture(other.seconds - other.computeSeconds, other)
            - perPicture(best.seconds - best.computeSeconds, best)
        if talking > computing {
            return "\(slower): \(MeshChoice.text(other.seconds - other.computeSeconds)) of "
                + "\(MeshChoice.text(other.seconds)) go to exchanges and waiting, "
                + "\(PlanReport.bytes(other.sentBytes)) sent"
        }
        let idle = other.numbers.count < best.numbers.count ? "fewer workers compute" : "less of the work is split"
        return "\(slower): \(idle), \(MeshChoice.text(other.computeSeconds)) of computing"
    }

    private func notes(_ best: MeshChoice.Outcome) -> [String] {
        var notes: [String] = []
        let all = search.profile.workers.count
        if best.numbers.count < all {
            let idle = search.profile.workers.indices.filter { !best.numbers.contains($0) }
            let names = idle.prefix(8).map { search.profile.workers[$0].name }.joined(separator: ", ")
            var note =
                "\(best.numbers.count) of \(all) workers are used; \(names)"
                + (idle.count > 8 ? " and \(idle.count - 8) more" : "") + (idle.count == 1 ? " is idle" : " are idle")
            let full = outcomes.filter { $0.numbers.count == all }.min {
                $0.secondsPerPicture < $1.secondsPerPicture
            }
            if let full {
                note +=
                    full.secondsPerPicture > best.secondsPerPicture * Self.tolerance
                    ? ": more workers make it slower, the best mesh of all, \(full.title), takes "
                        + "\(MeshChoice.rounded(100 * (full.secondsPerPicture / best.secondsPerPicture - 1))) % longer"
                    : ": more workers make it no faster"
            }
            notes.append(note)
        }
        let profile = search.profile.selecting(best.numbers)
        if !search.profile.isMeasured {
            let assumed = profile.workers.filter { $0.origin == .assumed }.map(\.name)
            let what = assumed.isEmpty ? "links" : "machines and links"
            notes.append(
                "times rest on assumed \(what); 'tessera calibrate' measures them, 'profile' in the cluster file names the "
                    + "result")
        }
        return notes
    }

    private func nothingFits() -> MeshSearchError {
        func lack(_ misfit: MeshSearch.Misfit) -> Int {
            misfit.shortfalls.reduce(0) { max($0, $1.needed - $1.limit) }
        }
        guard let closest = misfits.min(by: { lack($0) < lack($1) }) else {
            preconditionFailure("every mesh that was compiled either fits or does not")
        }
        return .nothingFits(mesh: closest.candidate.title, shortfalls: closest.shortfalls)
    }
}
