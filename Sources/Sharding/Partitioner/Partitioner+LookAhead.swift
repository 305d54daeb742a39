import Program
import Tensor

/// Follows the best choices some way through the program, for what is cheapest here may be dear later.
///
/// A choice's own price is what it sends to bring its operands and to get its result to where the plan wants it. It does not
/// know what readers then do: whether the plan's place for the result is worth the way there, or which of two equal ways
/// leaves them less to send. So the operations that follow are partitioned after each of the best choices, each of them
/// taken by price alone; bytes that all of it sends decide, a round of messages counting as many as it is worth. What was
/// tried leaves nothing behind.
extension Partitioner {
    /// Operations that are followed: an attention in primitive operations, or a layer in fused ones.
    private static let horizon = 64
    /// Choices that are followed.
    private static let width = 6
    /// Most devices for which choices are followed; beyond, prices are estimates.
    private static let deviceMax = 32

    /// True where choices may be followed: there is more than one, and this is not itself a trial.
    var mayLookAhead: Bool {
        looksAhead && !isLookingAhead && geometry.mesh.deviceCount <= Self.deviceMax
    }

    /// The choice after which least is sent; of equal ones the first.
    ///
    /// - Parameter ranked: choices with their prices, the one that price alone would take first.
    mutating func lookAhead(
        _ id: Program.ValueID, _ ranked: [(assignment: Assignment, price: StrategyCost)]
    ) -> Assignment {
        var chosen = ranked[0].assignment
        let others = ranked[1...].enumerated().filter { $0.element.price.bytes <= 2 * ranked[0].price.bytes }.sorted {
            ($0.element.price, $0.offset) < ($1.element.price, $1.offset)
        }
        if others.isEmpty { return chosen }
        var least = trial(id, chosen)
        for other in others.prefix(Self.width - 1) {
            let sent = trial(id, other.element.assignment)
            if sent < least { (chosen, least, hasLookedAhead) = (other.element.assignment, sent, true) }
        }
        return chosen
    }

    /// Bytes that an operation and those that follow it send after a choice, and those that their rounds are worth.
    private mutating func trial(_ id: Program.ValueID, _ assignment: Assignment) -> Int {
        let before = states
        let first = result.buffers.count
        var (steps, exchanges) = ([PartitionedProgram.Step](), [PartitionedProgram.Collective]())
        swap(&result.steps, &steps)
        swap(&result.exchanges, &exchanges)
        isLookingAhead = true
        lower(id, program.operations[id], assignment)
        let end = min(program.operations.count, id + Self.horizon)
        for next in (id + 1)..<max(id + 1, end) { visit(next) }
        var bytes = result.exchanges.reduce(0) { sum, exchange in
            let sent = result.byteCount(exchange.moves.sentMax, of: exchange)
            return sum + priced(sent, exchange) + (sent > 0 ? options.links.oneShotByteCount : 0)
        }
        for value in 0..<end {
            let open = open(value, end)
            bytes += open.bytes + open.rounds * options.links.oneShotByteCount
        }
        isLookingAhead = false
        swap(&result.steps, &steps)
        swap(&result.exchanges, &exchanges)
        for buffer in first..<result.buffers.count { result.parameterLayouts[buffer] = nil }
        result.buffers.removeLast(result.buffers.count - first)
        states = before
        return bytes
    }

    /// What it takes to bring a value that is read later to where the plan wants it.
    private mutating func open(_ value: Program.ValueID, _ end: Int) -> StrategyCost {
        let type = program.operations[value].type
        if isFinal[value] {
            guard let pending = states[value].pending else { return StrategyCost() }
            return reductionPrice(pending.partial, to: nil, type, isFinal: true)
        }
        guard states[value].layout != nil, readers[value].last ?? 0 >= end else { return StrategyCost() }
        return price(value, geometry.set(type.dims, Layout(shardings[value].dims.map(\.axes))))
    }
}

extension Partitioner {
    /// What has partitioned the program with choices followed, or without where that sends less in all.
    static func chosen(
        _ program: Program, rules: [ShardingRule], shardings: [TensorSharding], mesh: Mesh, options: CompilerOptions
    ) -> Partitioner {
        var first = Partitioner(program, rules: rules, shardings: shardings, mesh: mesh, options: options)
        first.run()
        guard first.hasLookedAhead else { return first }
        var plain = Partitioner(
            program, rules: rules, shardings: shardings, mesh: mesh, options: options, looksAhead: false)
        plain.run()
        return plain.sentBytes < first.sentBytes ? plain : first
    }

    /// What bytes count: of a weight half as many more, for what is gathered must also be packed at every call.
    private func priced(_ bytes: Int, _ exchange: PartitionedProgram.Collective) -> Int {
        guard case .parameter = result.buffers[exchange.source].kind else { return bytes }
        return bytes * 3 / 2
    }

    /// Bytes that the busiest device sends, and those that all rounds are worth.
    private var sentBytes: Int {
        var sent = [Int](repeating: 0, count: geometry.mesh.deviceCount)
        var rounds = 0
        for exchange in result.exchanges where exchange.moves.sentTotal > 0 {
            rounds += 1
            for (device, side) in exchange.moves.sides.enumerated() {
                let elements = side.sends.reduce(0) { $0 + $1.box.elementCount * $1.partials }
                sent[device] += priced(result.byteCount(elements, of: exchange), exchange)
            }
        }
        return (sent.max() ?? 0) + rounds * options.links.oneShotByteCount
    }
}
