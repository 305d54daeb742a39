import Program
import Sharding
import Tensor

/// A case as a program, with the rules that its annotations need.
struct TranslatedCase {
    var program: Program
    var mesh: Mesh
    var rules: LogicalAxisRules
    /// Value of every input and node.
    var values: [String: Program.ValueID]
    /// Values that annotations name, with what they say.
    var constraints: [(value: Program.ValueID, dims: [DimAnnotation])]
}

/// Writes a case's graph as a ``Program``: every dimension may be cut anywhere (granule 1) unless the case says otherwise,
/// inputs and constraints carry logical axes whose names are their mesh axes ("x+y").
struct CaseTranslator {
    private var builder: ProgramBuilder
    private var values: [String: Program.ValueID] = [:]
    private var rules: [String: [String]] = [:]
    private var constraints: [(value: Program.ValueID, dims: [DimAnnotation])] = []

    /// Translates a case; throws where its graph contradicts itself.
    ///
    /// - Parameter isShowingConstraints: makes every constrained value an output too.
    static func translate(_ item: Case, isShowingConstraints: Bool = false) throws -> TranslatedCase {
        var translator = CaseTranslator(item.name)
        do {
            for input in item.graph.inputs { try translator.add(input, item.annotations[input.id]) }
            for node in item.graph.nodes { try translator.add(node) }
            for (index, id) in item.graph.outputs.enumerated() {
                translator.builder.output("out\(index)", try translator.value(id))
            }
            if isShowingConstraints {
                for (index, constraint) in translator.constraints.enumerated() {
                    translator.builder.output("constraint\(index)", constraint.value)
                }
            }
        } catch let error as ProgramError {
            throw CaseError("case \(item.name): \(error)")
        }
        return TranslatedCase(
            program: translator.builder.program, mesh: item.devices,
            rules: LogicalAxisRules(translator.rules), values: translator.values, constraints: translator.constraints)
    }

    private init(_ name: String) { builder = ProgramBuilder(name: name, activation: .f32) }

    private mutating func add(_ input: Case.Input, _ annotation: [DimAnnotation]?) throws {
        let granules = input.granules ?? input.shape.map { _ in 1 }
        let type = TensorType(try Self.dtype(input.dtype), zip(input.shape, granules).map { Dim($0, granule: $1) })
        values[input.id] = builder.input(input.id, type, axes: annotation.map { logical($0) } ?? [])
    }

    /// Logical axes of an annotation.
    private mutating func logical(_ dims: [DimAnnotation]) -> [String?] {
        dims.map { dim in
            switch dim {
            case .open: return nil
            case .axes(let axes):
                let name = axes.isEmpty ? "-" : axes.joined(separator: "+")
                rules[name] = axes
                return name
            }
        }
    }

    private func value(_ id: String) throws -> Program.ValueID {
        guard let value = values[id] else { throw CaseError("case \(builder.program.name): nothing is called \(id)") }
        return value
    }

    static func dtype(_ name: String) throws -> DType {
        switch name {
        case "f32": .f32
        case "bf16": .bf16
        case "s32": .i32
        case "pred": .u8
        default: throw CaseError("the element type \(name) is not known")
        }
    }

    // MARK: Nodes

    private mutating func add(_ node: Case.Node) throws {
        let operands = try node.operands.map { try value($0) }
        let dtype = try Self.dtype(node.dtype)
        let result = try builder.scope(node.id) { builder in
            var writer = NodeWriter(builder: builder, node: node, operands: operands, dtype: dtype)
            let result = try writer.write()
            builder = writer.builder
            return result
        }
        let type = builder.type(of: result)
        guard type.sizes == node.shape, type.dtype == dtype else {
            throw CaseError(
                "case \(builder.program.name): \(node.id) (\(node.op)) is \(type.dtype)\(type.sizes) instead of "
                    + "\(node.dtype)\(node.shape)")
        }
        values[node.id] = result
        if node.op == "constraint", let dims = node.attributes.sharding {
            guard dims.count == node.shape.count else { throw CaseError("\(node.id) constrains other dimensions") }
            let axes = logical(dims)
            builder.annotate(result, axes)
            constraints.append((result, dims))
        }
    }
}
