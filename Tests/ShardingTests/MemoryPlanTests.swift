import Testing

@testable import Sharding

@Suite("Memory plan")
struct MemoryPlanTests {
    @Test("Buffers alive together never overlap, for random lifetimes", arguments: 0..<50)
    func noOverlap(seed: Int) {
        var state = UInt64(seed) &* 0x9E37_79B9_7F4A_7C15 | 1
        func random(_ bound: Int) -> Int {
            state ^= state << 13
            state ^= state >> 7
            state ^= state << 17
            return Int(state % UInt64(bound))
        }
        let lifetimes = (0..<80).map { id in
            let first = random(60)
            return MemoryPlan.Lifetime(id: id, byteCount: random(5000), first: first, last: first + random(12))
        }
        var plan = MemoryPlan()
        let offsets = plan.place(lifetimes)
        for a in lifetimes {
            #expect((offsets[a.id] ?? -1) % 64 == 0)
            #expect((offsets[a.id] ?? 0) + a.byteCount <= plan.byteCount)
            for b in lifetimes where a.id < b.id && a.first <= b.last && b.first <= a.last {
                let (x, y) = (offsets[a.id] ?? 0, offsets[b.id] ?? 0)
                #expect(x + a.byteCount <= y || y + b.byteCount <= x, "buffers \(a.id) and \(b.id) overlap")
            }
        }
    }

    @Test("A chain of equal buffers needs two of them")
    func chain() {
        var plan = MemoryPlan()
        _ = plan.place((0..<10).map { MemoryPlan.Lifetime(id: $0, byteCount: 640, first: $0, last: $0 + 1) })
        #expect(plan.byteCount == 2 * 640)
    }
}
