import CKernels
import Glibc
public import Program
import Synchronization
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

        init(_ slice: ParameterSlice, _ layout: WeightLayout) {
            name = slice.spec.name
            dtype = slice.dtype
            box = slice.box
            self.layout = layout
        }
    }

    /// A stored form: a part of what one loading set aside.
    private struct Stored {
        let slab: AlignedMemory
        let base: UnsafeMutableRawPointer
        let byteCount: Int
    }

    /// Where each weight's values come from, by ``ParameterSpec/name``.
    public let sources: [String: ParameterSource]
    /// Bytes of all stored forms.
    public var byteCount: Int { entries.values.reduce(0) { $0 + $1.byteCount } }
    let isa: tk_isa
    private var entries: [Key: Stored] = [:]

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
    /// - Parameters:
    ///   - threads: each loads other weights; nil: this thread loads all.
    ///   - progress: told on this thread the bytes stored since the last call.
    /// - Throws: the first weight that cannot be read; those before it stay loaded.
    public func load(
        for programs: [LocalProgram], threads: ThreadPool? = nil, progress: (_ byteCount: Int) -> Void = { _ in }
    ) throws(WeightError) {
        let wanted = missing(programs)
        guard !wanted.isEmpty else { return }
        var offsets = [0]
        for weight in wanted { offsets.append(offsets[offsets.count - 1] + aligned(byteCount(of: weight.key))) }
        let total = offsets[wanted.count]
        guard let slab = AlignedMemory(byteCount: total) else { throw .outOfMemory(byteCount: total) }
        let count = threads?.threadCount ?? 1
        let temporaries = (0..<count).map { _ in TemporaryMemory() }
        let next = Atomic<Int>(0)
        let stored = Atomic<Int>(0)
        let failure = Mutex<(index: Int, error: WeightError)?>(nil)
        var told = 0
        func loadSome(_ thread: Int) {
            while failure.withLock({ $0 == nil }) {
                let index = next.wrappingAdd(1, ordering: .relaxed).oldValue
                guard index < wanted.count else { return }
                do throws(WeightError) {
                    try fill(slab.base + offsets[index], wanted[index].key, wanted[index].slice, temporaries[thread])
                } catch {
                    failure.withLock { if index < $0?.index ?? .max { $0 = (index, error) } }
                }
                stored.wrappingAdd(offsets[index + 1] - offsets[index], ordering: .relaxed)
                if thread == 0, failure.withLock({ $0 == nil }) { tell() }
            }
        }
        func tell() {
            let bytes = stored.load(ordering: .relaxed)
            if bytes > told { progress(bytes - told) }
            told = bytes
        }
        if let threads { threads.parallelFor(count) { loadSome($0) } } else { loadSome(0) }
        // Indices are taken in order: all before the first that failed were loaded.
        let failed = failure.withLock { $0 }
        for index in 0..<(failed?.index ?? wanted.count) {
            entries[wanted[index].key] = Stored(
                slab: slab, base: slab.base + offsets[index], byteCount: offsets[index + 1] - offsets[index])
        }
        if let failed { throw failed.error }
        tell()
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

    /// Frees what none of these programs reads; no executor may be left that does.
    ///
    /// Weights that were loaded together go together: as long as one of them is read, all of them stay.
    public func keep(for programs: [LocalProgram]) {
        var read = Set<ObjectIdentifier>()
        for program in programs {
            for (parameter, layout) in WeightUse.scan(program) {
                let key = Key(program.parameters[parameter], layout)
                if let stored = entries[key] { read.insert(ObjectIdentifier(stored.slab)) }
            }
        }
        entries = entries.filter { read.contains(ObjectIdentifier($0.value.slab)) }
    }

    /// A loaded form; nil where it was never asked for.
    func find(_ slice: ParameterSlice, _ layout: WeightLayout) -> UnsafeMutableRawPointer? {
        entries[Key(slice, layout)]?.base
    }

    private func missing(_ programs: [LocalProgram]) -> [(key: Key, slice: ParameterSlice)] {
        var seen = Set<Key>()
        var wanted: [(key: Key, slice: ParameterSlice)] = []
        for program in programs {
            for (parameter, layout) in WeightUse.scan(program) {
                let slice = program.parameters[parameter]
                let key = Key(slice, layout)
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
        _ destination: UnsafeMutableRawPointer, _ key: Key, _ slice: ParameterSlice, _ temporary: TemporaryMemory
    ) throws(WeightError) {
        guard let source = sources[slice.spec.name] else { throw .missingSource(tensor: slice.spec.name) }
        switch key.layout {
        case .plain:
            try WeightReader(slice: slice, channelsLast: false).read(source, into: destination)
        case .packedBF16(let geometry, let channelsLast):
            try pack(geometry, .bf16, slice, source, channelsLast: channelsLast, temporary, into: destination)
        case .packedInt8(let geometry):
            try pack(geometry, .int8, slice, source, channelsLast: false, temporary, into: destination)
        case .packedF32(let geometry, let channelsLast):
            let reader = try WeightReader(slice: slice, channelsLast: channelsLast)
            let dtype = slice.dtype == .bf16 ? TK_BF16 : TK_F32
            let plain = try temporary.reserve(reader.byteCount)
            try reader.read(source, into: plain)
            MatrixProduct.packF32(geometry, plain, dtype, into: destination)
        }
    }

    private func pack(
        _ geometry: DotGeometry, _ form: ProductForm, _ slice: ParameterSlice, _ source: ParameterSource,
        channelsLast: Bool, _ temporary: TemporaryMemory, into destination: UnsafeMutableRawPointer
    ) throws(WeightError) {
        let reader = try WeightReader(slice: slice, channelsLast: channelsLast)
        guard reader.byteCount > 0 else { return }
        let (columns, rows) = (geometry.columns, WeightPacking.rowsAtOnce(geometry, form, isa))
        let plain = try temporary.reserve(min(rows, columns) * geometry.depth * slice.dtype.byteCount)
        try reader.open(source) { values in
            for first in stride(from: 0, to: columns, by: rows) {
                let some = first..<min(first + rows, columns)
                reader.read(values, rows: some, of: columns, into: plain)
                WeightPacking.pack(
                    geometry, form, isa, plain.assumingMemoryBound(to: UInt16.self), rows: some, into: destination)
            }
        }
    }
}

/// Where one thread puts a part of a weight before it is packed; goes back to the system when loading ends.
private final class TemporaryMemory {
    private var memory: AlignedMemory?

    /// At least so many bytes; what was there is lost.
    func reserve(_ byteCount: Int) throws(WeightError) -> UnsafeMutableRawPointer {
        if let memory, memory.byteCount >= byteCount { return memory.base }
        memory = nil
        guard let made = AlignedMemory(byteCount: byteCount) else { throw .outOfMemory(byteCount: byteCount) }
        memory = made
        return made.base
    }
}
