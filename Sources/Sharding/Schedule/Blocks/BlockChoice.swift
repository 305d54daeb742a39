import Program
import Tensor

/// Decides whether a program is done in blocks, along which factor and in how many.
struct BlockChoice {
    /// What is executed.
    struct Plan {
        var partitioned: PartitionedProgram
        var schedule: Schedule
        var blocks: CompiledProgram.Blocks?
    }

    private let partitioner: Partitioner
    private let limits: FusionLimits
    private let machines: MachineProfile
    private var factors: BlockFactors
    private var rules = StepRules()

    /// Factors that are tried.
    private static let factorMax = 2
    /// Numbers of blocks that are tried.
    private static let counts = [2, 4]
    /// Devices above which the choice would take longer than it is worth.
    private static let deviceMax = 32
    /// Only a call that waits for so much of its time is worth a try, and only what saves as much is taken.
    private static let gainMin = 0.02
    /// How much larger the arena may get.
    private static let arenaGrowthMax = 1.1

    init(_ partitioner: Partitioner, limits: FusionLimits, machines: MachineProfile) {
        self.partitioner = partitioner
        self.limits = limits
        self.machines = machines
        factors = BlockFactors(partitioner.result, &rules)
    }

    /// The plan in blocks that is predicted to be fastest; nil where none is clearly faster than `plan`.
    static func improve(
        _ plan: Plan, _ partitioner: Partitioner, limits: FusionLimits, machines: MachineProfile
    ) -> Plan? {
        guard machines.workers.count <= deviceMax, isPossible(plan.partitioned) else { return nil }
        let usual = Self.locals(plan, machines)
        let timeline = Timeline.predict(locals: usual, profile: machines)
        let waiting = machines.workers.indices.reduce(0) { max($0, timeline.seconds(.wait, device: $1)) }
        guard waiting >= gainMin * timeline.duration else { return nil }
        var choice = BlockChoice(partitioner, limits: limits, machines: machines)
        let arena = usual.map { Int(Double($0.arenaByteCount) * arenaGrowthMax) }
        var best: (plan: Plan, seconds: Double)?
        for candidate in choice.factors.candidates().prefix(factorMax) {
            for count in counts where count <= candidate.granuleCount {
                let plan = choice.plan(candidate, count, wholeSeconds: timeline.duration)
                let locals = Self.locals(plan, machines)
                guard zip(locals, arena).allSatisfy({ $0.arenaByteCount <= $1 }) else { continue }
                let seconds = Timeline.predict(locals: locals, profile: machines).duration
                if seconds < best?.seconds ?? timeline.duration * (1 - gainMin) { best = (plan, seconds) }
            }
        }
        return best?.plan
    }

    /// The plan in so many blocks along one of the factors, whatever it is good for; nil where there is no factor.
    static func split(
        _ partitioner: Partitioner, limits: FusionLimits, machines: MachineProfile, count: Int, factor: Int
    ) -> Plan? {
        guard isPossible(partitioner.result) else { return nil }
        var choice = BlockChoice(partitioner, limits: limits, machines: machines)
        let candidates = choice.factors.candidates()
        return candidates.isEmpty ? nil : choice.plan(candidates[factor % candidates.count], count)
    }

    /// False where what is read and replaced makes the order of steps matter, and where nothing is sent.
    private static func isPossible(_ partitioned: PartitionedProgram) -> Bool {
        partitioned.exchanges.contains { !$0.moves.isLocal }
            && !BufferUses(partitioned).isReplaced.contains(true)
    }

    private static func locals(_ plan: Plan, _ machines: MachineProfile) -> [LocalProgram] {
        let emitter = LocalProgramEmitter(plan.partitioned, plan.schedule, deviceCount: machines.workers.count)
        return machines.workers.indices.map { emitter.emit(device: $0) }
    }

    private mutating func plan(
        _ candidate: BlockFactors.Candidate, _ count: Int, wholeSeconds: Double? = nil
    ) -> Plan {
        var splitter = BlockSplitter(
            partitioner, factors: factors, rules: rules, candidate: candidate, count: count)
        splitter.run()
        let fused = CollectiveFusion.schedule(splitter.result.partitioned, limits: limits)
        return Plan(
            partitioned: splitter.result.partitioned,
            schedule: BlockSchedule.schedule(fused, of: splitter.result, machines: machines),
            blocks: .init(count: count, dim: candidate.dim, sizes: candidate.sizes, wholeSeconds: wholeSeconds))
    }
}
