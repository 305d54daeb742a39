import Foundation
import Program
import Runtime
import Synchronization
import Tensor
import TestSupport
import Testing

/// Collectives between devices of one process, written as exchanges by hand.
struct ExchangeTests {
    /// Each device's part before and after; every device works out its transfers from these.
    struct Plan {
        let dims: [Dim]
        let sources: [Box]
        let destinations: [Box]
        var nodes: [[ReductionTree.Node]]?
        var leafCount = 0
        var reduction: Exchange.Reduction?
        var outType: DType = .f32
        /// Who gives what, where several devices hold an element: the first that holds it, else all (reductions).
        var kind: CollectiveKind = .permute
    }

    /// The program of a device: input, start, finish, output.
    private func program(_ plan: Plan, device: Int) -> LocalProgram {
        let size = plan.sources.count
        let (source, destination) = (plan.sources[device], plan.destinations[device])
        var sends: [Exchange.Transfer] = []
        var receives: [Exchange.Transfer] = []
        var copies: [Exchange.LocalCopy] = []
        for peer in 0..<size {
            let out = giver(plan, device, peer)
            if let out, peer == device {
                copies.append(.init(from: out.relative(to: source), to: out.relative(to: destination)))
            } else if let out {
                let partials = plan.nodes?[device].count ?? 1
                if partials > 0 { sends.append(.init(peer: peer, box: out.relative(to: source), partials: partials)) }
            }
            if peer != device, let box = giver(plan, peer, device) {
                let partials = plan.nodes?[peer].count ?? 1
                if partials > 0 {
                    receives.append(.init(peer: peer, box: box.relative(to: destination), partials: partials))
                }
            }
        }
        var buffer = LocalBuffer(
            dtype: .f32, dims: plan.dims, box: source, nodes: plan.nodes?[device], leafCount: plan.leafCount,
            storage: .arena(offset: 0))
        var exchange = Exchange(
            kind: plan.kind, axes: ["x"], source: 0, destination: 1, sends: sends, receives: receives, copies: copies,
            reduction: plan.reduction, scope: "test")
        let outOffset = (buffer.byteCount + 63) / 64 * 64
        let out = LocalBuffer(
            dtype: plan.outType, dims: plan.dims, box: destination, storage: .arena(offset: outOffset))
        exchange.stagingOffset = outOffset + (out.byteCount + 63) / 64 * 64
        let arena = exchange.stagingOffset + exchange.stagingByteCount(dtype: .f32)
        // The input is seen as a tensor of its own: [nodes] + part.
        let shape = (plan.nodes.map { [$0[device].count] } ?? []) + source.dims
        let view = LocalBuffer(
            dtype: .f32, dims: shape.map { Dim($0) }, box: Box(covering: shape), storage: .arena(offset: 0))
        buffer.storage = .arena(offset: 0)
        return LocalProgram(
            name: "exchange", device: device, buffers: [buffer, out, view], inputs: [.init(name: "x", buffer: 2)],
            outputs: [.init(name: "y", buffer: 1, isPrimary: true)],
            instructions: [.exchangeStart(0), .exchangeFinish(0)], exchanges: [exchange], arenaByteCount: arena)
    }

    /// What `from` gives to `to`: nil for nothing.
    private func giver(_ plan: Plan, _ from: Int, _ to: Int) -> Box? {
        let common = plan.sources[from].intersection(plan.destinations[to])
        if common.isEmpty { return nil }
        if plan.reduction != nil { return common }
        // Pure movement: every element comes from the receiver itself or else from the first holder.
        if from != to && plan.sources[to].contains(common) { return nil }
        let isFirst = !plan.sources[..<from].contains { $0.contains(common) }
        return from == to || isFirst ? common : nil
    }

    /// Runs all devices on threads of their own.
    private func run(_ plan: Plan, _ inputs: [HostTensor]) throws -> [HostTensor] {
        let network = TestNetwork()
        let size = plan.sources.count
        let programs = (0..<size).map { program(plan, device: $0) }
        let results = Mutex<[Int: Result<HostTensor, any Error>]>([:])
        let group = DispatchGroup()
        for device in 0..<size {
            group.enter()
            let (local, input) = (programs[device], inputs[device])
            let thread = Thread {
                let result = Result { () throws -> HostTensor in
                    let executor = try Executor(
                        program: local, weights: WeightStore(sources: [:]), threads: ThreadPool(threads: 1))
                    let fabric = TestFabric(rank: device, size: size, network: network)
                    let outputs = try executor.run(
                        inputs: ["x": input], residents: ResidentStore(), request: 1,
                        tag: FrameTag(epoch: 1, request: 1, step: 3, instruction: 9), fabric: fabric,
                        deadline: .seconds(60))
                    return outputs[0].tensor
                }
                results.withLock { $0[device] = result }
                group.leave()
            }
            thread.start()
        }
        group.wait()
        let all = results.withLock { $0 }
        return try (0..<size).map { try #require(all[$0]).get() }
    }

    private func whole(_ sizes: [Int]) -> [Float] { (0..<sizes.reduce(1, *)).map { Float($0) + 0.5 } }

    /// Moves parts of a tensor and checks every device's result.
    private func checkMove(
        _ sizes: [Int], _ sources: [Box], _ destinations: [Box], sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        let values = whole(sizes)
        let plan = Plan(dims: sizes.map { Dim($0, granule: 1) }, sources: sources, destinations: destinations)
        let inputs = sources.map { HostTensor(part(values, sizes, $0), dims: $0.dims) }
        for (result, box) in zip(try run(plan, inputs), destinations) {
            #expect(result.floats == part(values, sizes, box), sourceLocation: sourceLocation)
        }
    }

    private func cut(_ sizes: [Int], _ dimension: Int, _ bounds: [Int]) -> [Box] {
        zip(bounds, bounds.dropFirst()).map { lower, upper in
            var box = Box(covering: sizes)
            box.ranges[dimension] = lower..<upper
            return box
        }
    }

    @Test func movements() throws {
        let sizes = [7, 5, 3]
        let (all, rows, columns) = (
            Box(covering: sizes), cut(sizes, 0, [0, 3, 3, 7]), cut(sizes, 1, [0, 1, 4, 5])
        )
        try checkMove(sizes, rows, [all, all, all])  // all-gather, one part empty
        try checkMove(sizes, columns, [all, all, all])  // all-gather of strided parts
        try checkMove(sizes, rows, columns)  // all-to-all
        try checkMove(sizes, columns, rows)
        try checkMove(sizes, rows, [rows[2], rows[0], rows[1]])  // permute
        try checkMove(sizes, [all, all, all], columns)  // slice: no messages
        let empty = cut(sizes, 0, [0, 0])[0]
        try checkMove(sizes, [all, empty, empty], [all, all, all])  // broadcast
        // Halo: each device's rows and one more on each side.
        try checkMove(
            sizes, cut(sizes, 0, [0, 3, 5, 7]),
            [cut(sizes, 0, [0, 4])[0], cut(sizes, 0, [2, 6])[0], cut(sizes, 0, [4, 7])[0]])
    }

    @Test(arguments: [DType.f32, .bf16])
    func sums(_ outType: DType) throws {
        let sizes = [5, 4, 6]
        let all = Box(covering: sizes)
        let leafCount = 11
        let ranges = [0..<4, 4..<4, 4..<11]
        let nodes = ranges.map { ReductionTree.maximalNodes(of: $0, leafCount: leafCount) }
        var generator = SeededGenerator(seed: 5)
        let leaves = (0..<leafCount).map { _ in
            (0..<120).map { _ in Float.random(in: -1...1, using: &generator) }
        }
        let inputs = nodes.map { own in
            HostTensor(own.flatMap { node(leaves, $0) } as [Float], dims: [own.count] + sizes)
        }
        let total = node(leaves, ReductionTree.Node(first: 0, level: 4)).map {
            outType == .bf16 ? BFloat16($0).float : $0
        }
        let contributors = (0..<3).map { Exchange.Contributor(device: $0, nodes: nodes[$0]) }
        for destinations in [
            [all, all, all], cut(sizes, 0, [0, 2, 4, 5]), cut(sizes, 1, [0, 0, 1, 4]), cut(sizes, 2, [0, 5, 6, 6]),
        ] {
            let plan = Plan(
                dims: sizes.map { Dim($0, granule: 1) }, sources: [all, all, all], destinations: destinations,
                nodes: nodes, leafCount: leafCount,
                reduction: .sum(contributors: contributors, leafCount: leafCount), outType: outType)
            for (result, box) in zip(try run(plan, inputs), destinations) {
                #expect(result.floats == part(total, sizes, box))
            }
        }
    }

    /// The value of a tree node, child by child.
    private func node(_ leaves: [[Float]], _ node: ReductionTree.Node) -> [Float] {
        if node.level == 0 { return leaves[node.first] }
        let half = 1 << (node.level - 1)
        let left = self.node(leaves, .init(first: node.first, level: node.level - 1))
        guard node.first + half < leaves.count else { return left }
        return zip(left, self.node(leaves, .init(first: node.first + half, level: node.level - 1))).map { $0 + $1 }
    }

    @Test func maxima() throws {
        let sizes = [4, 5, 3]
        let all = Box(covering: sizes)
        var generator = SeededGenerator(seed: 6)
        let parts = (0..<3).map { _ in (0..<60).map { _ in Float.random(in: -1...1, using: &generator) } }
        let inputs = parts.map { HostTensor($0, dims: sizes) }
        let greatest = (0..<60).map { i in parts.map { $0[i] }.max() ?? 0 }
        for destinations in [[all, all, all], cut(sizes, 1, [0, 2, 2, 5])] {
            let plan = Plan(
                dims: sizes.map { Dim($0, granule: 1) }, sources: [all, all, all], destinations: destinations,
                reduction: .max)
            for (result, box) in zip(try run(plan, inputs), destinations) {
                #expect(result.floats == part(greatest, sizes, box))
            }
        }
    }

    @Test func argMaximaKeepTheLowerIndex() throws {
        let all = Box(covering: [2, 3])
        let inputs = [
            HostTensor([1, 7, 70, -Float.infinity, 16_777_216, 0] as [Float], dims: [2, 3]),
            HostTensor([1, 4, 40, 2, 9, 90] as [Float], dims: [2, 3]),
            HostTensor([0.5, 1, 10, 3, 2, 20] as [Float], dims: [2, 3]),
        ]
        let plan = Plan(
            dims: [Dim(2), Dim(3)], sources: [all, all, all], destinations: [all, all, all], reduction: .argMax)
        for result in try run(plan, inputs) { #expect(result.floats == [1, 4, 40, 3, 2, 20]) }
    }
}
