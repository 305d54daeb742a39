import Program
import Sharding
import Tensor

/// The small programs that a calibration runs.
///
/// Each is a chain of equal operations on generated values, long enough that a call takes much longer than its message to
/// the worker; every worker runs the whole of it.
enum CalibrationPrograms {
    /// A chain of matrix products `[rows, size] x [size, size]`, each with weights of its own, so that they come from
    /// memory as a model's do, and like a model's in sixteen segments.
    static func products(
        _ precision: MachineProfile.Precision, rows: Int, size: Int, count: Int
    ) -> Program {
        let granule = size / 16
        var attributes: Attributes = ["contract": .int(1)]
        if precision == .int8 { attributes.values["precision"] = .text("int8") }
        let dtype: DType = precision == .f32 ? .f32 : .bf16
        return chain("products", dtype, [rows, size], granules: [nil, granule], count: count) { graph, x, index in
            let weight = graph.parameter(
                spec("products.\(precision.rawValue).\(size).\(index)", [size, size], 1 / Double(size).squareRoot()),
                granules: [granule, granule])
            return graph.add(.dot, [x, weight], attributes)
        }
    }

    /// A chain of attentions over `tokens` positions with 16 heads of 64.
    static func attentions(_ dtype: DType, tokens: Int, count: Int) -> Program {
        chain("attentions", dtype, [1, tokens, 16, 64], count: count) { graph, x, _ in
            graph.add(
                .attention, [x, x, x],
                ["queryDims": .int(1), "keyDims": .int(1), "causal": .int(0), "scale": .float(0.125)])
        }
    }

    /// A chain of gelus.
    static func gelus(_ dtype: DType, elements: Int, count: Int) -> Program {
        chain("gelus", dtype, [elements / 1024, 1024], count: count) { graph, x, _ in
            graph.add(.activation, [x], ["kind": .text("gelu")])
        }
    }

    /// A chain of additions of f32: reads two operands, writes one result.
    static func additions(elements: Int, count: Int) -> Program {
        chain("additions", .f32, [elements / 1024, 1024], count: count) { graph, x, _ in graph.add(.add, [x, x]) }
    }

    private static func chain(
        _ name: String, _ dtype: DType, _ dims: [Int], granules: [Int?] = [], count: Int,
        link: (inout ProgramBuilder, Program.ValueID, Int) -> Program.ValueID
    ) -> Program {
        var graph = ProgramBuilder(name: "calibration.\(name)", activation: dtype)
        // Small: 24 additions of a value to itself make it 16 million times larger.
        let start = graph.parameter(
            spec("start.\(dtype.rawValue).\(dims.map(String.init).joined(separator: "x"))", dims, 1e-3),
            granules: granules)
        var x = start
        for index in 0..<count { x = graph.scope("\(index)") { link(&$0, x, index) } }
        // One number tells that all was computed, and is quick to send.
        let dims = Array(dims.indices)
        graph.output("sum", graph.add(.reduce, [x], ["dims": .ints(dims), "kind": .text("max")]))
        return graph.program
    }

    private static func spec(_ name: String, _ dims: [Int], _ scale: Double) -> ParameterSpec {
        ParameterSpec(
            name: "calibration.\(name)", part: "calibration", tensor: name, fileDims: dims, generatedScale: scale)
    }

    /// Each pair swaps `count` messages of `byteCount` bytes, one after the other.
    ///
    /// What a message brought is what the next one sends. Devices that are in no pair do nothing.
    static func swaps(_ pairs: [(Int, Int)], deviceCount: Int, byteCount: Int, count: Int) -> [LocalProgram] {
        var peers: [Int: Int] = [:]
        for (first, second) in pairs { (peers[first], peers[second]) = (second, first) }
        let elements = max(1, byteCount / 4)
        let size = (4 * elements + 63) / 64 * 64
        let box = Box([0..<elements])
        return (0..<deviceCount).map { device in
            guard let peer = peers[device] else { return LocalProgram(name: "calibration.swaps", device: device) }
            let buffers = (0..<2).map {
                LocalBuffer(dtype: .f32, dims: [Dim(elements)], box: box, storage: .arena(offset: $0 * size))
            }
            let transfer = Exchange.Transfer(peer: peer, box: box)
            let exchanges = (0..<count).map { index in
                Exchange(
                    kind: .permute, axes: [], source: index % 2, destination: 1 - index % 2, sends: [transfer],
                    receives: [transfer], copies: [], stagingOffset: 2 * size, scope: "calibration")
            }
            return LocalProgram(
                name: "calibration.swaps", device: device, buffers: buffers,
                instructions: exchanges.indices.flatMap { [.exchangeStart($0), .exchangeFinish($0)] },
                exchanges: exchanges, arenaByteCount: 4 * size)
        }
    }

    /// Rounds in which every two devices meet once and no device meets two at a time (the circle method).
    static func rounds(_ deviceCount: Int) -> [[(Int, Int)]] {
        guard deviceCount > 1 else { return [] }
        // With an odd number one sits out in every round.
        let seats = deviceCount + deviceCount % 2
        return (0..<(seats - 1)).map { round in
            (0..<(seats / 2)).compactMap { place in
                let first = place == 0 ? seats - 1 : (round + place) % (seats - 1)
                let second = (round - place + seats - 1) % (seats - 1)
                guard first < deviceCount, second < deviceCount else { return nil }
                return (min(first, second), max(first, second))
            }
        }
    }
}
