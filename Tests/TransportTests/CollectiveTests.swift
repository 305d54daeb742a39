import Program
import Tensor
import Testing
import Transport

/// The named collectives carried out over both fabrics, with uneven and empty shards, on integers, so that sums are exact.
@Suite("Collectives over fabrics")
struct CollectiveTests {
    private static let whole = Box(covering: [7, 5])
    private static let rows = [0: 0..<1, 1: 1..<1, 2: 1..<7].mapValues { Box([$0, 0..<5]) }
    private static let columns = [0: 0..<3, 1: 3..<5, 2: 5..<5].mapValues { Box([0..<7, $0]) }
    private let builder = CollectiveBuilder(group: [0, 1, 2], source: 0, destination: 1)

    @Test("all-gather leaves everybody the whole", arguments: FabricKind.allCases)
    func allGather(kind: FabricKind) async {
        let exchanges = builder.allGather(shards: Self.rows)
        await check(kind, exchanges, held: Self.rows, wanted: [0: Self.whole, 1: Self.whole, 2: Self.whole])
    }

    @Test("all-to-all turns rows into columns", arguments: FabricKind.allCases)
    func allToAll(kind: FabricKind) async {
        let exchanges = builder.allToAll(from: Self.rows, to: Self.columns)
        await check(kind, exchanges, held: Self.rows, wanted: Self.columns)
    }

    @Test("broadcast copies one rank's value", arguments: FabricKind.allCases)
    func broadcast(kind: FabricKind) async {
        let exchanges = builder.broadcast(Self.whole, from: 1)
        await check(
            kind, exchanges, held: [1: Self.whole], wanted: [0: Self.whole, 1: Self.whole, 2: Self.whole])
    }

    @Test("a permutation moves shards around", arguments: FabricKind.allCases)
    func permute(kind: FabricKind) async {
        let exchanges = builder.permute(shards: Self.rows, to: [0: 2, 1: 0, 2: 1])
        let wanted = [0: Self.rows[1], 1: Self.rows[2], 2: Self.rows[0]].compactMapValues { $0 }
        await check(kind, exchanges, held: Self.rows, wanted: wanted)
    }

    @Test("a halo exchange adds the neighbours' rows", arguments: FabricKind.allCases)
    func haloExchange(kind: FabricKind) async {
        let wanted = [0: Box([0..<2, 0..<5]), 2: Box([0..<7, 0..<5])]
        let exchanges = builder.haloExchange(shards: Self.rows, wanted: wanted)
        await check(kind, exchanges, held: Self.rows, wanted: wanted)
    }

    @Test("reduce-scatter, and all-reduce in one or two phases, sum everything", arguments: FabricKind.allCases)
    func reductions(kind: FabricKind) async {
        // Rank 0 holds one of 7 segments, rank 1 none, rank 2 six of them in three tree nodes.
        let nodes = [0: 0..<1, 1: 1..<1, 2: 1..<7].mapValues { ReductionTree.maximalNodes(of: $0, leafCount: 7) }
        let everywhere = [0: Self.whole, 1: Self.whole, 2: Self.whole]
        let scatter = builder.reduceScatter(Self.whole, contributions: nodes, leafCount: 7, shards: Self.columns)
        let oneShot = builder.allReduce(Self.whole, contributions: nodes, leafCount: 7)
        let phases = builder.allReduceInTwoPhases(Self.whole, contributions: nodes, leafCount: 7, shard: 2)
        let shards = builder.shards(of: Self.whole)
        let failures = await withRanks(kind, 3) { fabric in
            let rank = fabric.rank
            let own = nodes[rank] ?? []
            let partials = Part(box: Self.whole) { position in own.map { Self.value(position) * ($0.first + 1) } }
            func sum(_ box: Box?) -> Part? {
                let factor = nodes.values.joined().reduce(0) { $0 + $1.first + 1 }
                return box.map { Part(box: $0) { [Self.value($0) * factor] } }
            }
            let scattered = try run(scatter, partials, Self.columns[rank], tag(0), over: fabric)
            #expect(scattered == sum(Self.columns[rank]))
            let reduced = try run(oneShot, partials, Self.whole, tag(1), over: fabric)
            #expect(reduced == sum(everywhere[rank]))
            let shard = try run(phases.scatter, partials, shards[rank], tag(2), over: fabric)
            #expect(shard == sum(shards[rank]))
            #expect(try run(phases.gather, shard, Self.whole, tag(3), over: fabric) == sum(everywhere[rank]))
        }
        #expect(failures.isEmpty, "\(failures)")
    }

    /// Runs a movement of data on elements that tell their position.
    private func check(
        _ kind: FabricKind, _ exchanges: [Int: Exchange], held: [Int: Box], wanted: [Int: Box]
    ) async {
        let failures = await withRanks(kind, 3) { fabric in
            func part(_ box: Box?) -> Part? { box.map { Part(box: $0) { [Self.value($0)] } } }
            let found = try run(exchanges, part(held[fabric.rank]), wanted[fabric.rank], tag(0), over: fabric)
            #expect(found == part(wanted[fabric.rank]))
            let bytes = exchanges[fabric.rank]?.sentByteCount(dtype: .i32)
            #expect(fabric.sentByteCount == bytes)
        }
        #expect(failures.isEmpty, "\(failures)")
    }

    private static func value(_ position: [Int]) -> Int { position.reduce(1) { $0 * 10 + $1 } }
}

/// What a rank holds of a value: for each partial result, the elements of a box.
private struct Part: Equatable {
    let box: Box
    /// By partial result, then row-major.
    var partials: [[Int32]]

    /// Elements by global position: one number a partial result.
    init(box: Box, _ element: ([Int]) -> [Int]) {
        self.box = box
        let elements = Part.positions(in: box).map(element)
        let count = element(box.ranges.map(\.lowerBound)).count
        partials = (0..<count).map { index in elements.map { Int32($0[index]) } }
    }

    /// Elements of a box relative to this one's, of all partial results one after the other.
    func elements(in part: Box) -> [Int32] {
        let indices = Part.indices(of: part, in: box)
        return partials.flatMap { partial in indices.map { partial[$0] } }
    }

    static func indices(of part: Box, in box: Box) -> [Int] {
        positions(in: part).map { zip($0, box.dims).reduce(0) { $0 * $1.1 + $1.0 } }
    }

    private static func positions(in box: Box) -> [[Int]] {
        box.ranges.reduce([[]]) { heads, range in heads.flatMap { head in range.map { head + [$0] } } }
    }
}

/// The simplest executor of one exchange: sends, keeps its own part, receives; sums where the exchange reduces.
private func run(
    _ exchanges: [Int: Exchange], _ source: Part?, _ target: Box?, _ tag: FrameTag, over fabric: any Fabric
) throws -> Part? {
    guard let exchange = exchanges[fabric.rank] else { return nil }
    for send in exchange.sends {
        guard let elements = source?.elements(in: send.box) else { continue }
        try elements.withUnsafeBytes { try fabric.send(to: send.peer, tag: tag, bytes: $0) }
    }
    var result = target.map { Part(box: $0) { _ in [0] } }
    func add(_ elements: [Int32], at box: Box) {
        guard let target, box.elementCount > 0 else { return }
        let indices = Part.indices(of: box, in: target)
        for (offset, element) in elements.enumerated() {
            result?.partials[0][indices[offset % indices.count]] += element
        }
    }
    for copy in exchange.copies { add(source?.elements(in: copy.from) ?? [], at: copy.to) }
    for receive in exchange.receives {
        var elements = [Int32](repeating: 0, count: receive.box.elementCount * receive.partials)
        try elements.withUnsafeMutableBytes {
            try fabric.receive(from: receive.peer, tag: tag, into: $0, deadline: .seconds(60))
        }
        add(elements, at: receive.box)
    }
    return result
}
