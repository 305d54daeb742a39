import Program
import Tensor

/// Refuses a local program whose indices or offsets leave their bounds, before any pointer is made from them.
struct ProgramCheck {
    let program: LocalProgram

    func run() throws(ExecutionError) {
        try need(program.arenaByteCount >= 0, nil, "the arena has a negative size")
        for (index, buffer) in program.buffers.enumerated() { try checkBuffer(index, buffer) }
        for port in program.inputs { try need(isBuffer(port.buffer), nil, "input \(port.name) names no buffer") }
        for port in program.outputs { try need(isBuffer(port.buffer), nil, "output \(port.name) names no buffer") }
        for entry in program.residents {
            try need(isBuffer(entry.buffer), nil, "resident \(entry.name) names no buffer")
        }
        for (index, exchange) in program.exchanges.enumerated() { try checkExchange(index, exchange) }
        let carried = try checkFused()
        for (index, instruction) in program.instructions.enumerated() {
            switch instruction {
            case .compute(let compute):
                try need(
                    isBuffer(compute.result) && compute.operands.allSatisfy(isBuffer), index,
                    "\(compute.opcode.rawValue) at \(compute.scope) names a buffer that does not exist")
                try checkCompute(index, compute)
            case .exchangeStart(let exchange), .exchangeFinish(let exchange):
                try need(
                    program.exchanges.indices.contains(exchange), index, "it names an exchange that does not exist")
                try need(
                    !carried.contains(exchange), index, "it names an exchange that travels in another's messages")
            }
        }
    }

    private func isBuffer(_ index: Int) -> Bool { program.buffers.indices.contains(index) }

    private func checkBuffer(_ index: Int, _ buffer: LocalBuffer) throws(ExecutionError) {
        try need(
            buffer.box.ranges.count == buffer.dims.count && Box(covering: buffer.dims.map(\.size)).contains(buffer.box),
            nil, "buffer \(index) does not lie inside its value")
        switch buffer.storage {
        case .arena(let offset):
            try need(
                offset >= 0 && offset % 64 == 0 && offset + buffer.byteCount <= program.arenaByteCount, nil,
                "buffer \(index) does not lie inside the arena")
        case .parameter(let parameter):
            try need(
                program.parameters.indices.contains(parameter)
                    && program.parameters[parameter].box == buffer.box
                    && program.parameters[parameter].dtype == buffer.dtype,
                nil, "buffer \(index) is not the parameter it names")
        case .resident(let resident):
            try need(
                program.residents.indices.contains(resident) && program.residents[resident].buffer == index, nil,
                "buffer \(index) is not the resident it names")
        }
    }

    /// Attributes by the operation's signature, and the whole values' shapes by its shape rule.
    private func checkCompute(_ index: Int, _ compute: ComputeInstruction) throws(ExecutionError) {
        let place = "\(compute.opcode.rawValue) at \(compute.scope)"
        let problem = OpcodeSignature.of(compute.opcode).problem(
            operandCount: compute.operands.count, attributes: compute.attributes)
        try need(problem == nil, index, "\(place): \(problem ?? "")")
        try checkShape(index, compute, place)
        if let problem = ElementTypes.problem(compute, program.buffers) {
            try need(false, index, "\(place): \(problem)")
        }
        let needs = OperandNeeds(compute, program.buffers)
        try checkNodes(index, needs, place)
        guard program.buffers[compute.result].byteCount > 0, let boxes = needs.boxes() else { return }
        for (box, operand) in zip(boxes, needs.operands) {
            try need(
                box.isEmpty || (operand.byteCount > 0 && operand.box.contains(box)), index,
                "\(place): an operand does not hold what the result's part is made of")
        }
    }

    private func checkShape(
        _ index: Int, _ compute: ComputeInstruction, _ place: String
    ) throws(ExecutionError) {
        let result = program.buffers[compute.result]
        if compute.opcode == .constant { return }
        if compute.opcode == .iota {
            let dim = compute.attributes.int("dim")
            return try need(result.dims.indices.contains(dim), index, "\(place): it counts along no dimension")
        }
        let types = compute.operands.map { TensorType(program.buffers[$0].dtype, program.buffers[$0].dims) }
        var sizes: [Int]
        do {
            sizes = try ShapeRule.infer(compute.opcode, types, compute.attributes).dims.map(\.size)
        } catch {
            throw ExecutionError(.invalidProgram, program: program.name, instruction: index, reason: "\(error)")
        }
        if compute.opcode == .topK, result.dims.count == sizes.count {
            // The candidates of several devices stand one after the other.
            let (dim, k) = (sizes.count - 2, compute.attributes.int("k"))
            if result.dims[dim].size % k == 0 { sizes[dim] = result.dims[dim].size }
            try need(
                result.box.isEmpty || (result.box.ranges[dim].count == k && result.box.ranges[dim + 1].count == 2),
                index,
                "\(place): the result's part is not k pairs")
        }
        if [.argMax, .mergeTopK].contains(compute.opcode), result.dims.count == sizes.count {
            let last = compute.opcode == .argMax ? 1 : 2
            try need(
                result.box.isEmpty || result.box.dims.suffix(last) == sizes.suffix(last), index,
                "\(place): the result's part is not whole pairs or triples")
        }
        try need(sizes == result.dims.map(\.size), index, "\(place): the result has another shape")
    }

    /// A result's tree nodes belong to the tree that the operation sums in.
    private func checkNodes(_ index: Int, _ needs: OperandNeeds, _ place: String) throws(ExecutionError) {
        let result = needs.result
        if needs.compute.opcode == .cast {
            let operand = needs.operands[0]
            return try need(
                operand.nodes == result.nodes && operand.leafCount == result.leafCount
                    && operand.isLocalSum == result.isLocalSum, index,
                "\(place): operand and result are not partial results of the same tree nodes")
        }
        let dim = needs.leafDimension
        if result.isLocalSum {
            return try need(
                dim != nil && result.nodes?.count == 1, index, "\(place): a sum of what is here is one partial result")
        }
        guard let dim, let nodes = result.nodes else { return }
        try need(
            result.leafCount == dim.granuleCount
                && nodes.allSatisfy { (0..<dim.granuleCount).contains($0.first) && (0...40).contains($0.level) },
            index, "\(place): the result's tree nodes are not those of the reduced dimension")
        try need(
            zip(nodes, nodes.dropFirst()).allSatisfy { $0.first < $1.first }, index,
            "\(place): the result's tree nodes are not in order")
    }

    private func checkExchange(_ index: Int, _ exchange: Exchange) throws(ExecutionError) {
        let place = "exchange \(index) (\(exchange.kind.rawValue)) at \(exchange.scope)"
        try need(isBuffer(exchange.source) && isBuffer(exchange.destination), nil, "\(place) names no buffer")
        let source = program.buffers[exchange.source]
        let destination = program.buffers[exchange.destination]
        let sourceBox = Box(covering: source.box.dims)
        let destinationBox = Box(covering: destination.box.dims)
        func inside(_ box: Box, _ outer: Box) -> Bool {
            box.ranges.count == outer.ranges.count && outer.contains(box)
        }
        try need(
            exchange.sends.allSatisfy { inside($0.box, sourceBox) && $0.partials == (source.nodes?.count ?? 1) }
                && exchange.receives.allSatisfy { inside($0.box, destinationBox) && $0.partials >= 0 }
                && exchange.copies.allSatisfy {
                    inside($0.from, sourceBox) && inside($0.to, destinationBox) && $0.from.dims == $0.to.dims
                }, nil, "\(place) moves boxes outside of its buffers")
        if exchange.wire != .exact {
            let columns = source.box.dims.last ?? 0
            try need(
                [.f32, .bf16].contains(source.dtype) && !source.box.dims.isEmpty
                    && (exchange.reduction?.isSum ?? (destination.dtype == source.dtype))
                    && (exchange.sends.map(\.box) + exchange.copies.map(\.from)).allSatisfy {
                        WireFormat.areWholeBlocks($0.ranges.last ?? 0..<0, of: columns) || $0.isEmpty
                    }, nil, "\(place) sends something else than whole blocks of real numbers as int8")
        }
        switch exchange.reduction {
        case nil: break
        case .sum:
            let real: Set<DType> = [.f32, .bf16]
            try need(
                real.contains(source.dtype) && real.contains(destination.dtype), nil,
                "\(place) adds partial results that are not real numbers")
        case .max:
            try need(
                [.f32, .bf16].contains(source.dtype) && destination.dtype == source.dtype, nil,
                "\(place) compares partial results that are not real numbers of one type")
        case .argMax:
            try need(
                source.dtype == .f32 && destination.dtype == .f32, nil,
                "\(place) compares partial results that are not f32")
        }
    }

    /// The exchanges that travel in others' messages; those that carry them have room for all.
    private func checkFused() throws(ExecutionError) -> Set<Int> {
        var carried = Set<Int>()
        for exchange in program.exchanges {
            for index in exchange.fused {
                try need(
                    program.exchanges.indices.contains(index) && carried.insert(index).inserted, nil,
                    "the exchange at \(exchange.scope) carries one that does not exist or is carried already")
            }
        }
        func elementSize(_ index: Int) -> Int {
            let exchange = program.exchanges[index]
            return exchange.wire.elementByteCount(program.buffers[exchange.source].dtype)
        }
        for (index, exchange) in program.exchanges.enumerated() {
            if carried.contains(index) {
                try need(exchange.fused.isEmpty, nil, "the carried exchange at \(exchange.scope) carries others")
                continue
            }
            let sizes = program.exchangeIndices(startedBy: index).map(elementSize)
            try need(
                zip(sizes, sizes.dropFirst()).allSatisfy { $0 >= $1 }, nil,
                "the elements in the messages of the exchange at \(exchange.scope) are not aligned")
            try need(
                exchange.stagingOffset >= 0 && exchange.stagingOffset % 64 == 0
                    && exchange.stagingOffset + program.stagingByteCount(of: index) <= program.arenaByteCount,
                nil,
                "exchange \(index) (\(exchange.kind.rawValue)) at \(exchange.scope) has a staging area outside of the "
                    + "arena")
        }
        return carried
    }

    private func need(_ condition: Bool, _ instruction: Int?, _ reason: String) throws(ExecutionError) {
        if !condition {
            throw ExecutionError(.invalidProgram, program: program.name, instruction: instruction, reason: reason)
        }
    }
}
