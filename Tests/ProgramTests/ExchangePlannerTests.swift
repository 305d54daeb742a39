import Program
import Tensor
import TestSupport
import Testing

/// Plans are judged by carrying them out on arrays whose elements are their own global positions.
struct ExchangePlannerTests {
    @Test("shards gathered, re-split, broadcast and exchanged with halos arrive where they are wanted")
    func redistribution() {
        let rows = [0: 0..<3, 1: 3..<3, 2: 3..<7].mapValues { Box([$0, 0..<5]) }
        let columns = [0: 0..<1, 1: 1..<4, 2: 4..<5].mapValues { Box([0..<7, $0]) }
        let whole = [0, 1, 2].reduce(into: [Int: Box]()) { $0[$1] = Box([0..<7, 0..<5]) }
        let halos = [0: 0..<4, 2: 2..<7].mapValues { Box([$0, 0..<5]) }
        for (held, wanted) in [
            (rows, whole), (rows, columns), (columns, rows), (whole, whole), (whole, columns), (rows, halos),
            ([1: Box([0..<7, 0..<5])], whole), (rows, [:]),
        ] {
            check(group: [0, 1, 2], held: held, wanted: wanted)
            check(group: [2, 0, 1], held: held, wanted: wanted)
        }
    }

    @Test("random splits and overlapping holdings arrive complete, and nothing travels that is there already")
    func randomRedistribution() {
        var generator = SeededGenerator(seed: 7)
        for _ in 0..<200 {
            let dims = [Int.random(in: 1...6, using: &generator), Int.random(in: 1...6, using: &generator), 3]
            let group = Array((0..<Int.random(in: 1...5, using: &generator)).map { $0 * 2 }.shuffled(using: &generator))
            var held: [Int: Box] = [:]
            let cut = Int.random(in: 0...1, using: &generator)
            var next = 0
            for (index, device) in group.enumerated() {
                let end = index == group.count - 1 ? dims[cut] : Int.random(in: next...dims[cut], using: &generator)
                var box = Box(covering: dims)
                box.ranges[cut] = max(0, next - Int.random(in: 0...1, using: &generator))..<end
                held[device] = box
                next = end
            }
            var wanted: [Int: Box] = [:]
            for device in group {
                wanted[device] = Box(
                    dims.map { size in
                        let lower = Int.random(in: 0...size, using: &generator)
                        return lower..<Int.random(in: lower...size, using: &generator)
                    })
            }
            check(group: group, held: held, wanted: wanted)
        }
    }

    @Test("what a device holds is copied, and only the rest travels")
    func localPartsDoNotTravel() {
        let held = [0: Box([0..<4]), 1: Box([4..<8])]
        let plan = ExchangePlanner.redistribute(
            device: 0, group: [0, 1], held: held, wanted: [0: Box([2..<6]), 1: Box([4..<8])])
        #expect(plan.sends.isEmpty)
        #expect(plan.receives == [Exchange.Transfer(peer: 1, box: Box([2..<4]))])
        #expect(plan.copies == [Exchange.LocalCopy(from: Box([2..<4]), to: Box([0..<2]))])
    }

    @Test("copies held by several devices are fetched from different ones")
    func replicasShareTheLoad() {
        let box = Box([0..<8])
        let held = [0: box, 1: box]
        let wanted = [2: box, 3: box]
        let sends = [0, 1].map {
            ExchangePlanner.redistribute(device: $0, group: [0, 2, 1, 3], held: held, wanted: wanted).sends.map(\.peer)
        }
        #expect(sends == [[3], [2]])
    }

    @Test("a scalar is broadcast")
    func scalar() {
        check(group: [0, 1], held: [1: Box([])], wanted: [0: Box([]), 1: Box([])])
    }

    @Test("a reduction sends all of a device's nodes, and only those who have nodes send")
    func reduction() {
        let box = Box([0..<4, 10..<16])
        let nodes: [Int: [ReductionTree.Node]] = [
            5: ReductionTree.maximalNodes(of: 3..<7, leafCount: 7),
            2: ReductionTree.maximalNodes(of: 0..<3, leafCount: 7), 9: [],
        ]
        let held = [2: box, 5: box, 9: box]
        let wanted = [2: Box([0..<4, 10..<13]), 9: Box([0..<4, 13..<16])]
        let plans = [2, 5, 9].map {
            ExchangePlanner.reduce(device: $0, group: [2, 5, 9], contributions: nodes, held: held, wanted: wanted)
        }
        let left = Box([0..<4, 0..<3])
        let right = Box([0..<4, 3..<6])
        #expect(plans[0].sends == [Exchange.Transfer(peer: 9, box: right, partials: 2)])
        #expect(plans[0].receives == [Exchange.Transfer(peer: 5, box: left, partials: 2)])
        #expect(plans[0].copies == [Exchange.LocalCopy(from: left, to: left)])
        #expect(
            plans[1].sends == [
                Exchange.Transfer(peer: 2, box: left, partials: 2), Exchange.Transfer(peer: 9, box: right, partials: 2),
            ])
        #expect(plans[1].receives.isEmpty && plans[1].copies.isEmpty)
        #expect(plans[2].sends.isEmpty && plans[2].copies.isEmpty)
        #expect(plans[2].receives.map(\.peer) == [2, 5] && plans[2].receives.allSatisfy { $0.box == left })
        for plan in plans { #expect(plan.contributors.map(\.device) == [2, 5]) }
    }

    @Test("a maximum takes one message from every device that holds something")
    func maximum() {
        let box = Box([0..<4, 0..<3])
        let plan = ExchangePlanner.combine(
            device: 1, group: [0, 1, 2], held: [0: box, 1: box], wanted: [0: box, 1: box, 2: box])
        #expect(plan.sends.map(\.peer) == [0, 2])
        #expect(plan.receives == [Exchange.Transfer(peer: 0, box: box)])
        #expect(plan.copies == [Exchange.LocalCopy(from: box, to: box)])
    }

    @Test("box subtraction covers exactly what is outside")
    func subtraction() {
        var generator = SeededGenerator(seed: 3)
        func box() -> Box {
            Box(
                (0..<3).map { _ in
                    let lower = Int.random(in: 0...4, using: &generator)
                    return lower..<Int.random(in: lower...5, using: &generator)
                })
        }
        for _ in 0..<500 {
            let (a, b) = (box(), box())
            let parts = a.subtracting(b)
            let expected = Set(positions(in: a)).subtracting(positions(in: b))
            #expect(parts.flatMap(positions).count == expected.count && Set(parts.flatMap(positions)) == expected)
            #expect(parts.allSatisfy { !$0.isEmpty })
        }
    }

    /// Carries a redistribution out and compares every destination with what it should be.
    private func check(
        group: [Int], held: [Int: Box], wanted: [Int: Box], sourceLocation: SourceLocation = #_sourceLocation
    ) {
        var plans: [Int: ExchangePlanner.Redistribution] = [:]
        for device in group {
            plans[device] = ExchangePlanner.redistribute(device: device, group: group, held: held, wanted: wanted)
        }
        for device in group {
            guard let plan = plans[device] else { continue }
            let target = wanted[device] ?? Box(held[device]?.ranges.map { _ in 0..<0 } ?? [0..<0])
            var found = [[Int]?](repeating: nil, count: target.elementCount)
            for copy in plan.copies {
                fill(&found, target, copy.to, with: elements(held[device], copy.from), sourceLocation)
            }
            for peer in group where peer != device {
                let sends = (plans[peer]?.sends ?? []).filter { $0.peer == device }
                let receives = plan.receives.filter { $0.peer == peer }
                #expect(sends.count == receives.count, sourceLocation: sourceLocation)
                for (send, receive) in zip(sends, receives) {
                    #expect(send.partials == 1 && receive.partials == 1, sourceLocation: sourceLocation)
                    fill(&found, target, receive.box, with: elements(held[peer], send.box), sourceLocation)
                }
            }
            #expect(found == positions(in: target), "device \(device) of \(group)", sourceLocation: sourceLocation)
        }
    }

    /// Global positions of the elements of a box relative to a buffer's.
    private func elements(_ holder: Box?, _ box: Box) -> [[Int]] {
        guard let holder else { return [] }
        return positions(in: box).map { zip($0, holder.ranges).map { $0 + $1.lowerBound } }
    }

    private func fill(
        _ found: inout [[Int]?], _ target: Box, _ box: Box, with values: [[Int]], _ sourceLocation: SourceLocation
    ) {
        let indices = positions(in: box).map { zip($0, target.dims).reduce(0) { $0 * $1.1 + $1.0 } }
        #expect(indices.count == values.count, sourceLocation: sourceLocation)
        for (index, value) in zip(indices, values) {
            #expect(found[index] == nil, "an element arrives once", sourceLocation: sourceLocation)
            found[index] = value
        }
    }
}

/// All positions in a box, row-major.
func positions(in box: Box) -> [[Int]] {
    box.ranges.reduce([[]]) { heads, range in heads.flatMap { head in range.map { head + [$0] } } }
}
