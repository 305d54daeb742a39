public import Program

/// Finds the mesh, the workers and the shards that make pictures fastest within each worker's memory.
///
/// Meshes over all numbers of workers are enumerated and estimated from annotations (``MeshEstimate``); the most
/// promising are compiled, their memory is compared with the workers' limits and their time is predicted
/// (``Timeline``). Where one worker is short of memory and another is not, shards move.
public struct MeshSearch: Sendable {
    /// What is best.
    public enum Objective: String, Sendable, Hashable, CaseIterable {
        /// The least time for a request.
        case latency
        /// The most pictures an hour.
        case throughput
    }

    /// The workers and links.
    public var profile: MachineProfile
    /// Most bytes by worker; nil: no limit.
    public var memoryLimits: [Int?]
    /// What is best.
    public var objective: Objective
    /// How partial sums travel.
    public var partialSums: PartialSums
    /// How the elements of messages travel.
    public var wire: WireFormat
    /// Axes that meshes are made of.
    public var axes: [SearchAxis]
    /// What logical axes are split over, given the names of a mesh's axes.
    public var rules: @Sendable ([String]) -> LogicalAxisRules
    /// Most meshes that are compiled.
    public var compiledMax: Int

    /// Makes a search; `memoryLimits` are by worker, missing ones mean no limit.
    public init(
        profile: MachineProfile, memoryLimits: [Int?] = [], objective: Objective = .latency,
        partialSums: PartialSums = .f32, wire: WireFormat = .exact, axes: [SearchAxis] = SearchAxis.standard,
        compiledMax: Int = 32,
        rules: @escaping @Sendable ([String]) -> LogicalAxisRules
    ) {
        precondition(!profile.workers.isEmpty, "a mesh is chosen for at least one worker")
        self.profile = profile
        let missing = max(0, profile.workers.count - memoryLimits.count)
        self.memoryLimits = memoryLimits + Array(repeating: nil, count: missing)
        self.objective = objective
        self.partialSums = partialSums
        self.wire = wire
        self.axes = axes
        self.compiledMax = compiledMax
        self.rules = rules
    }

    /// Chooses a mesh for a workload of a fixed number of pictures.
    ///
    /// - Parameter progress: told how many meshes of how many are compiled.
    /// - Throws: ``MeshSearchError`` where none fits into memory, `ShardingError`.
    public func run(
        _ workload: Workload, progress: (_ done: Int, _ total: Int) -> Void = { _, _ in }
    ) throws -> MeshChoice {
        try run(pictures: workload.pictures, progress: progress) { _ in workload }
    }

    /// Chooses a mesh for requests of `pictures` pictures.
    ///
    /// For the most pictures an hour a mesh gets as many more as its `data` axis needs to have the same number on each
    /// device; time is then compared by the picture.
    ///
    /// - Parameters:
    ///   - progress: told how many meshes of how many are compiled.
    ///   - workload: the programs of a request of so many pictures; asked once for each number.
    /// - Throws: what `workload` throws, ``MeshSearchError`` where none fits into memory, `ShardingError`.
    public func run(
        pictures: Int, progress: (_ done: Int, _ total: Int) -> Void = { _, _ in },
        workload: (_ pictures: Int) throws -> Workload
    ) throws -> MeshChoice {
        let base = try workload(pictures)
        let baseline = try Baseline(base, self)
        var workloads = [pictures: base]
        func load(_ candidate: Candidate) throws -> Workload {
            if let known = workloads[candidate.pictures] { return known }
            let made = try workload(candidate.pictures)
            workloads[candidate.pictures] = made
            return made
        }
        var candidates = enumerated(base, baseline)
        for index in candidates.indices {
            candidates[index].estimate = estimate(candidates[index], try load(candidates[index]), baseline)
        }
        candidates = candidates.enumerated().sorted {
            ($0.element.estimate, $0.offset) < ($1.element.estimate, $1.offset)
        }.map(\.element)
        let chosen = promising(candidates)
        var tried = Trials()
        for (index, candidate) in chosen.enumerated() {
            progress(index, chosen.count)
            tried.add(try evaluate(candidate, load(candidate), baseline), of: candidate)
        }
        if tried.outcomes.isEmpty {
            // Memory decides: the meshes that cut weights into most parts first, until one fits.
            let rest = candidates.filter { !tried.keys.contains($0.key) }
            let finest = rest.indices.sorted { (-modelParts(rest[$0]), $0) < (-modelParts(rest[$1]), $1) }
            for index in finest.prefix(compiledMax) where tried.outcomes.isEmpty {
                progress(tried.keys.count, chosen.count + min(rest.count, compiledMax))
                tried.add(try evaluate(rest[index], load(rest[index]), baseline), of: rest[index])
            }
        }
        progress(tried.keys.count, tried.keys.count)
        return try MeshRanking(
            search: self, outcomes: tried.outcomes, misfits: tried.misfits,
            uncompiled: candidates.filter { !tried.keys.contains($0.key) }
        ).choice()
    }

    /// What compiling gave.
    private struct Trials {
        var keys: Set<String> = []
        var outcomes: [MeshChoice.Outcome] = []
        var misfits: [Misfit] = []

        mutating func add(_ result: Result<MeshChoice.Outcome, Misfit>, of candidate: Candidate) {
            keys.insert(candidate.key)
            switch result {
            case .success(let outcome): outcomes.append(outcome)
            case .failure(let misfit): misfits.append(misfit)
            }
        }
    }

    // MARK: Evaluation

    /// Compiles a mesh, fits its shards to the workers' memory, and predicts its time.
    private func evaluate(
        _ candidate: Candidate, _ workload: Workload, _ baseline: Baseline
    ) throws -> Result<MeshChoice.Outcome, Misfit> {
        let machines = profile.selecting(candidate.numbers)
        let limits = candidate.numbers.map { memoryLimits[$0] }
        var speeds = candidate.numbers.map { baseline.speeds[$0] }
        var shortfalls: [MeshSearchError.Shortfall] = []
        for attempt in 0..<6 {
            let compiled = try Self.compile(
                workload, mesh: Mesh(candidate.axes, speeds: speeds), rules: rules(candidate.axes.map(\.name)),
                options: CompilerOptions(partialSums: partialSums, wire: wire, links: machines.linkCosts))
            let needs = candidate.numbers.indices.map { rank in
                CostModel.peakByteCount(
                    of: compiled.map { $0.locals[rank] }, promptCount: workload.pictures)
            }
            let short = needs.indices.filter { needs[$0] > limits[$0] ?? .max }
            if short.isEmpty {
                return .success(
                    outcome(candidate, workload, compiled, needs, speeds: speeds, isBalanced: attempt > 0))
            }
            let found = short.map { rank in
                MeshSearchError.Shortfall(
                    worker: machines.workers[rank].name, needed: needs[rank], limit: limits[rank] ?? .max)
            }
            if attempt == 0 || lack(found) < lack(shortfalls) { shortfalls = found }
            let others = needs.indices.filter { !short.contains($0) }
            guard candidate.numbers.count > 1, !others.isEmpty else { break }
            // Smaller shards where memory is short; granules, and weights that all hold, make this inexact, hence the rest.
            for rank in short {
                let weights = CostModel.weightByteCount(of: compiled.map { $0.locals[rank] })
                let room = (limits[rank] ?? .max) - (needs[rank] - weights)
                speeds[rank] *= 0.95 * max(0.05, Double(room) / Double(weights))
            }
        }
        return .failure(Misfit(candidate: candidate, shortfalls: shortfalls))
    }

    private func lack(_ shortfalls: [MeshSearchError.Shortfall]) -> Int {
        shortfalls.reduce(0) { $0 + $1.needed - $1.limit }
    }

    private func outcome(
        _ candidate: Candidate, _ workload: Workload, _ compiled: [CompiledProgram], _ needs: [Int], speeds: [Double],
        isBalanced: Bool
    ) -> MeshChoice.Outcome {
        let machines = profile.selecting(candidate.numbers)
        var compute = [Double](repeating: 0, count: needs.count)
        var sent = [Int](repeating: 0, count: needs.count)
        let stages = zip(workload.stages, compiled).map { stage, program in
            let timeline = Timeline.predict(locals: program.locals, profile: machines)
            for rank in needs.indices {
                let busy = timeline.devices[rank].reduce(0) { sum, entry in
                    [.attention, .elements, .matrix].contains(entry.kind) ? sum + entry.end - entry.start : sum
                }
                compute[rank] += Double(stage.calls) * busy
                sent[rank] += stage.calls * CostModel.sentByteCount(of: program.locals[rank])
            }
            return MeshChoice.Stage(name: program.name, calls: stage.calls, seconds: timeline.duration)
        }
        return MeshChoice.Outcome(
            axes: candidate.axes.map { .init(name: $0.name, size: $0.size) }, workers: machines.workers.map(\.name),
            numbers: candidate.numbers, speeds: speeds, pictures: workload.pictures, stages: stages,
            seconds: stages.reduce(0) { $0 + Double($1.calls) * $1.seconds }, computeSeconds: compute.max() ?? 0,
            peakBytes: needs, sentBytes: sent.max() ?? 0, isBalancedByMemory: isBalanced)
    }

    /// Compiles all programs of a workload for one mesh.
    static func compile(
        _ workload: Workload, mesh: Mesh, rules: LogicalAxisRules, options: CompilerOptions
    ) throws(ShardingError) -> [CompiledProgram] {
        var left: [String: TensorSharding] = [:]
        var result: [CompiledProgram] = []
        for stage in workload.stages {
            let compiled = try Compiler.compile(
                stage.program, mesh: mesh, rules: rules, residents: left, options: options)
            left.merge(compiled.residents) { $1 }
            result.append(compiled)
        }
        return result
    }
}
