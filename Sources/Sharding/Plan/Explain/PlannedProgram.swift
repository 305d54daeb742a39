public import Program

/// A program, what it was compiled to, and what the compiler found on the way: for explanations, dumps and pictures.
public struct PlannedProgram: Sendable {
    /// The global program.
    public let program: Program
    /// The same for every device.
    public let compiled: CompiledProgram
    /// What annotations alone decide, by value.
    let annotations: [TensorSharding]
    /// What propagation makes of it, by value.
    let shardings: [TensorSharding]
    /// Sharding rules of the operations.
    let operationRules: [ShardingRule]

    /// Repeats the first passes for a compiled program.
    ///
    /// - Parameter residents: as they were given to the compiler.
    /// - Throws: ``ShardingError``.
    public init(
        _ program: Program, compiled: CompiledProgram, mesh: Mesh, rules: LogicalAxisRules,
        residents: [String: TensorSharding]
    ) throws(ShardingError) {
        self.program = program
        self.compiled = compiled
        operationRules = program.operations.map { ShardingRule.of($0, in: program) }
        annotations = try Annotations.shardings(of: program, mesh: mesh, rules: rules, residents: residents)
        var propagation = Propagation(
            program, rules: operationRules, annotations: annotations, priorities: rules.priorities)
        propagation.run()
        shardings = propagation.shardings
    }

    /// Follows origins.
    var trace: OriginTrace { OriginTrace(program: program, shardings: shardings, rules: operationRules) }
}
