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
        let partitioned = Partitioner.partitioned(
            program, rules: opRules, shardings: propagation.shardings, mesh: mesh, options: options)
        options.passed?(.partitioning)
        var schedule = CollectiveFusion.schedule(partitioned, limits: options.fusion ?? options.links.fusion)
        if options.overlap { schedule = MessageOverlap.schedule(schedule, of: partitioned) }
        options.passed?(.scheduling)
        let emitter = LocalProgramEmitter(partitioned, schedule, deviceCount: mesh.deviceCount)
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
        let repetition = Repetition(partitioned, schedule)
        options.passed?(.emission)
        return CompiledProgram(
            name: program.name, locals: locals, residents: left, parameters: parameters,
            repetition: repetition)
    }
}
