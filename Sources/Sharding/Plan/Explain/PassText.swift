public import Program

/// The text of a program after a pass of the compiler, for dumps.
///
/// The first three are programs in the form that ``ProgramParser`` reads; shardings stand in comments.
enum PassText {
    /// The program as it was written.
    static func program(_ program: Program) -> String { ProgramPrinter(program).text }

    /// The program with a sharding beside each value that something is known of: `[model, -, ?]  0: annotated heads`.
    ///
    /// `-` is not split, `?` open to propagation; behind them the origin of each dimension.
    static func shardings(_ program: Program, _ shardings: [TensorSharding], _ mesh: Mesh) -> String {
        ProgramPrinter(program).text { value in
            let dims = shardings[value].dims
            guard dims.contains(where: { !$0.isOpen || !$0.axes.isEmpty }) else { return nil }
            let axes = dims.map { dim in
                let names = dim.axes.map { $0.text(mesh) }.joined(separator: "+")
                return (names.isEmpty && !dim.isOpen ? "-" : names) + (dim.isOpen ? "?" : "")
            }
            let origins = dims.enumerated().compactMap { dim, entry in
                origin(entry.origin, program).map { "\(dim): \($0)" }
            }
            return "[\(axes.joined(separator: ", "))]" + (origins.isEmpty ? "" : "  " + origins.joined(separator: ", "))
        }
    }

    /// All devices together, then one by one.
    static func locals<Failure>(
        _ locals: [LocalProgram], _ write: (_ pass: String, _ text: String) throws(Failure) -> Void
    ) throws(Failure) {
        try write("04-partitioned", PartitionedProgramPrinter(locals).text)
        for local in locals { try write("05-local-device\(local.device)", LocalProgramPrinter(local).text) }
    }

    private static func origin(_ origin: ShardingOrigin, _ program: Program) -> String? {
        switch origin {
        case .none: nil
        case .annotation(let logical): "annotated \(logical)"
        case .override(let pattern): "override \(pattern)"
        case .resident(let name): "left so as \(name)"
        case .propagated(let operation, let from):
            "from %\(from) by \(program.operations[operation].opcode.rawValue) %\(operation)"
        }
    }
}

extension PlannedProgram {
    /// Hands out the program's text after every pass, in order: `01-program`, `02-annotated`, `03-propagated`,
    /// `04-partitioned`, then `05-local-device0` and so on for each device.
    public func dump<Failure>(
        mesh: Mesh, _ write: (_ pass: String, _ text: String) throws(Failure) -> Void
    ) throws(Failure) {
        try write("01-program", PassText.program(program))
        try write("02-annotated", PassText.shardings(program, annotations, mesh))
        try write("03-propagated", PassText.shardings(program, shardings, mesh))
        try PassText.locals(compiled.locals, write)
    }
}
