import Program
import SwiftProtobuf
import Tensor

extension WireLocalProgram {
    /// Encodes a local program.
    init(_ program: LocalProgram) {
        self.init()
        name = program.name
        device = UInt32(clamping: program.device)
        buffers = program.buffers.map(WireLocalBuffer.init)
        parameters = program.parameters.map(WireParameterSlice.init)
        inputs = program.inputs.map { port in
            .with {
                $0.name = port.name
                $0.buffer = UInt32(clamping: port.buffer)
            }
        }
        residents = program.residents.map { resident in
            .with {
                $0.name = resident.name
                $0.buffer = UInt32(clamping: resident.buffer)
                $0.isOutput = resident.isOutput
            }
        }
        outputs = program.outputs.map { port in
            .with {
                $0.name = port.name
                $0.buffer = UInt32(clamping: port.buffer)
                $0.isPrimary = port.isPrimary
            }
        }
        instructions = program.instructions.map(WireInstruction.init)
        exchanges = program.exchanges.map(WireExchange.init)
        arenaBytes = UInt64(clamping: program.arenaByteCount)
    }

    /// Decodes a local program: every index refers to something, every box lies inside its buffer, every buffer and
    /// staging area inside the arena.
    func value() throws(ProtocolError) -> LocalProgram {
        let limit = ProtocolLimits.programEntries
        var program = LocalProgram(
            name: try Check.required(name, "the program's name"),
            device: try Check.count(device, ProtocolLimits.devices - 1, "the program's device"))
        program.arenaByteCount = try Check.count(arenaBytes, ProtocolLimits.memoryBytes, "the arena's size")
        for wire in try Check.entries(parameters, limit, "parameters") { program.parameters.append(try wire.value()) }
        for wire in try Check.entries(buffers, limit, "buffers") {
            program.buffers.append(try wire.value(index: program.buffers.count, of: self))
        }
        let all = program.buffers.indices
        for wire in try Check.entries(inputs, ProtocolLimits.ports, "inputs") {
            let name = try Check.required(wire.name, "an input's name")
            program.inputs.append(.init(name: name, buffer: try Check.index(wire.buffer, all, "the buffer of \(name)")))
        }
        for wire in try Check.entries(residents, ProtocolLimits.programEntries, "residents") {
            let name = try Check.required(wire.name, "a resident's name")
            program.residents.append(
                .init(
                    name: name, buffer: try Check.index(wire.buffer, all, "the buffer of \(name)"),
                    isOutput: wire.isOutput))
        }
        for wire in try Check.entries(outputs, ProtocolLimits.ports, "outputs") {
            let name = try Check.required(wire.name, "an output's name")
            program.outputs.append(
                .init(
                    name: name, buffer: try Check.index(wire.buffer, all, "the buffer of \(name)"),
                    isPrimary: wire.isPrimary))
        }
        for wire in try Check.entries(exchanges, limit, "exchanges") {
            program.exchanges.append(try wire.value(program))
        }
        try program.checkExchanges()
        for wire in try Check.entries(instructions, limit, "instructions") {
            program.instructions.append(try wire.value(program))
        }
        return program
    }
}

extension WireLocalBuffer {
    /// Encodes a buffer.
    init(_ buffer: LocalBuffer) {
        self.init()
        dtype = buffer.dtype.rawValue
        sizes = buffer.dims.map { UInt64($0.size) }
        granules = buffer.dims.map { UInt64($0.granule) }
        box = WireBox(buffer.box)
        if let held = buffer.nodes { nodes = WireNodes(held) }
        leafCount = UInt32(clamping: buffer.leafCount)
        isLocalSum = buffer.isLocalSum
        switch buffer.storage {
        case .arena(let offset): arenaOffset = UInt64(clamping: offset)
        case .parameter(let index): parameter = UInt32(clamping: index)
        case .resident(let index): resident = UInt32(clamping: index)
        }
    }

    /// Decodes buffer number `index` of a program.
    func value(index: Int, of program: WireLocalProgram) throws(ProtocolError) -> LocalBuffer {
        let what = "buffer \(index)"
        let type: DType = try Check.word(dtype, "the element type of \(what)")
        let dims = try Check.dims(sizes, what)
        guard granules.count == dims.count else {
            throw ProtocolError(.bounds, "\(what) has \(dims.count) sizes and \(granules.count) granules")
        }
        var annotated: [Dim] = []
        for (size, granule) in zip(dims, granules) {
            guard granule >= 1 else { throw ProtocolError(.bounds, "\(what) has a granule of 0") }
            annotated.append(
                Dim(size, granule: try Check.count(granule, ProtocolLimits.elements, "a granule of \(what)")))
        }
        let leaves = try Check.count(leafCount, ProtocolLimits.leaves, "the leaf count of \(what)")
        var buffer = LocalBuffer(
            dtype: type, dims: annotated, box: try Check.box(box, inside: dims, what),
            nodes: hasNodes ? try nodes.value(leafCount: leaves, what) : nil, leafCount: leaves,
            isLocalSum: isLocalSum, storage: .arena(offset: 0))
        switch storage {
        case .arenaOffset(let value):
            let offset = try Check.count(value, ProtocolLimits.memoryBytes, "the offset of \(what)")
            guard offset % 64 == 0, UInt64(offset) + UInt64(buffer.byteCount) <= program.arenaBytes else {
                throw ProtocolError(.bounds, "\(what) at offset \(offset) does not lie in the arena")
            }
            buffer.storage = .arena(offset: offset)
        case .parameter(let value):
            buffer.storage = .parameter(
                try Check.index(value, program.parameters.indices, "the parameter of \(what)"))
        case .resident(let value):
            buffer.storage = .resident(try Check.index(value, program.residents.indices, "the resident of \(what)"))
        case nil:
            throw ProtocolError(.missing, "\(what) has no storage")
        }
        return buffer
    }
}

extension WireNodes {
    /// Encodes tree nodes.
    init(_ nodes: [ReductionTree.Node]) {
        self.init()
        firsts = nodes.map { UInt32(clamping: $0.first) }
        levels = nodes.map { UInt32(clamping: $0.level) }
    }

    /// Decodes nodes of a tree with so many leaves: aligned, not empty, in order, without overlap.
    func value(leafCount: Int, _ what: @autoclosure () -> String) throws(ProtocolError) -> [ReductionTree.Node] {
        guard firsts.count == levels.count, firsts.count <= ProtocolLimits.nodes else {
            throw ProtocolError(.bounds, "\(what()) has \(firsts.count) tree nodes and \(levels.count) levels")
        }
        var nodes: [ReductionTree.Node] = []
        var next = 0
        for (first, level) in zip(firsts, levels) {
            guard level <= 24, Int(first) % (1 << Int(level)) == 0, Int(first) >= next, Int(first) < leafCount else {
                throw ProtocolError(
                    .bounds, "\(what()) has a tree node at leaf \(first) of level \(level) in \(leafCount) leaves")
            }
            let node = ReductionTree.Node(first: Int(first), level: Int(level))
            next = node.leaves(of: leafCount).upperBound
            nodes.append(node)
        }
        return nodes
    }
}

extension WireParameterSlice {
    /// Encodes a slice of a weight.
    init(_ slice: ParameterSlice) {
        self.init()
        dtype = slice.dtype.rawValue
        box = WireBox(slice.box)
        spec = .with {
            $0.name = slice.spec.name
            $0.part = slice.spec.part
            $0.tensor = slice.spec.tensor
            $0.fileDims = slice.spec.fileDims.map(UInt64.init)
            $0.view = slice.spec.view.map(UInt64.init)
            $0.permutation = slice.spec.permutation.map { UInt32(clamping: $0) }
            $0.generatedScale = slice.spec.generatedScale
            $0.generatedMean = slice.spec.generatedMean
        }
    }

    /// Decodes a slice: view and file agree in elements, the permutation is one, the box lies inside.
    func value() throws(ProtocolError) -> ParameterSlice {
        let name = try Check.required(spec.name, "a weight's name")
        let file = try Check.dims(spec.fileDims, name)
        let view = try Check.dims(spec.view, name)
        guard file.reduce(1, *) == view.reduce(1, *), spec.permutation.map(Int.init).sorted() == Array(view.indices)
        else {
            throw ProtocolError(
                .bounds, "the weight \(name) is viewed as \(view), which does not fit its shape \(file)")
        }
        let decoded = ParameterSpec(
            name: name, part: try Check.name(spec.part, "the part of \(name)"),
            tensor: try Check.name(spec.tensor, "the tensor of \(name)"), fileDims: file, view: view,
            permutation: spec.permutation.map(Int.init),
            generatedScale: try Check.finite(spec.generatedScale, "the scale of \(name)"),
            generatedMean: try Check.finite(spec.generatedMean, "the mean of \(name)"))
        return ParameterSlice(
            spec: decoded, dtype: try Check.word(dtype, "the element type of \(name)"),
            box: try Check.box(box, inside: decoded.dims, name))
    }
}
