import Program

/// Which workers stand where in a mesh.
enum MeshPlacement {
    /// All workers, the fastest first; among equals the one that the last is connected best with.
    static func order(_ profile: MachineProfile, speeds: [Double]) -> [Int] {
        var rest = Array(profile.workers.indices)
        var result: [Int] = []
        while !rest.isEmpty {
            let fastest = rest.reduce(0) { max($0, speeds[$1]) }
            let equals = rest.filter { speeds[$0] >= 0.95 * fastest }
            let next = nearest(to: result.last, among: equals, profile)
            result.append(next)
            rest.removeAll { $0 == next }
        }
        return result
    }

    /// Orders in which some workers may be put into a mesh: along their links; and, where speeds differ, so that each
    /// group along the last axis has slow and fast ones.
    static func placements(
        _ workers: [Int], axes: [Mesh.Axis], profile: MachineProfile, speeds: [Double]
    ) -> [[Int]] {
        var chain: [Int] = []
        var rest = workers
        while !rest.isEmpty {
            let next = nearest(to: chain.last, among: rest, profile)
            chain.append(next)
            rest.removeAll { $0 == next }
        }
        var result = [chain]
        guard Set(workers.map { speeds[$0] }).count > 1, let inner = axes.last?.size, axes.count > 1 else {
            return result
        }
        let outer = workers.count / inner
        let mixed = (0..<outer).flatMap { row in (0..<inner).map { workers[$0 * outer + row] } }
        for placement in [workers, mixed] where !result.contains(placement) { result.append(placement) }
        return result
    }

    private static func nearest(to last: Int?, among workers: [Int], _ profile: MachineProfile) -> Int {
        guard let last else { return workers[0] }
        // The size of message that layers exchange.
        func cost(_ worker: Int) -> Double { profile[last, worker].seconds(1 << 20) }
        return workers.reduce(workers[0]) { cost($1) < 0.9 * cost($0) ? $1 : $0 }
    }
}
