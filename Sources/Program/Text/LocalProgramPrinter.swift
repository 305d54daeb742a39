import Tensor

/// Writes what one device executes as text: weights, buffers, then instructions with their messages.
///
///     b17 = dot(b3, b5) {contract = 1} in "layers.3.attn1"
///     start e2: allReduce over [model], b17 -> b18 in "layers.3.attn1"
///       to 1: [0:64, 0:32], 2 partial results, 16384 bytes
///
/// What travels in the same messages follows as `with e3: …`.
public struct LocalProgramPrinter: Sendable {
    private let local: LocalProgram

    /// Makes a printer.
    public init(_ local: LocalProgram) { self.local = local }

    /// The whole local program.
    public var text: String {
        var lines = ["local \(ProgramText.quoted(local.name)) device \(local.device) {"]
        lines.append("  arena \(local.arenaByteCount) bytes")
        for (index, slice) in local.parameters.enumerated() {
            lines.append(
                "  weight p\(index) \(ProgramText.quoted(slice.spec.name)) \(slice.dtype.rawValue)"
                    + "\(ProgramText.ints(slice.spec.dims)) part \(ProgramText.box(slice.box))")
        }
        for (index, buffer) in local.buffers.enumerated() { lines.append("  " + self.buffer(index, buffer)) }
        for input in local.inputs { lines.append("  input \(ProgramText.quoted(input.name)) -> b\(input.buffer)") }
        for resident in local.residents where !resident.isOutput {
            lines.append("  resident \(ProgramText.quoted(resident.name)) -> b\(resident.buffer)")
        }
        for instruction in local.instructions { lines += self.instruction(instruction).map { "  " + $0 } }
        for resident in local.residents where resident.isOutput {
            lines.append("  leave \(ProgramText.quoted(resident.name)) = b\(resident.buffer)")
        }
        for output in local.outputs {
            let sender = output.isPrimary ? "" : "  // another device sends it"
            lines.append("  output \(ProgramText.quoted(output.name)) = b\(output.buffer)" + sender)
        }
        return lines.joined(separator: "\n") + "\n}\n"
    }

    private func buffer(_ index: Int, _ buffer: LocalBuffer) -> String {
        let place =
            switch buffer.storage {
            case .arena(let offset): "at \(offset)"
            case .parameter(let index): "is p\(index)"
            case .resident(let index): "is resident \(index)"
            }
        return "b\(index) : \(ProgramText.type(TensorType(buffer.dtype, buffer.dims))) "
            + "part \(ProgramText.box(buffer.box))" + Self.nodes(buffer) + " \(place)"
    }

    /// ` nodes [0:4, 4:6] of 16`: leaves of each tree node, or nothing.
    static func nodes(_ buffer: LocalBuffer) -> String {
        guard let nodes = buffer.nodes else { return "" }
        return " nodes \(Self.leaves(nodes, buffer.leafCount)) of \(buffer.leafCount)"
    }

    static func leaves(_ nodes: [ReductionTree.Node], _ leafCount: Int) -> String {
        ProgramText.box(Box(nodes.map { $0.leaves(of: max($0.first, leafCount)) }))
    }

    private func instruction(_ instruction: Instruction) -> [String] {
        switch instruction {
        case .compute(let compute): [Self.compute(compute)]
        case .exchangeFinish(let index): ["finish e\(index)"]
        case .exchangeStart(let index): started(index)
        }
    }

    private func started(_ index: Int) -> [String] {
        local.exchangeIndices(startedBy: index).flatMap { number -> [String] in
            let exchange = local.exchanges[number]
            let indent = number == index ? "" : "  "
            return ([Self.start(number, exchange, isCarried: number != index)] + messages(exchange)).map { indent + $0 }
        }
    }

    static func compute(_ compute: ComputeInstruction) -> String {
        "b\(compute.result) = \(compute.opcode.rawValue)(\(compute.operands.map { "b\($0)" }.joined(separator: ", ")))"
            + ProgramText.attributes(compute.attributes) + place(compute.scope)
    }

    static func start(_ index: Int, _ exchange: Exchange, isCarried: Bool = false) -> String {
        "\(isCarried ? "with" : "start") e\(index): \(exchange.kind.rawValue) over \(ProgramText.list(exchange.axes.map(ProgramText.name))), "
            + "b\(exchange.source) -> b\(exchange.destination)"
            + (exchange.wire == .exact ? "" : " as \(exchange.wire.rawValue)") + place(exchange.scope)
    }

    private static func place(_ scope: String) -> String { scope.isEmpty ? "" : " in \(ProgramText.quoted(scope))" }

    private func messages(_ exchange: Exchange) -> [String] {
        let dtype = local.buffers[exchange.source].dtype
        func message(_ word: String, _ transfer: Exchange.Transfer) -> String {
            let partials = transfer.partials == 1 ? "" : ", \(transfer.partials) partial results"
            return "  \(word) \(transfer.peer): \(ProgramText.box(transfer.box))\(partials), "
                + "\(exchange.byteCount(of: transfer, dtype: dtype)) bytes"
        }
        var lines = exchange.sends.map { message("to", $0) } + exchange.receives.map { message("from", $0) }
        for copy in exchange.copies {
            lines.append("  keep \(ProgramText.box(copy.from)) -> \(ProgramText.box(copy.to))")
        }
        switch exchange.reduction {
        case nil: break
        case .max?: lines.append("  max")
        case .argMax?: lines.append("  argMax")
        case .sum(let contributors, let leafCount)?:
            let parts = contributors.map { "device \($0.device) \(Self.leaves($0.nodes, leafCount))" }
            lines.append("  sum of \(leafCount) leaves: " + parts.joined(separator: ", "))
        }
        return lines
    }
}
