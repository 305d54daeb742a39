import Program
import Tensor

/// Turns a program with shardings into steps for every device, with the collectives written in.
///
/// Each operation's factors get mesh axes; operands are resharded to agree with them (the same reshard is made once and
/// shared); reductions over split factors leave partial values, which one exchange reduces into what consumers want.
struct Partitioner {
    let program: Program
    let rules: [ShardingRule]
    let shardings: [TensorSharding]
    var geometry: ShardGeometry
    var result: PartitionedProgram
    /// Layout that each computed value was left in.
    private var home: [Program.ValueID: Layout] = [:]
    private var placed: [PlaceKey: Int] = [:]

    private struct PlaceKey: Hashable {
        var value: Program.ValueID
        var layout: Layout
    }

    init(_ program: Program, rules: [ShardingRule], shardings: [TensorSharding], mesh: Mesh) {
        self.program = program
        self.rules = rules
        self.shardings = shardings
        geometry = ShardGeometry(mesh)
        result = PartitionedProgram(name: program.name)
    }

    mutating func run() {
        for (id, operation) in program.operations.enumerated() {
            switch operation.opcode {
            case .parameter: break
            case .input:
                let name = operation.attributes.text("name")
                guard program.residentInputs.contains(name) else { break }
                let layout = Layout(dims: shardings[id].dims.map(\.axes))
                home[id] = layout
                placed[PlaceKey(value: id, layout: layout)] = addBuffer(
                    operation.type, layout, kind: .resident(name: name))
            default: lower(id, operation)
            }
        }
        for output in program.outputs { add(output) }
    }

    // MARK: One operation

    private mutating func lower(_ id: Program.ValueID, _ operation: Program.Operation) {
        let rule = rules[id]
        let axes = factorAxes(id, operation, rule)
        var operands: [Int] = []
        for (index, operand) in operation.operands.enumerated() {
            var layout = Layout(dims: rule.operands[index].map { $0.map { axes[$0] } ?? [] })
            for dim in layout.dims.indices where !layout.dims[dim].isEmpty {
                guard let window = rule.windows[[index, dim]], let factor = rule.operands[index][dim],
                    let target = rule.result.firstIndex(of: factor)
                else { continue }
                layout.windows[dim] = .init(window: window, result: operation.type.dims[target])
            }
            operands.append(require(operand, layout, scope: operation.scope))
        }
        let layout = Layout(dims: rule.result.map { $0.map { axes[$0] } ?? [] })
        let reduction = rule.factors.indices.lazy.compactMap { factor -> (Int, ReductionKind)? in
            guard case .reduction(let kind) = rule.factors[factor].kind, !axes[factor].isEmpty else { return nil }
            return (factor, kind)
        }.first
        let buffer = addBuffer(operation.type, layout, kind: .arena)
        if let (factor, kind) = reduction {
            result.buffers[buffer].axes = (layout.axes + axes[factor]).sorted()
            if kind == .sum { split(buffer, granules: rule.factors[factor].granuleCount, axes: axes[factor]) }
            emit(operation, operands, buffer)
            reduce(id, operation, from: buffer, layout, over: axes[factor], kind)
        } else {
            emit(operation, operands, buffer)
            place(id, layout, buffer)
        }
        let planned = Layout(dims: shardings[id].dims.map(\.axes))
        if shardings[id].dims.contains(where: { !$0.isOpen }), let left = home[id], left != planned,
            zip(shardings[id].dims, left.dims).contains(where: { !$0.0.isOpen && $0.0.axes != $0.1 })
        {
            // An annotation says where the value lives: bring it there once, for all consumers.
            var wanted = left
            for (dim, entry) in shardings[id].dims.enumerated() where !entry.isOpen { wanted.dims[dim] = entry.axes }
            guard Set(wanted.axes).count == wanted.axes.count else { return }
            _ = require(id, wanted, scope: operation.scope)
            home[id] = wanted
        }
    }

    private mutating func emit(_ operation: Program.Operation, _ operands: [Int], _ buffer: Int) {
        result.steps.append(
            .compute(
                ComputeInstruction(
                    opcode: operation.opcode, operands: operands, result: buffer, attributes: operation.attributes,
                    scope: operation.scope)))
    }

    /// Gives the factors mesh axes: reductions follow their operands, the rest the result's sharding.
    private func factorAxes(
        _ id: Program.ValueID, _ operation: Program.Operation, _ rule: ShardingRule
    ) -> [[Int]] {
        var axes = [[Int]](repeating: [], count: rule.factors.count)
        var used: Set<Int> = []
        func claim(_ factor: Int, _ wanted: [Int]) {
            let free = Array(wanted.prefix { !used.contains($0) })
            axes[factor] = free
            used.formUnion(free)
        }
        for factor in rule.factors.indices {
            guard case .reduction = rule.factors[factor].kind, rule.factors[factor].granuleCount > 1 else { continue }
            claim(factor, operandAxes(operation, rule, factor).axes)
        }
        for (dim, factor) in rule.result.enumerated() {
            guard let factor, rule.factors[factor].granuleCount > 1 else { continue }
            let planned = shardings[id].dims[dim]
            if !planned.axes.isEmpty {
                claim(factor, planned.axes)
                continue
            }
            // The result is to be whole: compute on shards and gather the result where that moves less.
            let (current, bytes) = operandAxes(operation, rule, factor)
            let resultBytes = operation.type.elementCount * operation.type.dtype.byteCount
            if !current.isEmpty, bytes >= resultBytes { claim(factor, current) }
        }
        return axes
    }

    /// Axes that split a factor in what the operands are now, and the size of the operand that says so.
    private func operandAxes(
        _ operation: Program.Operation, _ rule: ShardingRule, _ factor: Int
    ) -> (axes: [Int], bytes: Int) {
        var best: (axes: [Int], rank: [Int], bytes: Int) = ([], [-1], 0)
        for (index, operand) in operation.operands.enumerated() {
            let type = program.type(of: operand)
            let bytes = type.elementCount * type.dtype.byteCount
            for (dim, owner) in rule.operands[index].enumerated() where owner == factor {
                let current = home[operand]?.dims[dim] ?? shardings[operand].dims[dim].axes
                // Computed values lie where they lie; weights and inputs come in any layout for free.
                let rank = [home[operand] == nil ? 0 : 1, bytes]
                if !current.isEmpty, best.rank.lexicographicallyPrecedes(rank) { best = (current, rank, bytes) }
            }
        }
        return (best.axes, best.bytes)
    }

    // MARK: Values in layouts

    /// The buffer that holds a value in a layout; reshards it where it lies otherwise.
    mutating func require(_ value: Program.ValueID, _ layout: Layout, scope: String) -> Int {
        if let known = placed[PlaceKey(value: value, layout: layout)] { return known }
        let operation = program.operations[value]
        let buffer: Int
        switch operation.opcode {
        case .parameter:
            let spec = program.parameters[operation.attributes.text("name")]
            guard let spec else { preconditionFailure("\(program.describe(value)) is declared") }
            let declared = shardings[value].dims.map(\.axes)
            if home[value] == nil, zip(layout.dims, declared).allSatisfy({ $0.starts(with: $1) }) {
                buffer = addBuffer(operation.type, layout, kind: .parameter(spec))
                result.parameterLayouts[buffer] = (value, layout)
            } else {
                // Kept in smaller pieces than it is used in: gathered at every use.
                let stored = Layout(dims: declared)
                if placed[PlaceKey(value: value, layout: stored)] == nil {
                    let own = addBuffer(operation.type, stored, kind: .parameter(spec))
                    result.parameterLayouts[own] = (value, stored)
                    placed[PlaceKey(value: value, layout: stored)] = own
                }
                home[value] = stored
                buffer = reshard(value, to: layout, scope: scope)
            }
        case .input where home[value] == nil:
            buffer = addBuffer(operation.type, layout, kind: .input(name: operation.attributes.text("name")))
        default:
            buffer = reshard(value, to: layout, scope: scope)
        }
        placed[PlaceKey(value: value, layout: layout)] = buffer
        return buffer
    }

    mutating func place(_ value: Program.ValueID, _ layout: Layout, _ buffer: Int) {
        home[value] = layout
        placed[PlaceKey(value: value, layout: layout)] = buffer
    }

    mutating func addBuffer(_ type: TensorType, _ layout: Layout, kind: PartitionedProgram.Buffer.Kind) -> Int {
        result.buffers.append(
            .init(type: type, boxes: geometry.boxes(type.dims, layout), kind: kind, axes: layout.axes))
        return result.buffers.count - 1
    }

    /// Makes a buffer hold each device's tree nodes of a sum.
    private mutating func split(_ buffer: Int, granules: Int, axes: [Int]) {
        var nodes: [[ReductionTree.Node]] = []
        for device in 0..<geometry.mesh.deviceCount {
            let range = geometry.granules(granules, axes: axes, device: device)
            nodes.append(ReductionTree.maximalNodes(of: range, leafCount: granules))
        }
        result.buffers[buffer].type = TensorType(.f32, result.buffers[buffer].type.dims)
        result.buffers[buffer].nodes = nodes
        result.buffers[buffer].leafCount = granules
    }

    private mutating func reshard(_ value: Program.ValueID, to layout: Layout, scope: String) -> Int {
        guard let from = home[value], let source = placed[PlaceKey(value: value, layout: from)] else {
            preconditionFailure("\(program.describe(value)) is computed before it is used")
        }
        let target = geometry.boxes(program.type(of: value).dims, layout)
        if target == result.buffers[source].boxes { return source }
        return redistribute(source, from, to: layout, scope: scope)
    }

    // MARK: Results

    private mutating func add(_ output: Program.Output) {
        let operation = program.operations[output.value]
        let layout = home[output.value] ?? Layout.replicated(rank: operation.type.rank)
        var buffer = require(output.value, layout, scope: "output \(output.name)")
        if output.isResident {
            if result.buffers[buffer].kind != .arena || result.outputs.contains(where: { $0.buffer == buffer }) {
                let copy = addBuffer(operation.type, layout, kind: .arena)
                result.steps.append(
                    .compute(
                        ComputeInstruction(
                            opcode: .cast, operands: [buffer], result: copy, attributes: [:],
                            scope: "output \(output.name)")))
                buffer = copy
            }
            result.buffers[buffer].kind = .resident(name: output.name)
            result.residents[output.name] = layout
        }
        result.outputs.append((output.name, buffer, output.isResident))
    }
}
