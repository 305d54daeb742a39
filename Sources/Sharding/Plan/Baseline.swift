import Program

/// What the workload takes on a single device.
struct Baseline {
    /// Seconds of one call by stage, on the fastest worker.
    let seconds: [Double]
    /// Pictures of the workload.
    let pictures: Int
    /// Speeds by worker, 1 for the fastest; differences of a few per cent are none.
    let speeds: [Double]

    init(_ workload: Workload, _ search: MeshSearch) throws(ShardingError) {
        let compiled = try MeshSearch.compile(
            workload, mesh: .single, rules: search.rules([]), options: CompilerOptions())
        var all: [[Double]] = []
        var known: [MachineProfile.Worker: [Double]] = [:]
        for number in search.profile.workers.indices {
            var machine = search.profile.workers[number]
            machine.name = ""
            let seconds =
                known[machine]
                ?? compiled.map {
                    Timeline.predict(locals: $0.locals, profile: MachineProfile(workers: [machine])).duration
                }
            known[machine] = seconds
            all.append(seconds)
        }
        let totals = all.map { zip(workload.stages, $0).reduce(0) { $0 + Double($1.0.calls) * $1.1 } }
        let fastest = totals.indices.min { totals[$0] < totals[$1] } ?? 0
        seconds = all[fastest]
        pictures = workload.pictures
        let speeds = totals.map { totals[fastest] / max($0, 1e-12) }
        self.speeds = speeds.map { $0 > 0.95 ? 1 : $0 }
    }
}
