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
        var forms: [[StoredWeight.Form]] = Array(repeating: [], count: parameters.count)
        func note(_ buffer: Int, _ form: StoredWeight.Form) {
            guard case .parameter(let index) = buffers[buffer].storage, !forms[index].contains(form) else { return }
            forms[index].append(form)
        }
        for case .compute(let compute) in instructions {
            for (position, operand) in compute.operands.enumerated() {
                note(operand, position == 1 ? form(ofWeightsOf: compute) : .plain)
            }
        }
        for exchange in exchanges { note(exchange.source, .plain) }
        for output in outputs { note(output.buffer, .plain) }
        return parameters.indices.flatMap { index in
            // A weight that nothing reads is counted as it is.
            (forms[index].isEmpty ? [.plain] : forms[index]).map { StoredWeight(slice: parameters[index], form: $0) }
        }
    }

    private func form(ofWeightsOf compute: ComputeInstruction) -> StoredWeight.Form {
        guard compute.opcode == .dot, compute.attributes.values["precision"] != nil else { return .plain }
        let dims = buffers[compute.operands[1]].dims
        let contract = compute.attributes.int("contract")
        return .int8(contract: contract, granule: dims[dims.count - contract].granule)
    }
}
