import Program

extension MeshSearch {
    /// A mesh on some workers.
    struct Candidate: Sendable {
        var axes: [Mesh.Axis]
        /// Numbers of the workers, by rank.
        var numbers: [Int]
        /// Pictures of a request.
        var pictures: Int
        /// Estimated seconds a picture.
        var estimate = 0.0

        /// What tells it from others.
        var key: String { "\(axes.map { "\($0.name)=\($0.size)" }) \(numbers)" }
        /// For people.
        var title: String { MeshChoice.title(axes.map { ($0.name, $0.size) }) }
    }

    /// A mesh that needs more memory than there is.
    struct Misfit: Error {
        var candidate: Candidate
        var shortfalls: [MeshSearchError.Shortfall]
    }

    /// All meshes on all numbers of workers that are tried.
    func enumerated(_ workload: Workload, _ baseline: Baseline) -> [Candidate] {
        let limits = axes.map { workload.partsMax($0.logicalAxes) }
        let order = MeshPlacement.order(profile, speeds: baseline.speeds)
        return counts.flatMap { count in
            let chosen = Array(order.prefix(count))
            return factorizations(count, limits).flatMap { sizes in
                let shape = zip(axes, sizes).filter { $0.1 > 1 }.map { Mesh.Axis($0.0.name, $0.1) }
                let data = shape.first { $0.name == "data" }?.size ?? 1
                let pictures = (workload.pictures + data - 1) / data * data
                return MeshPlacement.placements(
                    chosen, axes: shape, profile: profile, speeds: baseline.speeds
                ).map { numbers in
                    Candidate(
                        axes: shape, numbers: numbers,
                        pictures: objective == .throughput ? pictures : workload.pictures)
                }
            }
        }
    }

    /// Numbers of workers to try: all of a small cluster; of a large one powers of two, divisors and all.
    private var counts: [Int] {
        let all = profile.workers.count
        return (1...all).filter { $0 <= 12 || $0 & ($0 - 1) == 0 || all % $0 == 0 }
    }

    /// Sizes by axis with this product.
    private func factorizations(_ count: Int, _ limits: [Int]) -> [[Int]] {
        guard let limit = limits.first else { return count == 1 ? [[]] : [] }
        return (1...min(count, limit)).filter { count % $0 == 0 }.flatMap { size in
            factorizations(count / size, Array(limits.dropFirst())).map { [size] + $0 }
        }
    }

    /// Seconds a picture, from annotations alone.
    func estimate(_ candidate: Candidate, _ workload: Workload, _ baseline: Baseline) -> Double {
        let sizes = Dictionary(uniqueKeysWithValues: candidate.axes.map { ($0.name, $0.size) })
        let estimate = MeshEstimate(
            sizes: sizes, rules: rules(candidate.axes.map(\.name)),
            links: profile.selecting(candidate.numbers).linkCosts)
        // Shares follow speeds, so that all devices need as long as an average one.
        let rate = candidate.numbers.reduce(0) { $0 + baseline.speeds[$1] } / Double(candidate.numbers.count)
        // A batch takes as much longer as it is larger.
        let batch = Double(workload.pictures) / Double(baseline.pictures)
        let seconds = zip(workload.stages, baseline.seconds).reduce(0) { sum, entry in
            sum + Double(entry.0.calls) * estimate.seconds(entry.0.program, alone: batch * entry.1 / rate)
        }
        return seconds / Double(workload.pictures)
    }

    /// Those worth compiling: for every number of workers its best, then the best of all, as many as allowed.
    func promising(_ candidates: [Candidate]) -> [Candidate] {
        var perCount: [Int: Int] = [:]
        var taken: Set<Int> = []
        // At least one of each number, more of the largest.
        for (index, candidate) in candidates.enumerated() {
            let count = candidate.numbers.count
            let quota = count == profile.workers.count ? 8 : 1
            if perCount[count, default: 0] < quota, taken.count < compiledMax {
                perCount[count, default: 0] += 1
                taken.insert(index)
            }
        }
        for index in candidates.indices where taken.count < compiledMax { taken.insert(index) }
        // What cuts the weights into most parts may be all that fits.
        let limited = memoryLimits.contains { $0 != nil }
        if limited, let finest = candidates.indices.max(by: { modelParts(candidates[$0]) < modelParts(candidates[$1]) })
        {
            taken.insert(finest)
        }
        return taken.sorted().map { candidates[$0] }
    }

    /// Parts that weights are cut into.
    func modelParts(_ candidate: Candidate) -> Int {
        candidate.axes.first { $0.name == "model" }?.size ?? 1
    }
}
