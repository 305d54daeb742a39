import CKernels
import Foundation
import Program
import Runtime
import Tensor
import Testing

/// Slices of files and generated weights.
struct WeightStoreTests {
    /// A program that returns parameters as they are.
    private func load(_ slices: [ParameterSlice], _ sources: [String: ParameterSource]) throws -> [HostTensor] {
        var program = LocalProgram(name: "weights", device: 0, parameters: slices)
        for (index, slice) in slices.enumerated() {
            program.buffers.append(
                LocalBuffer(
                    dtype: slice.dtype, dims: slice.spec.dims.map { Dim($0) }, box: slice.box,
                    storage: .parameter(index)))
            program.outputs.append(.init(name: "\(index)", buffer: index, isPrimary: true))
        }
        let executor = try Executor(
            program: program, weights: WeightStore(sources: sources), threads: ThreadPool(threads: 1))
        return try executor.run(
            inputs: [:], residents: ResidentStore(), request: 0,
            tag: FrameTag(epoch: 0, request: 0, step: 0, instruction: 0), fabric: NoFabric(), deadline: .seconds(1)
        ).map(\.tensor)
    }

    /// A file with some bytes before and after the tensor.
    private func withFile<R>(_ tensor: HostTensor, cutBy missing: Int = 0, _ body: (String, Int) throws -> R) throws
        -> R
    {
        let path = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString).path
        defer { try? FileManager.default.removeItem(atPath: path) }
        let bytes = [UInt8](repeating: 7, count: 13) + tensor.bytes
        try Data(bytes.dropLast(missing)).write(to: URL(fileURLWithPath: path))
        return try body(path, 13)
    }

    /// Bytes of this process that lie in memory.
    private static func residentByteCount() throws -> Int {
        let fields = try String(contentsOfFile: "/proc/self/statm", encoding: .utf8).split(separator: " ")
        return (Int(fields[1]) ?? 0) * 4096
    }

    /// Two loads of 128 MiB: what the second one needs keeps all of it, and of the first one nothing stays.
    @Test func weightsThatNoProgramReadsGoBackToTheSystem() throws {
        let count = 32 << 20
        let store = WeightStore(sources: ["a": .generated(seed: 1), "b": .generated(seed: 2)])
        func program(_ name: String) -> LocalProgram {
            let spec = ParameterSpec(
                name: name, part: "p", tensor: name, fileDims: [count], view: [count], permutation: [0])
            return LocalProgram(
                name: name, device: 0,
                buffers: [
                    LocalBuffer(dtype: .f32, dims: [Dim(count)], box: Box([0..<count]), storage: .parameter(0))
                ], parameters: [ParameterSlice(spec: spec, dtype: .f32, box: Box([0..<count]))],
                outputs: [.init(name: name, buffer: 0, isPrimary: false)])
        }
        let threads = ThreadPool(threads: 2)
        try store.load(for: [program("a")], threads: threads)
        try store.load(for: [program("b")], threads: threads)
        #expect(store.byteCount == 8 * count && store.missingByteCount(for: [program("a")]) == 0)
        let before = try Self.residentByteCount()
        store.keep(for: [program("b")])
        #expect(store.byteCount == 4 * count && store.missingByteCount(for: [program("a")]) == 4 * count)
        // Other tests run beside this one, but do not take half as much.
        #expect(try before - Self.residentByteCount() > 2 * count)
        store.keep(for: [])
        #expect(store.byteCount == 0)
    }

    @Test(arguments: [DType.f32, .bf16, .f16], [DType.f32, .bf16])
    func viewsPermutationsAndBoxes(_ stored: DType, _ kept: DType) throws {
        let sample = Sample.random(stored == .f16 ? .f32 : stored, [Dim(6), Dim(20), Dim(3)], seed: 1)
        let values = sample.values.map { stored == .f16 ? Double(Float16($0)) : $0 }
        let host =
            stored == .f16
            ? HostTensor(
                dtype: .f16, dims: [6, 20, 3],
                bytes: sample.values.flatMap { value in
                    withUnsafeBytes(of: Float16(value).bitPattern) { Array($0) }
                }) : sample.host
        try withFile(host) { path, offset in
            for (view, permutation, ranges) in [
                ([6, 20, 3], [0, 1, 2], [0..<6, 0..<20, 0..<3]), ([6, 20, 3], [2, 0, 1], [1..<3, 2..<6, 3..<17]),
                ([6, 4, 5, 3], [1, 3, 0, 2], [1..<4, 0..<3, 5..<6, 1..<5]), ([360], [0], [17..<300]),
                ([6, 60], [1, 0], [0..<0, 0..<6]), ([2, 180], [1, 0], [100..<180, 0..<2]),
            ] {
                let spec = ParameterSpec(
                    name: "w", part: "p", tensor: "t", fileDims: [6, 20, 3], view: view, permutation: permutation)
                let box = Box(ranges)
                let loaded = try load(
                    [ParameterSlice(spec: spec, dtype: kept, box: box)],
                    ["w": .file(path: path, offset: offset, dtype: stored)])[0]
                let expected = indices(box.dims).map { index -> Float in
                    var place = [Int](repeating: 0, count: view.count)
                    for (i, dimension) in permutation.enumerated() {
                        place[dimension] = index[i] + ranges[i].lowerBound
                    }
                    let value = Float(values[zip(place, view).reduce(0) { $0 * $1.1 + $1.0 }])
                    return kept == .bf16 ? BFloat16(value).float : value
                }
                #expect(loaded.dtype == kept && loaded.floats == expected)
            }
        }
    }

    /// Every half that there is, infinities, NaNs and subnormal numbers included.
    @Test func halvesConvertExactly() throws {
        let patterns = (0...UInt16.max).map { $0 }
        let bytes = patterns.flatMap { pattern in withUnsafeBytes(of: pattern) { Array($0) } }
        let out = [Float](unsafeUninitializedCapacity: patterns.count) { buffer, count in
            tk_read_weights(buffer.baseAddress, TK_F32, 1, bytes, TK_FILE_F16, patterns.count)
            count = patterns.count
        }
        let wrong = zip(patterns, out).filter { pattern, value in
            let exact = Float(Float16(bitPattern: pattern))
            return exact.isNaN ? !value.isNaN : exact != value
        }
        #expect(wrong.isEmpty)
    }

    @Test func generatedWeightsDoNotDependOnTheSlice() throws {
        let spec = ParameterSpec(
            name: "w", part: "p", tensor: "t", fileDims: [70, 91], permutation: [1, 0], generatedScale: 0.5,
            generatedMean: 1)
        let source: [String: ParameterSource] = ["w": .generated(seed: 0x1_0000_0007)]
        let whole = try load([ParameterSlice(spec: spec, dtype: .f32, box: Box(covering: [91, 70]))], source)[0].floats
        let mean = whole.reduce(0, +) / Float(whole.count)
        let variance = whole.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Float(whole.count)
        #expect(abs(mean - 1) < 0.03 && abs(variance.squareRoot() - 0.5) < 0.03)
        for ranges in [[0..<91, 3..<5], [17..<60, 1..<70], [90..<91, 69..<70]] {
            let slice = ParameterSlice(spec: spec, dtype: .f32, box: Box(ranges))
            #expect(try load([slice], source)[0].floats == part(whole, [91, 70], Box(ranges)))
        }
        var other = spec
        other.name = "v"
        let different = try load(
            [ParameterSlice(spec: other, dtype: .f32, box: Box(covering: [91, 70]))],
            ["v": .generated(seed: 0x1_0000_0007)])[0].floats
        #expect(zip(whole, different).filter { $0 == $1 }.count < whole.count / 50)
    }

    /// Element by element from Philox blocks; runs of any length from any element on, with gaps between them or not.
    @Test(arguments: [(1, 3), (0, 0.02), (-0.5, -0.1), (0, 1e-36)] as [(Float, Float)])
    func generatedValuesAreThoseOfTheirDefinition(mean: Float, scale: Float) {
        let (seed, hash): (UInt64, UInt64) = (0x1234_5678_9ABC_DEF0, 0xFEDC_BA98_7654_3210)
        func value(_ i: UInt64) -> Float {
            let block = i / 128 * 16 + i % 32 / 2
            let counter = [block, block >> 32, hash, hash >> 32].map { UInt32(truncatingIfNeeded: $0) }
            let words = Philox.words(
                counter: SIMD4(counter),
                key: SIMD2(UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32)))
            let half = words[Int(i / 32 % 4)] >> UInt32(i % 2 * 16)
            return mean + (scale * 9.568_392_3e-3) * Float(Int(half & 0xFF) + Int(half >> 8 & 0xFF) - 255)
        }
        // Block 2^32 begins at the value 2^35.
        let ends: [(UInt64, Int)] = [(0x8_0000_0000 - 16, 300), (0x8_0000_0000 - 640, 1500)]
        for (begin, count) in [(0, 128), (0, 1024), (3, 400), (127, 2), (50, 900), (257, 1), (7, 0)] + ends {
            let expected = (0..<count).map { value(begin + UInt64($0)) }
            for step in [1, 3] {
                var singles = [Float](repeating: -100, count: count * step + 1)
                tk_generate_weights(&singles, TK_F32, step, seed, hash, begin, count, mean, scale)
                var halves = [UInt16](repeating: 0x7777, count: count * step + 1)
                tk_generate_weights(&halves, TK_BF16, step, seed, hash, begin, count, mean, scale)
                for i in singles.indices {
                    let drawn = i % step == 0 && i / step < count ? expected[i / step] : nil
                    #expect(singles[i] == drawn ?? -100)
                    #expect(halves[i] == drawn.map { BFloat16($0).bitPattern } ?? 0x7777)
                }
            }
        }
    }

    /// Weights of more rows than are made at a time, with outer dimensions that parts cut across.
    @Test(arguments: [false, true]) func largeWeightsArePackedInParts(_ isPermuted: Bool) throws {
        let (groups, inner, depth) = (7, 45, 3000)
        let view = isPermuted ? [depth, inner, groups] : [groups, inner, depth]
        var spec = ParameterSpec(name: "w", part: "p", tensor: "t", fileDims: view)
        if isPermuted { spec.permutation = [2, 1, 0] }
        let box = Box([1..<groups, 0..<inner, 0..<depth])
        let slice = ParameterSlice(spec: spec, dtype: .bf16, box: box)
        let source: [String: ParameterSource] = ["w": .generated(seed: 3)]
        let plain = try load([slice], source)[0].floats
        // Row r of the left side picks one element of every row.
        let picked = [0, 1, 1499, 2998, 2999]
        var left = [UInt8](repeating: 0, count: picked.count * depth * 2)
        for (row, place) in picked.enumerated() {
            let byte = (row * depth + place) * 2
            (left[byte], left[byte + 1]) = (0x80, 0x3F)
        }
        let dims = [Dim(groups), Dim(inner), Dim(depth)]
        let program = LocalProgram(
            name: "product", device: 0,
            buffers: [
                LocalBuffer(
                    dtype: .bf16, dims: [Dim(picked.count), dims[2]], box: Box(covering: [picked.count, depth]),
                    storage: .arena(offset: 0)),
                LocalBuffer(dtype: .bf16, dims: dims, box: box, storage: .parameter(0)),
                LocalBuffer(
                    dtype: .f32, dims: [Dim(picked.count), dims[0], dims[1]],
                    box: Box([0..<picked.count, 1..<groups, 0..<inner]), storage: .arena(offset: 32768)),
            ], parameters: [slice], inputs: [.init(name: "x", buffer: 0)],
            outputs: [.init(name: "y", buffer: 2, isPrimary: true)],
            instructions: [
                .compute(
                    .init(opcode: .dot, operands: [0, 1], result: 2, attributes: ["contract": .int(1)], scope: "a"))
            ], arenaByteCount: 65536)
        let executor = try Executor(
            program: program, weights: WeightStore(sources: source), threads: ThreadPool(threads: 1))
        let product = try executor.run(
            inputs: ["x": HostTensor(dtype: .bf16, dims: [picked.count, depth], bytes: left)],
            residents: ResidentStore(), request: 0,
            tag: FrameTag(epoch: 0, request: 0, step: 0, instruction: 0), fabric: NoFabric(), deadline: .seconds(1)
        )[0].tensor.floats
        let columns = (groups - 1) * inner
        for (row, place) in picked.enumerated() {
            #expect(
                (0..<columns).allSatisfy { product[row * columns + $0] == plain[$0 * depth + place] }, "\(place)")
        }
    }

    @Test func oneSliceIsKeptOnceAndUnpackedFormsAreNot() throws {
        let spec = ParameterSpec(name: "w", part: "p", tensor: "t", fileDims: [64, 128])
        let slice = ParameterSlice(spec: spec, dtype: .bf16, box: Box(covering: [64, 128]))
        func program(_ name: String) -> LocalProgram {
            let dims = [Dim(4), Dim(128, granule: 64)]
            return LocalProgram(
                name: name, device: 0,
                buffers: [
                    LocalBuffer(dtype: .bf16, dims: dims, box: Box(covering: [4, 128]), storage: .arena(offset: 0)),
                    LocalBuffer(
                        dtype: .bf16, dims: [Dim(64), dims[1]], box: Box(covering: [64, 128]), storage: .parameter(0)),
                    LocalBuffer(
                        dtype: .bf16, dims: [Dim(4), Dim(64)], box: Box(covering: [4, 64]),
                        storage: .arena(offset: 1024)),
                ], parameters: [slice],
                instructions: [
                    .compute(
                        .init(
                            opcode: .dot, operands: [0, 1], result: 2, attributes: ["contract": .int(1)], scope: "a"))
                ], arenaByteCount: 2048)
        }
        let store = WeightStore(sources: ["w": .generated(seed: 1)])
        let first = program("first")
        #expect(store.missingByteCount(for: [first, program("second")]) == 64 * 128 * 2)
        var progress = 0
        try store.load(for: [first]) { progress += $0 }
        #expect(progress == store.byteCount && progress == 64 * 128 * 2)
        let executor = try Executor(program: program("second"), weights: store, threads: ThreadPool(threads: 1))
        #expect(executor.memory.weights == progress && executor.memory.arena == 2048)
    }

    @Test func errorsNameTensorAndFile() throws {
        let spec = ParameterSpec(name: "model.w", part: "p", tensor: "t", fileDims: [6, 20])
        let slice = ParameterSlice(spec: spec, dtype: .f32, box: Box(covering: [6, 20]))
        #expect(throws: WeightError.missingSource(tensor: "model.w")) { try load([slice], [:]) }
        #expect(throws: WeightError.missingFile(tensor: "model.w", path: "/nowhere/x", errno: ENOENT)) {
            try load([slice], ["model.w": .file(path: "/nowhere/x", offset: 0, dtype: .f32)])
        }
        try withFile(Sample.random(.f32, [Dim(6), Dim(20)], seed: 1).host, cutBy: 1) { path, offset in
            #expect(
                throws: WeightError.truncated(tensor: "model.w", path: path, needed: 493, actual: 492)
            ) { try load([slice], ["model.w": .file(path: path, offset: offset, dtype: .f32)]) }
            #expect(throws: WeightError.unsupportedType(tensor: "model.w", dtype: "i32")) {
                try load([slice], ["model.w": .file(path: path, offset: offset, dtype: .i32)])
            }
        }
        let folder = FileManager.default.temporaryDirectory.path
        #expect(throws: WeightError.self) {
            try load([slice], ["model.w": .file(path: folder, offset: 0, dtype: .f32)])
        }
        let outside = ParameterSlice(
            spec: ParameterSpec(name: "model.w", part: "p", tensor: "t", fileDims: [6, 20], view: [7, 20]), dtype: .f32,
            box: Box(covering: [6, 20]))
        #expect(throws: WeightError.self) { try load([outside], ["model.w": .generated(seed: 1)]) }
    }

    /// Known answers of the Philox authors' test vectors.
    @Test func philoxKnownAnswers() {
        for (key, counter, expected) in [
            ([0, 0], [0, 0, 0, 0], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
            (
                [0xffff_ffff, 0xffff_ffff], [0xffff_ffff, 0xffff_ffff, 0xffff_ffff, 0xffff_ffff],
                [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
            ),
            (
                [0xa409_3822, 0x299f_31d0], [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
            ),
        ] as [([UInt32], [UInt32], [UInt32])] {
            var out = [UInt32](repeating: 0, count: 4)
            tk_philox(key, counter, &out)
            #expect(out == expected)
        }
    }
}
