import Program
import Tensor
import Testing

struct CollectiveBuilderTests {
    private let builder = CollectiveBuilder(
        group: [0, 1, 2], axes: ["model"], source: 4, destination: 5, scope: "layer")
    private let shards = [0: Box([0..<5]), 1: Box([5..<6]), 2: Box([6..<16])]

    @Test("an all-gather moves each shard to every other device")
    func allGather() {
        let exchanges = builder.allGather(shards: shards)
        #expect(exchanges.count == 3)
        #expect(exchanges.values.allSatisfy { $0.kind == .allGather && $0.source == 4 && $0.destination == 5 })
        #expect(exchanges.values.reduce(0) { $0 + $1.sentByteCount(dtype: .bf16) } == 16 * 2 * 2)
        #expect(exchanges[1]?.receives.map(\.box) == [Box([0..<5]), Box([6..<16])])
    }

    @Test("the two phases of an all-reduce meet in equal shards and send less than one exchange")
    func allReduce() {
        let box = Box([0..<7, 0..<64])
        let nodes = Dictionary(
            uniqueKeysWithValues: (0..<3).map { ($0, ReductionTree.maximalNodes(of: $0..<$0 + 1, leafCount: 3)) })
        let oneShot = builder.allReduce(box, contributions: nodes, leafCount: 3)
        let (scatter, gather) = builder.allReduceInTwoPhases(box, contributions: nodes, leafCount: 3, shard: 9)
        func bytes(_ exchanges: [Int: Exchange], _ dtype: DType) -> Int {
            exchanges.values.reduce(0) { $0 + $1.sentByteCount(dtype: dtype) }
        }
        #expect(bytes(oneShot, .f32) == 6 * 7 * 64 * 4)
        #expect(bytes(scatter, .f32) == 2 * 7 * 64 * 4)
        #expect(bytes(gather, .bf16) == 2 * 7 * 64 * 2)
        #expect(scatter.values.allSatisfy { $0.source == 4 && $0.destination == 9 && $0.kind == .reduceScatter })
        #expect(gather.values.allSatisfy { $0.source == 9 && $0.destination == 5 && $0.kind == .allGather })
        guard case .sum(let contributors, let leafCount) = oneShot[2]?.reduction else {
            Issue.record("an all-reduce reduces")
            return
        }
        #expect(contributors.map(\.device) == [0, 1, 2] && leafCount == 3)
    }

    @Test("a permutation moves shards around a ring; those that nothing moves to get nothing")
    func permute() {
        let ring = builder.permute(shards: shards, to: [0: 1, 1: 2, 2: 0])
        #expect((0..<3).map { ring[$0]?.sends.map(\.peer) } == [[1], [2], [0]])
        let move = builder.permute(shards: shards, to: [0: 1])
        #expect(move[0]?.sends.count == 1 && move[0]?.receives.isEmpty == true && move[2]?.receives.isEmpty == true)
    }

    @Test("shards cover a box, differ by at most one element, and may be empty")
    func shardsOfABox() {
        for dims in [[7, 64], [1, 2], [2, 3], [0, 4], []] {
            let box = Box(covering: dims)
            let parts = builder.shards(of: box).values
            #expect(parts.reduce(0) { $0 + $1.elementCount } == box.elementCount, "\(dims)")
        }
        #expect(builder.shards(of: Box([3..<10, 0..<2]))[1] == Box([5..<7, 0..<2]))
    }
}
