public import Program
public import Sharding

/// Compiles the programs of a model for one mesh, each once, and connects what one leaves with what the next one reads.
public struct Planner: Sendable {
    /// The devices.
    public let mesh: Mesh
    /// What logical axes are split over.
    public let rules: LogicalAxisRules
    /// Choices of the compiler.
    public let options: CompilerOptions
    private var compiled: [Program: Entry] = [:]
    /// Counts names.
    private var lastNumber = 0
    private var shardings: [Left: TensorSharding] = [:]

    private struct Entry: Sendable {
        var name: String
        var program: CompiledProgram
    }

    /// A value left on the devices; its shape tells requests of different sizes apart.
    private struct Left: Hashable {
        var name: String
        var type: TensorType
    }

    /// Makes a planner that has compiled nothing yet.
    public init(mesh: Mesh, rules: LogicalAxisRules, options: CompilerOptions = CompilerOptions()) {
        self.mesh = mesh
        self.rules = rules
        self.options = options
    }

    /// Compiles a program, or gives what an earlier call compiled.
    ///
    /// Programs that leave values on the devices must be compiled before those that read them.
    ///
    /// - Returns: a name unique in this planner, the compiled program, and whether it is new.
    /// - Throws: `ShardingError`.
    public mutating func compile(
        _ program: Program
    ) throws -> (name: String, program: CompiledProgram, isNew: Bool) {
        if let known = compiled[program] { return (known.name, known.program, false) }
        let residents = residents(of: program)
        let result = try Compiler.compile(program, mesh: mesh, rules: rules, residents: residents, options: options)
        for output in program.outputs where output.isResident {
            shardings[Left(name: output.name, type: program.type(of: output.value))] = result.residents[output.name]
        }
        let name = "\(program.name)#\(lastNumber)"
        lastNumber += 1
        compiled[program] = Entry(name: name, program: result)
        return (name, result, true)
    }

    /// Forgets a compiled program, which would be compiled anew; how it leaves values stays known.
    public mutating func forget(_ name: String) { compiled = compiled.filter { $0.value.name != name } }

    /// How programs compiled before leave what a program reads, by the name that it was left under.
    public func residents(of program: Program) -> [String: TensorSharding] {
        var residents: [String: TensorSharding] = [:]
        for operation in program.operations where operation.opcode == .input {
            let name = operation.attributes.text("name")
            guard program.residentInputs.contains(name) else { continue }
            let base = ResidentName(name).base
            residents[base] = shardings[Left(name: base, type: operation.type)]
        }
        return residents
    }
}
