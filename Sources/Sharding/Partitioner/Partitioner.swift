import Program
import Tensor

/// Turns a program with shardings into steps for every device, with the collectives written in.
///
/// Each operation's factors get mesh axes (``Assignment``), the cheapest of those that operands and plan suggest.
/// Operands are brought into the boxes that the result's boxes read; the same boxes are made once and shared. Reductions
/// over split factors leave partial results, which are combined into what the first reader wants.
struct Partitioner {
    let program: Program
    let rules: [ShardingRule]
    let shardings: [TensorSharding]
    let options: CompilerOptions
    var geometry: ShardGeometry
    var moves = MoveTable()
    var result: PartitionedProgram
    var states: [ValueState]
    /// Equal for operations that differ in nothing but their values and weights.
    var classes: [Int] = []
    var assignments: [AssignmentKey: Assignment] = [:]
    var chosen: [ChoiceKey: [[AxisRef]]] = [:]
    var partialCount = 0
    var pieces: [PartialValue: Int] = [:]
    var directs: [DirectKey: Int?] = [:]
    /// True while a choice is tried out: the operations that follow are then chosen by price alone.
    var isLookingAhead = false
    /// True where that may be done, and where it changed a choice.
    let looksAhead: Bool
    var hasLookedAhead = false
    /// Operations that read each value.
    let readers: [[Program.ValueID]]
    /// Values that nothing but outputs of the program reads.
    let isFinal: [Bool]

    struct DirectKey: Hashable {
        var partial: PartialValue
        var set: Int
    }

    struct AssignmentKey: Hashable {
        var operation: Int
        var axes: [[AxisRef]]
    }

    /// All that decides how an operation is split; layers that repeat share the choice.
    struct ChoiceKey: Hashable {
        struct Operand: Hashable {
            var copies: [Int]
            var partial: PartialValue?
            var planned: [[AxisRef]]
            var opcode: Opcode
        }
        var operation: Int
        var operands: [Operand]
        var planned: [[AxisRef]]
        var demand: Layout?
        var isFinal: Bool
        var isLookingAhead: Bool
    }

    private struct OperationClass: Hashable {
        var opcode: Opcode
        var rule: ShardingRule
        var operands: [TensorType]
        var result: TensorType
        var k: Int
    }

    init(
        _ program: Program, rules: [ShardingRule], shardings: [TensorSharding], mesh: Mesh, options: CompilerOptions,
        looksAhead: Bool = true
    ) {
        self.program = program
        self.rules = rules
        self.shardings = shardings
        self.options = options
        self.looksAhead = looksAhead
        geometry = ShardGeometry(mesh)
        result = PartitionedProgram(name: program.name)
        states = Array(repeating: ValueState(), count: program.operations.count)
        var readers = [[Program.ValueID]](repeating: [], count: program.operations.count)
        for (id, operation) in program.operations.enumerated() {
            for operand in Set(operation.operands) { readers[operand].append(id) }
        }
        self.readers = readers
        let kept = Set(program.outputs.filter(\.isResident).map(\.value))
        isFinal = readers.enumerated().map { $1.isEmpty && !kept.contains($0) }
        var known: [OperationClass: Int] = [:]
        for (id, operation) in program.operations.enumerated() {
            let entry = OperationClass(
                opcode: operation.opcode, rule: rules[id], operands: operation.operands.map { program.type(of: $0) },
                result: operation.type, k: operation.attributes.int("k", default: 0))
            let number = known[entry] ?? known.count
            known[entry] = number
            classes.append(number)
        }
    }

    mutating func run() {
        for id in program.operations.indices { visit(id) }
        for output in program.outputs { add(output) }
    }

    /// Partitions the next operation.
    mutating func visit(_ id: Program.ValueID) {
        let operation = program.operations[id]
        switch operation.opcode {
        case .parameter, .constant, .iota: break
        case .input:
            let name = operation.attributes.text("name")
            guard program.residentInputs.contains(name) else { break }
            let layout = Layout(shardings[id].dims.map(\.axes))
            let set = geometry.set(operation.type.dims, layout)
            place(id, layout, set, addBuffer(operation.type, set, kind: .resident(name: name)))
        case .annotate: annotate(id, operation)
        default: lower(id, operation, choose(id))
        }
    }

    // MARK: One operation

    mutating func lower(_ id: Program.ValueID, _ operation: Program.Operation, _ assignment: Assignment) {
        if assignment.candidates { return lowerTopK(id, operation, assignment) }
        if isDeferred(id, assignment) {
            states[id].layout = assignment.layout
            states[id].deferred = 1 + (operation.operands.map { states[$0].deferred }.max() ?? 0)
            return
        }
        let operands = zip(operation.operands, assignment.operands).enumerated().map { index, pair in
            require(
                pair.0, pair.1, assignment.operandLayouts[index], scope: operation.scope, reads: rules[id].reads[index])
        }
        let buffer = addBuffer(operation.type, assignment.set, kind: .arena)
        emit(operation, operands, buffer)
        if let partial = assignment.partial {
            if partial.kind == .sum {
                result.buffers[buffer].type = TensorType(.f32, operation.type.dims)
                // A sum over what is here takes room even where that is nothing.
                let own = [ReductionTree.Node(first: 0, level: 0)]
                result.buffers[buffer].nodes = partial.isLocalSum ? partial.nodes.map { _ in own } : partial.nodes
                result.buffers[buffer].leafCount = partial.leafCount
                result.buffers[buffer].isLocalSum = partial.isLocalSum
            }
            states[id].pending = .init(
                buffer: travelling(operation, partial, buffer), partial: partial, layout: assignment.layout,
                scope: operation.scope)
            states[id].layout = assignment.layout
        } else {
            place(id, assignment.layout, assignment.set, buffer)
        }
        settle(id, operation)
    }

    /// Movements of elements that would cost a collective here are left to the readers: theirs may do without.
    private mutating func isDeferred(_ id: Program.ValueID, _ assignment: Assignment) -> Bool {
        let operation = program.operations[id]
        guard rules[id].stage == .movement, rules[id].isCheap, !isFinal[id],
            !shardings[id].dims.contains(where: { !$0.isOpen }),
            (operation.operands.map { states[$0].deferred }.max() ?? 0) < 4
        else { return false }
        return zip(operation.operands, assignment.operands).contains { price($0, $1).bytes > 0 }
    }

    /// An annotation says where the value lives: brings it there once, for all readers.
    mutating func settle(_ id: Program.ValueID, _ operation: Program.Operation) {
        guard let left = states[id].layout, let wanted = demanded(id, from: left), wanted != left else { return }
        let set = geometry.set(operation.type.dims, wanted)
        _ = require(id, set, wanted, scope: operation.scope)
        states[id].layout = wanted
        if let index = states[id].copies.firstIndex(where: { $0.set == set }) { states[id].copies.swapAt(0, index) }
    }

    /// A constraint on a value: the value itself, where it is wanted.
    private mutating func annotate(_ id: Program.ValueID, _ operation: Program.Operation) {
        let source = operation.operands[0]
        let from = states[source].layout ?? Layout(shardings[source].dims.map(\.axes))
        guard let layout = demanded(id, from: from) else {
            // Nothing is closed.
            if states[source].layout != nil { return states[id] = states[source] }
            let set = geometry.set(operation.type.dims, from)
            return place(id, from, set, require(source, set, from, scope: operation.scope))
        }
        let set = geometry.set(operation.type.dims, layout)
        place(id, layout, set, require(source, set, layout, scope: operation.scope))
    }

    /// The layout that closed dimensions ask for, the others as in `from`; nil where nothing is closed.
    func demanded(_ id: Program.ValueID, from: Layout) -> Layout? {
        guard shardings[id].dims.contains(where: { !$0.isOpen }) else { return nil }
        var layout = from
        var used: [AxisRef] = []
        for (dim, entry) in shardings[id].dims.enumerated() where !entry.isOpen {
            // An annotation means cuts at granules, wherever a reshape has them.
            layout.dims[dim] = .init(axes: entry.axes.merged)
            used += entry.axes
        }
        for (dim, entry) in shardings[id].dims.enumerated() where entry.isOpen && used.overlaps(layout.dims[dim].axes) {
            layout.dims[dim] = .init()
        }
        return layout
    }

    mutating func emit(_ operation: Program.Operation, _ operands: [Int], _ buffer: Int) {
        result.steps.append(
            .compute(
                ComputeInstruction(
                    opcode: operation.opcode, operands: operands, result: buffer, attributes: operation.attributes,
                    scope: operation.scope)))
    }

    // MARK: Values and buffers

    mutating func place(_ value: Program.ValueID, _ layout: Layout, _ set: Int, _ buffer: Int) {
        states[value].layout = layout
        states[value].copies.append((set, buffer))
    }

    mutating func addBuffer(_ type: TensorType, _ set: Int, kind: PartitionedProgram.Buffer.Kind) -> Int {
        result.buffers.append(.init(type: type, set: set, boxes: geometry.table[set].boxes, kind: kind))
        return result.buffers.count - 1
    }

    // MARK: Results

    private mutating func add(_ output: Program.Output) {
        let operation = program.operations[output.value]
        let scope = "output \(output.name)"
        var layout = states[output.value].layout ?? Layout(shardings[output.value].dims.map(\.axes))
        // What other programs find is described by axes alone.
        if output.isResident { layout = givenLayout(output) ?? Layout(layout.dims.map(\.axes)) }
        var set = geometry.set(operation.type.dims, layout)
        if !output.isResident {
            if let pending = states[output.value].pending, states[output.value].copies.isEmpty {
                set = finalSet(output.value, pending)
            } else if let copy = states[output.value].copies.first(where: {
                geometry.table.isComplete($0.set, dims: operation.type.dims)
            }) {
                set = copy.set
            }
        }
        var buffer = require(output.value, set, layout, scope: scope)
        if output.isResident {
            if result.buffers[buffer].kind != .arena || result.outputs.contains(where: { $0.buffer == buffer }) {
                let copy = addBuffer(operation.type, set, kind: .arena)
                result.steps.append(
                    .compute(
                        ComputeInstruction(
                            opcode: .cast, operands: [buffer], result: copy, attributes: [:], scope: scope)))
                buffer = copy
            }
            result.buffers[buffer].kind = .resident(name: output.name)
            result.residents[output.name] = layout
        }
        result.outputs.append((output.name, buffer, output.isResident))
    }

    /// How an earlier program left what an output replaces: so it stays, for this program may run again.
    private func givenLayout(_ output: Program.Output) -> Layout? {
        guard program.residentInputs.contains(output.name) else { return nil }
        let type = program.type(of: output.value)
        let input = program.operations.firstIndex {
            $0.opcode == .input && $0.attributes.text("name") == output.name && $0.type == type
        }
        return input.map { Layout(shardings[$0].dims.map(\.axes)) }
    }
}
