import CKernels
import Glibc
public import Program
import Tensor

/// The weights of one device, each in the form that its kernels read, loaded once for all programs.
///
/// Only the byte ranges that the device needs are read; files are mapped while a weight is read and unmapped after it,
/// so that resident memory stays at the packed weights. Used from one thread.
public final class WeightStore {
    /// A stored form of a slice.
    struct Key: Hashable {
        let name: String
        let dtype: DType
        let box: Box
        let layout: WeightLayout
    }

    /// Where each weight's values come from, by ``ParameterSpec/name``.
    public let sources: [String: ParameterSource]
    /// Bytes of all stored forms.
    public private(set) var byteCount = 0
    let isa: tk_isa
    private var entries: [Key: UnsafeMutableRawPointer] = [:]
    private var slabs: [AlignedMemory] = []

    /// A store that reads from these sources as programs ask for weights.
    public init(sources: [String: ParameterSource]) {
        self.sources = sources
        isa = tk_best_isa()
    }

    /// Bytes that ``load(for:progress:)`` will add for these programs.
    public func missingByteCount(for programs: [LocalProgram]) -> Int {
        missing(programs).reduce(0) { $0 + aligned(byteCount(of: $1.key)) }
    }

    /// Loads what the programs' instructions read and is not there yet, in the forms that their kernels want.
    ///
    /// - Parameter progress: told the bytes stored since the last call, after every weight.
    /// - Throws: the first weight that cannot be read; those before it stay loaded.
    public func load(
        for programs: [LocalProgram], progress: (_ byteCount: Int) -> Void = { _ in }
    ) throws(WeightError) {
        let wanted = missing(programs)
        let total = wanted.reduce(0) { $0 + aligned(byteCount(of: $1.key)) }
        guard !wanted.isEmpty else { return }
        guard let slab = AlignedMemory(byteCount: total) else { throw .outOfMemory(byteCount: total) }
        slabs.append(slab)
        var offset = 0
        for (key, slice) in wanted {
            let size = byteCount(of: key)
            try fill(slab.base + offset, key, slice)
            entries[key] = slab.base + offset
            offset += aligned(size)
            byteCount += aligned(size)
            progress(aligned(size))
        }
    }

    /// Loads slices as they are, dense and row-major: for buffers that no product reads.
    public func load(
        _ slices: [ParameterSlice], progress: (_ byteCount: Int) -> Void = { _ in }
    ) throws(WeightError) {
        let program = LocalProgram(
            name: "", device: 0,
            buffers: slices.indices.map { index in
                LocalBuffer(
                    dtype: slices[index].dtype, dims: slices[index].spec.dims.map { Dim($0) }, box: slices[index].box,
                    storage: .parameter(index))
            }, parameters: slices,
            outputs: slices.indices.map { .init(name: "", buffer: $0, isPrimary: false) })
        try load(for: [program], progress: progress)
    }

    /// A loaded form; nil where it was never asked for.
    func find(_ slice: ParameterSlice, _ layout: WeightLayout) -> UnsafeMutableRawPointer? {
        entries[Key(name: slice.spec.name, dtype: slice.dtype, box: slice.box, layout: layout)]
    }

    private func missing(_ programs: [LocalProgram]) -> [(key: Key, slice: ParameterSlice)] {
        var seen = Set<Key>()
        var wanted: [(key: Key, slice: ParameterSlice)] = []
        for program in programs {
            for (parameter, layout) in WeightUse.scan(program) {
                let slice = program.parameters[parameter]
                let key = Key(name: slice.spec.name, dtype: slice.dtype, box: slice.box, layout: layout)
                if entries[key] == nil && seen.insert(key).inserted { wanted.append((key, slice)) }
            }
        }
        return wanted
    }

    private func byteCount(of key: Key) -> Int {
        switch key.layout {
        case .plain: key.box.elementCount * key.dtype.byteCount
        case .packedBF16(let geometry, _): WeightPacking.byteCount(geometry, .bf16, isa)
        case .packedInt8(let geometry): WeightPacking.byteCount(geometry, .int8, isa)
        case .packedF32(let geometry, _):
            tk_dot_f32_packed_bytes(geometry.columns, geometry.depth)
        }
    }

    private func fill(
        _ destination: UnsafeMutableRawPointer, _ key: Key, _ slice: ParameterSlice
    ) throws(WeightError) {
        guard let source = sources[slice.spec.name] else { throw .missingSource(tensor: slice.spec.name) }
        switch key.layout {
        case .plain:
            try WeightReader(slice: slice, channelsLast: false).read(source, into: destination)
        case .packedBF16(let geometry, let channelsLast):
            try pack(geometry, .bf16, slice, source, channelsLast: channelsLast, into: destination)
        case .packedInt8(let geometry):
            try pack(geometry, .int8, slice, source, channelsLast: false, into: destination)
        case .packedF32(let geometry, let channelsLast):
            let reader = try WeightReader(slice: slice, channelsLast: channelsLast)
            let dtype = slice.dtype == .bf16 ? TK_BF16 : TK_F32
            try withTemporary(reader.byteCount) { plain throws(WeightError) in
                try reader.read(source, into: plain)
                MatrixProduct.packF32(geometry, plain, dtype, into: destination)
            }
        }
    }

    private func pack(
        _ geometry: DotGeometry, _ form: ProductForm, _ slice: ParameterSlice, _ source: ParameterSource,
        channelsLast: Bool, into destination: UnsafeMutableRawPointer
    ) throws(WeightError) {
        let reader = try WeightReader(slice: slice, channelsLast: channelsLast)
        try withTemporary(reader.byteCount) { plain throws(WeightError) in
            try reader.read(source, into: plain)
            WeightPacking.pack(geometry, form, isa, plain.assumingMemoryBound(to: UInt16.self), into: destination)
        }
    }

    /// Pages that go back to the system at the end: the unpacked form never stays.
    private func withTemporary(
        _ byteCount: Int, _ body: (UnsafeMutableRawPointer) throws(WeightError) -> Void
    ) throws(WeightError) {
        guard let memory = AlignedMemory(byteCount: byteCount) else { throw .outOfMemory(byteCount: byteCount) }
        try body(memory.base)
        withExtendedLifetime(memory) {}
    }
}
