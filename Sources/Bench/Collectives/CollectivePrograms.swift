public import Program
import Sharding
import Tensor

/// Local programs that do nothing but one kind of collective, one after the other.
///
/// They hold the exchanges that the partitioner writes into models' programs: f32 partial sums travel to where they are
/// combined, results are rounded to bf16 and travel so; an all-reduce of few bytes sends all partial sums to everyone at
/// once, a larger one scatters them and gathers results. Nothing is computed, so that no worker comes late to a collective.
public enum CollectivePrograms {
    /// A collective that can be measured.
    public enum Kind: String, Sendable, Hashable, CaseIterable {
        /// Every worker gets the sum of all workers' values.
        case allReduce = "all-reduce"
        /// Every worker gets all workers' parts.
        case allGather = "all-gather"
        /// Every worker gets its part of the sum of all workers' values.
        case reduceScatter = "reduce-scatter"
    }

    /// Buffers of every program: partial sums of the whole, the own part of the result, the whole result.
    private enum Buffer: Int {
        case partials, part, whole
    }

    /// By rank: `count` collectives whose whole result has `elements` bf16 values.
    public static func locals(_ kind: Kind, elements: Int, count: Int, workers: Int) -> [LocalProgram] {
        precondition(workers >= 2 && elements >= workers, "a collective has workers, and each has a part of the result")
        let whole = Box([0..<elements])
        let group = Array(0..<workers)
        let parts = Dictionary(
            uniqueKeysWithValues: group.map {
                ($0, Box([(elements * $0 / workers)..<(elements * ($0 + 1) / workers)]))
            })
        let everyone = Dictionary(uniqueKeysWithValues: group.map { ($0, whole) })
        let isOneShot = kind == .allReduce && 4 * elements <= CompilerOptions().links.oneShotByteCount
        return group.map { device in
            let node = ReductionTree.maximalNodes(of: device..<(device + 1), leafCount: workers)
            let sizes = [4 * elements, 2 * (parts[device]?.elementCount ?? 0), 2 * elements].map(aligned)
            let dims = [Dim(elements, granule: 1)]
            var local = LocalProgram(
                name: "bench.\(kind.rawValue)", device: device,
                buffers: [
                    LocalBuffer(
                        dtype: .f32, dims: dims, box: whole, nodes: node, leafCount: workers,
                        storage: .arena(offset: 0)),
                    LocalBuffer(
                        dtype: .bf16, dims: dims, box: parts[device] ?? whole, storage: .arena(offset: sizes[0])),
                    LocalBuffer(
                        dtype: .bf16, dims: dims, box: whole, storage: .arena(offset: sizes[0] + sizes[1])),
                ])
            let staging = sizes.reduce(0, +)
            for index in 0..<count {
                let rounds: [Exchange] =
                    switch kind {
                    case .allReduce where isOneShot: [sum(.allReduce, device, everyone, everyone, to: .whole)]
                    case .allReduce:
                        [
                            sum(.allReduce, device, everyone, parts, to: .part),
                            gather(.allReduce, device, parts, everyone),
                        ]
                    case .allGather: [gather(.allGather, device, parts, everyone)]
                    case .reduceScatter: [sum(.reduceScatter, device, everyone, parts, to: .part)]
                    }
                for var round in rounds {
                    round.stagingOffset = staging
                    round.scope = "\(index)"
                    local.instructions += [
                        .exchangeStart(local.exchanges.count), .exchangeFinish(local.exchanges.count),
                    ]
                    local.exchanges.append(round)
                }
            }
            let room = local.exchanges.map { $0.stagingByteCount(dtype: local.buffers[$0.source].dtype) }.max() ?? 0
            local.arenaByteCount = staging + aligned(room)
            return local
        }
    }

    /// Partial sums of the whole combined into these boxes.
    private static func sum(
        _ kind: CollectiveKind, _ device: Int, _ held: [Int: Box], _ wanted: [Int: Box], to destination: Buffer
    ) -> Exchange {
        let group = held.keys.sorted()
        let nodes = held.keys.map {
            ($0, ReductionTree.maximalNodes(of: $0..<($0 + 1), leafCount: group.count))
        }
        let lists = ExchangePlanner.reduce(
            device: device, group: group, contributions: Dictionary(uniqueKeysWithValues: nodes), held: held,
            wanted: wanted)
        return Exchange(
            kind: kind, axes: ["model"], source: Buffer.partials.rawValue, destination: destination.rawValue,
            sends: lists.sends, receives: lists.receives, copies: lists.copies,
            reduction: .sum(contributors: lists.contributors, leafCount: group.count))
    }

    /// Parts gathered into the whole.
    private static func gather(
        _ kind: CollectiveKind, _ device: Int, _ parts: [Int: Box], _ wanted: [Int: Box]
    ) -> Exchange {
        let lists = ExchangePlanner.redistribute(
            device: device, group: parts.keys.sorted(), held: parts, wanted: wanted)
        return Exchange(
            kind: kind, axes: ["model"], source: Buffer.part.rawValue, destination: Buffer.whole.rawValue,
            sends: lists.sends, receives: lists.receives, copies: lists.copies)
    }

    private static func aligned(_ byteCount: Int) -> Int { (byteCount + 63) / 64 * 64 }
}
