public import Program

/// A program compiled for a mesh: one local program a device, and what the plan report needs.
public struct CompiledProgram: Sendable {
    /// Name of the global program.
    public let name: String
    /// By device id.
    public let locals: [LocalProgram]
    /// Shardings of what the program leaves on the devices, for the programs that read it.
    public let residents: [String: TensorSharding]
    /// Each parameter's sharding and why.
    public let parameters: [ParameterPlan]
    /// What repeats in it.
    let repetition: Repetition

    /// How it is done in blocks; nil where it is not.
    public var blocks: Blocks?

    /// Blocks along a row-like factor, so that exchanges of one are on their way while another is computed.
    public struct Blocks: Sendable, Hashable {
        /// How many.
        public let count: Int
        /// The dimension of an exchanged value that is cut.
        public let dim: Int
        /// Sizes of that value.
        public let sizes: [Int]
        /// Predicted seconds of a call that is not done in blocks; nil where nothing was predicted.
        public let wholeSeconds: Double?
    }

    /// How a weight is split, and which annotation decided it.
    public struct ParameterPlan: Sendable, Hashable {
        /// Name of the weight.
        public let name: String
        /// Shape that the program sees.
        public let dims: [Int]
        /// `[model, -]`.
        public let sharding: String
        /// One sentence a split dimension; "replicated: …" where none is split.
        public let reason: String
    }
}

/// Sharding compiler: annotations → propagation → partitioning → fusion and overlap of exchanges → one local program a device.
public enum Compiler {
    /// Compiles a program.
    ///
    /// - Parameter residents: shardings that earlier programs of the request left their values in
    ///   (``CompiledProgram/residents``).
    /// - Throws: ``ShardingError`` where annotations and rules contradict each other.
    public static func compile(
        _ program: Program, mesh: Mesh, rules: LogicalAxisRules, residents: [String: TensorSharding] = [:],
        options: CompilerOptions = CompilerOptions()
    ) throws(ShardingError) -> CompiledProgram {
        let opRules = program.operations.map { ShardingRule.of($0, in: program) }
        let annotations = try Annotations.shardings(of: program, mesh: mesh, rules: rules, residents: residents)
        var propagation = Propagation(
            program, rules: opRules, annotations: annotations, priorities: rules.priorities)
        propagation.run()
        options.passed?(.propagation)
        if let dump = options.dump {
            dump("01-program", PassText.program(program))
            dump("02-annotated", PassText.shardings(program, annotations, mesh))
            dump("03-propagated", PassText.shardings(program, propagation.shardings, mesh))
        }
        let partitioner = Partitioner.chosen(
            program, rules: opRules, shardings: propagation.shardings, mesh: mesh, options: options)
        options.passed?(.partitioning)
        let plan = scheduled(partitioner, deviceCount: mesh.deviceCount, options)
        options.passed?(.scheduling)
        let partitioned = plan.partitioned
        let emitter = LocalProgramEmitter(partitioned, plan.schedule, deviceCount: mesh.deviceCount)
        options.passed?(.memory)
        let locals = (0..<mesh.deviceCount).map { emitter.emit(device: $0) }
        if let dump = options.dump { PassText.locals(locals, dump) }
        let explanation = Explanation(
            program: program, shardings: propagation.shardings, rules: opRules, mesh: mesh)
        var left: [String: TensorSharding] = [:]
        for (name, layout) in partitioned.residents {
            left[name] = TensorSharding(dims: layout.dims.map { DimSharding(axes: $0.axes, isOpen: false) })
        }
        let parameters = explanation.parameters(partitioned)
        let repetition = Repetition(partitioned, plan.schedule)
        options.passed?(.emission)
        return CompiledProgram(
            name: program.name, locals: locals, residents: left, parameters: parameters,
            repetition: repetition, blocks: plan.blocks)
    }

    /// Fuses exchanges and hides them behind computing, as far as the options say.
    private static func scheduled(
        _ partitioner: Partitioner, deviceCount: Int, _ options: CompilerOptions
    ) -> BlockChoice.Plan {
        let limits = options.fusion ?? options.links.fusion
        var plan = BlockChoice.Plan(
            partitioned: partitioner.result, schedule: CollectiveFusion.schedule(partitioner.result, limits: limits))
        if options.overlap == .off { return plan }
        plan.schedule = MessageOverlap.schedule(plan.schedule, of: plan.partitioned)
        switch options.overlap {
        case .auto:
            guard let machines = options.machines, machines.workers.count == deviceCount else { return plan }
            return BlockChoice.improve(plan, partitioner, limits: limits, machines: machines) ?? plan
        case .blocks(let count, let factor):
            let machines =
                options.machines
                ?? MachineProfile(
                    workers: (0..<deviceCount).map { .assumed(name: "device \($0)", cores: 1) },
                    link: .init(latency: options.links.latency, bandwidth: options.links.bandwidth, origin: .assumed))
            return BlockChoice.split(partitioner, limits: limits, machines: machines, count: count, factor: factor)
                ?? plan
        case .messages, .off: return plan
        }
    }
}
