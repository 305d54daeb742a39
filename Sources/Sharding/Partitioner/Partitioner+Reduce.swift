import Program
import Tensor

/// Combines partial results.
extension Partitioner {
    /// What it costs to combine partial results into boxes.
    ///
    /// - Parameter isFinal: nobody but the caller reads the result: every device may keep a piece.
    mutating func reductionPrice(
        _ partial: PartialValue, to target: Int?, _ type: TensorType, isFinal: Bool
    ) -> StrategyCost {
        let scattered = scatteredBytes(partial)
        let largest = geometry.table[partial.set].largest
        if isFinal, largest * partial.byteCountPerElement > options.links.oneShotByteCount {
            return StrategyCost(bytes: scattered, rounds: 1)
        }
        let wanted = target ?? partial.set
        let direct = directBytes(partial, to: wanted)
        let inPieces = scattered + gatheredBytes(partial, to: wanted, type)
        if let direct, isOneShot(partial, wanted) || direct < inPieces {
            return StrategyCost(bytes: direct, rounds: 1)
        }
        return StrategyCost(bytes: inPieces, rounds: 2)
    }

    /// Combines a value's partial results into boxes.
    mutating func reduce(
        _ value: Program.ValueID, to set: Int, _ layout: Layout, reads: [DimRead]
    ) -> Int {
        guard let pending = states[value].pending else { preconditionFailure("there are partial results to combine") }
        let type = program.type(of: value)
        let partial = pending.partial
        let destination: Int
        let direct = directBytes(partial, to: set)
        let inPieces = scatteredBytes(partial) + gatheredBytes(partial, to: set, type)
        if let direct, isOneShot(partial, set) || direct < inPieces {
            destination = addBuffer(type, set, kind: .arena)
            let isScattered = set != partial.set && !geometry.table.contains(set, partial.set)
            combine(pending, to: destination, isScattered ? .reduceScatter : .allReduce)
        } else {
            let cut = piecesSet(partial, type)
            let isGathered = geometry.table.contains(set, cut)
            let middle = addBuffer(type, cut, kind: .arena)
            combine(pending, to: middle, isGathered && cut != set ? .allReduce : .reduceScatter)
            if cut == set {
                destination = middle
            } else {
                destination = move(
                    middle, to: set, type, scope: pending.scope, reads: reads, as: isGathered ? .allReduce : nil,
                    over: partial.axes)
            }
            // What an all-reduce gives is one value: nobody reads what its pieces were before they were rounded.
            let isRounded = destination != middle && result.exchanges.last?.wire == .int8
            if !(isRounded && isGathered) { states[value].copies.append((cut, middle)) }
        }
        if states[value].buffer(of: set) == nil { states[value].copies.append((set, destination)) }
        // Parts may be all that readers wanted so far: others still need the partial results.
        if states[value].copies.contains(where: { geometry.table.isComplete($0.set, dims: type.dims) }) {
            states[value].layout = layout.dims.isEmpty && type.rank > 0 ? pending.layout : layout
            states[value].pending = nil
        }
        return destination
    }

    /// The boxes in which an output of the program is combined: pieces where these are fewest bytes.
    mutating func finalSet(_ value: Program.ValueID, _ pending: ValueState.Pending) -> Int {
        let partial = pending.partial
        let largest = geometry.table[partial.set].largest
        let wanted = geometry.set(program.type(of: value).dims, pending.layout)
        guard largest * partial.byteCountPerElement > options.links.oneShotByteCount,
            !shardings[value].dims.contains(where: { !$0.isOpen })
        else { return wanted }
        return piecesSet(partial, program.type(of: value))
    }

    /// A buffer of partial sums, rounded to the result's type where they travel in that.
    mutating func travelling(_ operation: Program.Operation, _ partial: PartialValue, _ buffer: Int) -> Int {
        let isWider = operation.type.dtype.byteCount < result.buffers[buffer].type.dtype.byteCount
        guard partial.kind == .sum, options.partialSums == .activations, isWider else { return buffer }
        let held = result.buffers[buffer]
        let rounded = addBuffer(TensorType(operation.type.dtype, operation.type.dims), held.set, kind: .arena)
        result.buffers[rounded].nodes = held.nodes
        result.buffers[rounded].leafCount = held.leafCount
        result.buffers[rounded].isLocalSum = held.isLocalSum
        result.steps.append(
            .compute(
                ComputeInstruction(
                    opcode: .cast, operands: [buffer], result: rounded, attributes: [:], scope: operation.scope)))
        return rounded
    }

    private func isOneShot(_ partial: PartialValue, _ set: Int) -> Bool {
        geometry.table[set].largest * partial.byteCountPerElement <= options.links.oneShotByteCount
    }

    // MARK: Bytes

    /// Bytes of one exchange that leaves every device what it wants; nil where that is not inside the partial results.
    private mutating func directBytes(_ partial: PartialValue, to set: Int) -> Int? {
        let key = DirectKey(partial: partial, set: set)
        if let known = directs[key] { return known }
        guard geometry.table.contains(partial.set, set) else {
            directs[key] = .some(nil)
            return nil
        }
        var most = 0
        let wanted = geometry.table[set].boxes
        for group in geometry.groups(along: partial.axes) {
            let total = group.reduce(0) { $0 + wanted[$1].elementCount }
            for device in group {
                most = max(most, (total - wanted[device].elementCount) * partial.nodes[device].count)
            }
        }
        directs[key] = most * partial.elementByteCount
        return most * partial.elementByteCount
    }

    private func scatteredBytes(_ partial: PartialValue) -> Int {
        let parts = partial.axes.partCount
        let largest = geometry.table[partial.set].largest
        return (largest - largest / parts) * partial.byteCountPerElement
    }

    private mutating func gatheredBytes(_ partial: PartialValue, to set: Int, _ type: TensorType) -> Int {
        movedByteCount(type, from: piecesSet(partial, type), to: set)
    }

    private mutating func piecesSet(_ partial: PartialValue, _ type: TensorType) -> Int {
        if let known = pieces[partial] { return known }
        let set = geometry.pieces(
            of: partial, rank: type.rank, columnUnit: options.wire.columnUnit(type.sizes.last ?? 1))
        pieces[partial] = set
        return set
    }
}

extension ShardGeometry {
    /// Each device's box, cut into one piece for every member of its group along the longest dimension; the last one only
    /// in multiples of `columnUnit`, if it has some for everybody.
    mutating func pieces(of partial: PartialValue, rank: Int, columnUnit: Int) -> Int {
        var cut = table[partial.set].boxes
        // The three numbers of an arg-max stay together.
        let kept = partial.kind == .argMax ? rank - 1 : rank
        for group in groups(along: partial.axes) {
            for (index, device) in group.enumerated() {
                let dims = Array(cut[device].dims.prefix(kept))
                func unit(_ dim: Int) -> Int { dim == rank - 1 && dims[dim] % columnUnit == 0 ? columnUnit : 1 }
                let enough = dims.indices.filter {
                    dims[$0] / unit($0) >= group.count && (columnUnit == 1 || $0 < rank - 1 || unit($0) == columnUnit)
                }
                let longest = enough.max { dims[$0] < dims[$1] } ?? dims.indices.max { dims[$0] < dims[$1] }
                guard let longest else { continue }
                let (range, unit) = (cut[device].ranges[longest], unit(longest))
                func bound(_ index: Int) -> Int {
                    range.lowerBound + range.count / unit * index / group.count * unit
                }
                cut[device].ranges[longest] = bound(index)..<bound(index + 1)
            }
        }
        return table.intern(cut)
    }
}
