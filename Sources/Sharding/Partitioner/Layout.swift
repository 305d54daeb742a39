import Program
import Tensor

/// Which part of a value every device holds.
struct Layout: Sendable, Hashable {
    /// Mesh axes of each dimension, major to minor.
    var dims: [[Int]]
    /// Dimensions that hold the rows that a convolution reads, not just their own.
    var windows: [Int: WindowedDim] = [:]

    struct WindowedDim: Sendable, Hashable {
        var window: Window
        /// The result dimension whose ranges decide the rows.
        var result: Dim
    }

    /// Nothing is split.
    static func replicated(rank: Int) -> Layout { Layout(dims: Array(repeating: [], count: rank)) }

    /// All axes used, ascending.
    var axes: [Int] { dims.flatMap { $0 }.sorted() }
}

/// Turns layouts into element ranges: cuts dimensions at granules, evenly or by the devices' speeds.
struct ShardGeometry {
    let mesh: Mesh
    private let coordinates: [[Int]]
    private var cuts: [CutKey: [Range<Int>]] = [:]
    private var groups: [[Int]: [[Int]]] = [:]
    private var boxes: [BoxKey: [Box]] = [:]

    private struct CutKey: Hashable {
        var granules: Int
        var axes: [Int]
    }

    private struct BoxKey: Hashable {
        var dims: [Dim]
        var layout: Layout
    }

    init(_ mesh: Mesh) {
        self.mesh = mesh
        coordinates = (0..<mesh.deviceCount).map { mesh.coordinates(of: $0) }
    }

    /// Granule range of a device in a dimension of `granules` granules split over `axes`.
    mutating func granules(_ granules: Int, axes: [Int], device: Int) -> Range<Int> {
        if axes.isEmpty { return 0..<granules }
        let key = CutKey(granules: granules, axes: axes)
        let ranges = cuts[key] ?? cut(granules, axes)
        cuts[key] = ranges
        return ranges[position(of: device, axes)]
    }

    /// Boxes of all devices.
    mutating func boxes(_ dims: [Dim], _ layout: Layout) -> [Box] {
        let key = BoxKey(dims: dims, layout: layout)
        if let known = boxes[key] { return known }
        var result: [Box] = []
        for device in 0..<mesh.deviceCount {
            var ranges: [Range<Int>] = []
            for (index, dim) in dims.enumerated() {
                let axes = layout.dims[index]
                if let windowed = layout.windows[index] {
                    let rows = windowed.result.elements(
                        granules(windowed.result.granuleCount, axes: axes, device: device))
                    ranges.append(windowed.window.operandRows(for: rows, size: dim.size))
                } else {
                    ranges.append(dim.elements(granules(dim.granuleCount, axes: axes, device: device)))
                }
            }
            result.append(Box(ranges))
        }
        boxes[key] = result
        return result
    }

    /// Devices in groups that differ only along `axes`, each ascending.
    mutating func groups(along axes: [Int]) -> [[Int]] {
        let key = Array(Set(axes)).sorted()
        if let known = groups[key] { return known }
        var byRest: [[Int]: [Int]] = [:]
        var order: [[Int]] = []
        for device in 0..<mesh.deviceCount {
            var rest = coordinates[device]
            for axis in key { rest[axis] = 0 }
            if byRest[rest] == nil { order.append(rest) }
            byRest[rest, default: []].append(device)
        }
        let result = order.map { byRest[$0] ?? [] }
        groups[key] = result
        return result
    }

    /// True where the device has coordinate 0 on every axis that is not among `axes`: one of each set of replicas.
    func isFirstReplica(_ device: Int, axes: [Int]) -> Bool {
        coordinates[device].indices.allSatisfy { axes.contains($0) || coordinates[device][$0] == 0 }
    }

    private func position(of device: Int, _ axes: [Int]) -> Int {
        axes.reduce(0) { $0 * mesh.axes[$1].size + coordinates[device][$1] }
    }

    /// Cuts along the major axis first, then each part along the next: splitting a split dimension further never moves
    /// an earlier cut, so that a shard of `[a, b]` lies inside the shard of `[a]`.
    private func cut(_ granules: Int, _ axes: [Int]) -> [Range<Int>] {
        var parts = [0..<granules]
        for (depth, axis) in axes.enumerated() {
            let path = Array(axes[...depth])
            let speeds = slowest(at: path)
            let size = mesh.axes[axis].size
            parts = parts.enumerated().flatMap { index, part in
                shares(of: part, speeds: Array(speeds[(index * size)..<((index + 1) * size)]))
            }
        }
        return parts
    }

    /// Speed of the slowest device at each position along `axes`.
    private func slowest(at axes: [Int]) -> [Double] {
        let count = axes.reduce(1) { $0 * mesh.axes[$1].size }
        var speeds = [Double](repeating: .infinity, count: count)
        for device in coordinates.indices {
            let index = position(of: device, axes)
            speeds[index] = min(speeds[index], mesh.speeds[device])
        }
        return speeds
    }

    /// Shares proportional to speeds, rounded by largest remainder, ties to the first.
    private func shares(of range: Range<Int>, speeds: [Double]) -> [Range<Int>] {
        let total = speeds.reduce(0, +)
        let exact = speeds.map { Double(range.count) * $0 / total }
        var shares = exact.map { Int($0.rounded(.down)) }
        let byRemainder = exact.indices.sorted {
            let (a, b) = (exact[$0] - Double(shares[$0]), exact[$1] - Double(shares[$1]))
            return abs(a - b) > 1e-9 ? a > b : $0 < $1
        }
        for index in byRemainder.prefix(range.count - shares.reduce(0, +)) { shares[index] += 1 }
        var start = range.lowerBound
        return shares.map { share in
            defer { start += share }
            return start..<(start + share)
        }
    }
}
