import Tensor

/// A weight as a device keeps it: in its element type, or quantised for int8 products (``Opcode/dot``).
///
/// A slice that is read in both ways is kept twice.
public struct StoredWeight: Sendable, Hashable {
    /// How it is kept.
    public enum Form: Sendable, Hashable {
        /// In the slice's element type.
        case plain
        /// One byte an element, and an f32 scale for each segment of a row.
        ///
        /// A row is what one index of all but the last `contract` dimensions holds; a segment has `granule` indices of
        /// the first of these.
        case int8(contract: Int, granule: Int)
    }

    /// Longest segment whose sum of products cannot leave 32 bits: 2^17, times 127 · 127.
    public static let segmentMax = 1 << 17

    /// The part of the weight.
    public var slice: ParameterSlice
    /// How it is kept.
    public var form: Form

    /// Makes an entry.
    public init(slice: ParameterSlice, form: Form) {
        self.slice = slice
        self.form = form
    }

    /// Bytes that the slice takes, without what a kernel pads.
    public var byteCount: Int { byteCount(of: slice.box.dims) }

    /// Bytes that the whole weight would take.
    public var wholeByteCount: Int { byteCount(of: slice.spec.dims) }

    private func byteCount(of dims: [Int]) -> Int {
        let count = dims.reduce(1, *)
        switch form {
        case .plain: return count * slice.dtype.byteCount
        case .int8(let contract, let granule):
            let first = dims.count - contract
            let segments = (dims[first] + granule - 1) / granule
            return count + dims.prefix(first).reduce(segments, *) * DType.f32.byteCount
        }
    }
}

extension LocalProgram {
    /// The weights that the device keeps for the program, each once, in the order of first use.
    public var storedWeights: [StoredWeight] {
        var first = [StoredWeight.Form?](repeating: nil, count: parameters.count)
        var others: [Int: [StoredWeight.Form]] = [:]
        func note(_ buffer: Int, _ form: StoredWeight.Form) {
            guard case .parameter(let index) = buffers[buffer].storage, first[index] != form else { return }
            if first[index] == nil {
                first[index] = form
            } else if !others[index, default: []].contains(form) {
                others[index, default: []].append(form)
            }
        }
        for case .compute(let compute) in instructions {
            for (position, operand) in compute.operands.enumerated() {
                note(operand, position == 1 ? form(ofWeightsOf: compute) : .plain)
            }
        }
        for index in exchanges.indices { note(exchanges[index].source, .plain) }
        for output in outputs { note(output.buffer, .plain) }
        var result: [StoredWeight] = []
        result.reserveCapacity(parameters.count)
        for index in parameters.indices {
            // A weight that nothing reads is counted as it is.
            result.append(StoredWeight(slice: parameters[index], form: first[index] ?? .plain))
            for form in others[index] ?? [] { result.append(StoredWeight(slice: parameters[index], form: form)) }
        }
        return result
    }

    private func form(ofWeightsOf compute: ComputeInstruction) -> StoredWeight.Form {
        guard compute.opcode == .dot, compute.attributes.values["precision"] != nil else { return .plain }
        let dims = buffers[compute.operands[1]].dims
        let contract = compute.attributes.int("contract")
        return .int8(contract: contract, granule: dims[dims.count - contract].granule)
    }
}
