import Program
import SwiftProtobuf
import Tensor

extension WireExchange {
    /// Encodes an exchange.
    init(_ exchange: Exchange) {
        self.init()
        kind = exchange.kind.rawValue
        axes = exchange.axes
        source = UInt32(clamping: exchange.source)
        destination = UInt32(clamping: exchange.destination)
        sends = exchange.sends.map(WireTransfer.init)
        receives = exchange.receives.map(WireTransfer.init)
        copies = exchange.copies.map { copy in
            .with {
                $0.from = WireBox(copy.from)
                $0.to = WireBox(copy.to)
            }
        }
        switch exchange.reduction {
        case .sum(let contributors, let leaves):
            sum.leafCount = UInt32(clamping: leaves)
            sum.contributors = contributors.map { contributor in
                .with {
                    $0.device = UInt32(clamping: contributor.device)
                    $0.nodes = WireNodes(contributor.nodes)
                }
            }
        case .max: max = WireMaxReduction()
        case .argMax: argMax = WireArgMaxReduction()
        case nil: reduction = nil
        }
        stagingOffset = UInt64(clamping: exchange.stagingOffset)
        scope = exchange.scope
        fused = exchange.fused.map { UInt32(clamping: $0) }
        wire = exchange.wire == .exact ? "" : exchange.wire.rawValue
    }

    /// Decodes an exchange of a program whose buffers are known.
    func value(_ program: LocalProgram) throws(ProtocolError) -> Exchange {
        let scope = try Check.name(scope, "the scope of an exchange")
        let limit = ProtocolLimits.exchangeEntries
        var names: [String] = []
        for axis in try Check.entries(axes, ProtocolLimits.rank, "mesh axes") {
            names.append(try Check.required(axis, "a mesh axis"))
        }
        var exchange = Exchange(
            kind: try Check.word(kind, "the collective at \(scope)"), axes: names,
            source: try Check.index(source, program.buffers.indices, "the source of the exchange at \(scope)"),
            destination: try Check.index(
                destination, program.buffers.indices, "the destination of the exchange at \(scope)"),
            sends: [], receives: [], copies: [], scope: scope)
        let from = program.buffers[exchange.source].box.dims
        let to = program.buffers[exchange.destination].box.dims
        for wire in try Check.entries(sends, limit, "sends") {
            exchange.sends.append(try wire.value(inside: from, "a send at \(scope)"))
        }
        for wire in try Check.entries(receives, limit, "receives") {
            exchange.receives.append(try wire.value(inside: to, "a receive at \(scope)"))
        }
        for wire in try Check.entries(copies, limit, "copies") {
            exchange.copies.append(
                .init(
                    from: try Check.box(wire.from, inside: from, "a copy at \(scope)"),
                    to: try Check.box(wire.to, inside: to, "a copy at \(scope)")))
        }
        exchange.reduction = try reductionValue(scope)
        if !wire.isEmpty { exchange.wire = try Check.word(wire, "the wire format at \(scope)") }
        exchange.stagingOffset = try Check.count(stagingOffset, ProtocolLimits.memoryBytes, "the staging offset")
        for index in try Check.entries(fused, limit, "exchanges in the messages of another") {
            exchange.fused.append(try Check.count(index, ProtocolLimits.programEntries, "a fused exchange at \(scope)"))
        }
        return exchange
    }

    private func reductionValue(_ scope: String) throws(ProtocolError) -> Exchange.Reduction? {
        switch reduction {
        case .sum(let wire):
            let leaves = try Check.count(wire.leafCount, ProtocolLimits.leaves, "the leaf count at \(scope)")
            var contributors: [Exchange.Contributor] = []
            for wire in try Check.entries(wire.contributors, ProtocolLimits.devices, "contributors") {
                contributors.append(
                    .init(
                        device: try Check.count(wire.device, ProtocolLimits.devices - 1, "a contributor"),
                        nodes: try wire.nodes.value(leafCount: leaves, "a contributor at \(scope)")))
            }
            return .sum(contributors: contributors, leafCount: leaves)
        case .max: return .max
        case .argMax: return .argMax
        case nil: return nil
        }
    }
}

extension LocalProgram {
    /// Refuses exchanges that carry what does not exist, what others carry too or what carries others, and staging areas
    /// outside of the arena.
    func checkExchanges() throws(ProtocolError) {
        var carried = Set<Int>()
        for exchange in exchanges {
            for index in exchange.fused {
                guard exchanges.indices.contains(index), exchanges[index].fused.isEmpty, carried.insert(index).inserted
                else {
                    throw ProtocolError(
                        .bounds, "the exchange at \(exchange.scope) cannot carry the exchange number \(index)")
                }
            }
        }
        for (index, exchange) in exchanges.enumerated() where !carried.contains(index) {
            var total = 0
            for number in exchangeIndices(startedBy: index) {
                let dtype = buffers[exchanges[number].source].dtype
                guard total <= ProtocolLimits.memoryBytes,
                    let staging = exchanges[number].boundedStagingByteCount(dtype: dtype)
                else {
                    throw ProtocolError(.bounds, "the staging area of the exchange at \(exchange.scope) is too large")
                }
                total += staging
            }
            guard exchange.stagingOffset % 64 == 0,
                exchange.stagingOffset + total <= arenaByteCount || total == 0
            else {
                throw ProtocolError(
                    .bounds, "the staging area of the exchange at \(exchange.scope) does not lie in the arena")
            }
        }
    }
}

extension Exchange {
    /// ``Exchange/stagingByteCount(dtype:)`` of numbers that nobody checked yet; nil above the limit.
    fileprivate func boundedStagingByteCount(dtype: DType) -> Int? {
        var total = 0
        for transfer in sends + receives {
            let (elements, overflow) = transfer.box.elementCount.multipliedReportingOverflow(by: transfer.partials)
            guard !overflow, elements <= ProtocolLimits.elements else { return nil }
            total += (byteCount(of: transfer, dtype: dtype) + 63) / 64 * 64
            guard total <= ProtocolLimits.memoryBytes else { return nil }
        }
        total = stagingByteCount(dtype: dtype)
        return total <= ProtocolLimits.memoryBytes ? total : nil
    }
}

extension WireTransfer {
    /// Encodes a transfer.
    init(_ transfer: Exchange.Transfer) {
        self.init()
        peer = UInt32(clamping: transfer.peer)
        box = WireBox(transfer.box)
        partials = UInt32(clamping: transfer.partials)
    }

    /// Decodes a transfer of a part of a buffer with these sizes.
    func value(inside dims: [Int], _ what: @autoclosure () -> String) throws(ProtocolError) -> Exchange.Transfer {
        let count = try Check.count(partials, ProtocolLimits.nodes, "the number of partial results of \(what())")
        guard count >= 1 else { throw ProtocolError(.bounds, "\(what()) holds no partial result") }
        return Exchange.Transfer(
            peer: try Check.count(peer, ProtocolLimits.devices - 1, "the peer of \(what())"),
            box: try Check.box(box, inside: dims, what()), partials: count)
    }
}
