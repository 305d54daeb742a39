public import Tensor

/// Writes a ``Program`` operation by operation, inferring every result's type.
///
/// Mistakes in shapes are programmer errors and trap with the operation and its scope.
public struct ProgramBuilder {
    /// The program so far.
    public private(set) var program: Program
    /// Element type of activations: f32 (reference mode) or bf16.
    public let activation: DType
    private var scopes: [String] = []

    /// Starts an empty program.
    public init(name: String, activation: DType) {
        program = Program(name: name)
        self.activation = activation
    }

    /// Runs `body` with a name appended to the scope of what it adds.
    public mutating func scope<R>(_ name: String, _ body: (inout ProgramBuilder) throws -> R) rethrows -> R {
        scopes.append(name)
        defer { scopes.removeLast() }
        return try body(&self)
    }

    /// Type of a value.
    public func type(of value: Program.ValueID) -> TensorType { program.type(of: value) }

    /// A value that the caller gives, or (resident) that an earlier program of the request left.
    public mutating func input(
        _ name: String, _ type: TensorType, axes: [String?] = [], isResident: Bool = false
    ) -> Program.ValueID {
        if isResident { program.residentInputs.insert(name) }
        return append(.input, [], ["name": .text(name)], type: type, axes: axes)
    }

    /// A weight.
    ///
    /// The same name may be asked for again and is the same weight.
    ///
    /// - Parameters:
    ///   - granules: granule of each dimension; nil: the dimension is never split.
    ///   - dtype: storage type; the activation type unless given.
    public mutating func parameter(
        _ spec: ParameterSpec, granules: [Int?] = [], axes: [String?] = [], dtype: DType? = nil
    ) -> Program.ValueID {
        program.parameters[spec.name] = spec
        let dims = spec.dims.enumerated().map { index, size in
            if granules.indices.contains(index), let granule = granules[index] { return Dim(size, granule: granule) }
            return Dim(size)
        }
        return append(
            .parameter, [], ["name": .text(spec.name)], type: TensorType(dtype ?? activation, dims), axes: axes)
    }

    /// A value all of whose elements are the same number.
    public mutating func constant(_ value: Double, _ type: TensorType, axes: [String?] = []) -> Program.ValueID {
        append(.constant, [], ["value": .float(value)], type: type, axes: axes)
    }

    /// A value whose elements are their own index along a dimension.
    public mutating func iota(dim: Int, _ type: TensorType, axes: [String?] = []) -> Program.ValueID {
        precondition(type.dims.indices.contains(dim), "iota counts along one of its dimensions")
        return append(.iota, [], ["dim": .int(dim)], type: type, axes: axes)
    }

    /// Any operation; the result's dimensions come from ``ShapeRule``.
    ///
    /// - Parameter dtype: element type of the result; by default what ``ShapeRule`` says, else the activation type.
    public mutating func add(
        _ opcode: Opcode, _ operands: [Program.ValueID], _ attributes: Attributes = [:], dtype: DType? = nil,
        axes: [String?] = []
    ) -> Program.ValueID {
        let types = operands.map { program.type(of: $0) }
        let inferred: (dims: [Dim], dtype: DType?)
        do {
            inferred = try ShapeRule.infer(opcode, types, attributes)
        } catch {
            preconditionFailure("\(scopes.joined(separator: ".")): \(error)")
        }
        let type = TensorType(dtype ?? inferred.dtype ?? activation, inferred.dims)
        return append(opcode, operands, attributes, type: type, axes: axes)
    }

    /// Annotates a value with logical axis names (see ``Program/Operation/axes``).
    public mutating func annotate(_ value: Program.ValueID, _ axes: [String?]) {
        precondition(axes.count == program.type(of: value).rank, "an annotation has one entry a dimension")
        program.operations[value].axes = axes
    }

    /// Names a result that goes back to the caller, or (resident) stays for later programs of the request.
    public mutating func output(_ name: String, _ value: Program.ValueID, isResident: Bool = false) {
        program.outputs.append(.init(name: name, value: value, isResident: isResident))
    }

    private mutating func append(
        _ opcode: Opcode, _ operands: [Program.ValueID], _ attributes: Attributes, type: TensorType, axes: [String?]
    ) -> Program.ValueID {
        precondition(axes.isEmpty || axes.count == type.rank, "an annotation has one entry a dimension")
        program.operations.append(
            .init(
                opcode: opcode, operands: operands, attributes: attributes, type: type, axes: axes,
                scope: scopes.joined(separator: ".")))
        return program.operations.count - 1
    }
}
