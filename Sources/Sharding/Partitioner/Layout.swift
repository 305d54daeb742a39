import Program
import Tensor

/// Which part of a value every device holds, in terms of mesh axes.
struct Layout: Sendable, Hashable {
    /// How each dimension is cut.
    var dims: [DimCut]

    /// A cut of one dimension.
    struct DimCut: Sendable, Hashable {
        /// Axes, major to minor.
        var axes: [AxisRef] = []
        /// Equal parts that the cuts lie between, where these are not the dimension's granules: where a reshape merges
        /// dimensions, the indices of the outer one.
        var units: Int?
    }

    /// Cuts at granules.
    init(_ axes: [[AxisRef]]) { dims = axes.map { DimCut(axes: $0.merged) } }

    init(dims: [DimCut]) { self.dims = dims }

    /// Nothing is split.
    static func replicated(rank: Int) -> Layout { Layout(Array(repeating: [], count: rank)) }

    /// All axes used, in order of dimensions.
    var axes: [AxisRef] { dims.flatMap(\.axes) }
}

/// Turns layouts into element ranges: cuts dimensions at granules, evenly or by the devices' speeds.
struct ShardGeometry {
    let mesh: Mesh
    let coordinates: [[Int]]
    private var cuts: [CutKey: [Range<Int>]] = [:]
    private var groups: [[AxisRef]: [[Int]]] = [:]
    private var boxes: [BoxKey: Int] = [:]
    /// All sets of boxes that were made.
    var table = BoxTable()

    private struct CutKey: Hashable {
        var granules: Int
        var axes: [AxisRef]
    }

    private struct BoxKey: Hashable {
        var dims: [Dim]
        var layout: Layout
    }

    init(_ mesh: Mesh) {
        self.mesh = mesh
        coordinates = (0..<mesh.deviceCount).map { mesh.coordinates(of: $0) }
    }

    /// Granule ranges of all devices in a dimension of `granules` granules split over `axes`.
    mutating func granules(_ granules: Int, axes: [AxisRef]) -> [Range<Int>] {
        let key = CutKey(granules: granules, axes: axes.merged)
        if let known = cuts[key] { return known }
        let parts = cut(granules, key.axes)
        let ranges = coordinates.indices.map { parts[position(of: $0, key.axes)] }
        cuts[key] = ranges
        return ranges
    }

    /// Boxes of all devices in a layout, as a set of the table.
    mutating func set(_ dims: [Dim], _ layout: Layout) -> Int {
        let key = BoxKey(dims: dims, layout: layout)
        if let known = boxes[key] { return known }
        let ranges = zip(dims, layout.dims).map { dim, cut -> [Range<Int>] in
            if cut.axes.isEmpty { return [0..<dim.size] }
            guard let units = cut.units, units > 0, dim.size % units == 0 else {
                return granules(dim.granuleCount, axes: cut.axes).map { dim.elements($0) }
            }
            let size = dim.size / units
            return granules(units, axes: cut.axes).map { ($0.lowerBound * size)..<($0.upperBound * size) }
        }
        let result = coordinates.indices.map { device in
            Box(ranges.map { $0.count == 1 ? $0[0] : $0[device] })
        }
        let id = table.intern(result)
        boxes[key] = id
        return id
    }

    /// Devices in groups that differ only along `axes`, in order of their position along them.
    mutating func groups(along axes: [AxisRef]) -> [[Int]] {
        if let known = groups[axes] { return known }
        var byRest: [[Int]: [(position: Int, device: Int)]] = [:]
        var order: [[Int]] = []
        for device in coordinates.indices {
            var rest = coordinates[device]
            for ref in axes {
                let stride = mesh.axes[ref.axis].size / ref.end
                rest[ref.axis] -= ref.position(of: rest[ref.axis], axisSize: mesh.axes[ref.axis].size) * stride
            }
            if byRest[rest] == nil { order.append(rest) }
            byRest[rest, default: []].append((position(of: device, axes), device))
        }
        let result = order.map { rest in
            (byRest[rest] ?? []).sorted { $0.position < $1.position }.map(\.device)
        }
        groups[axes] = result
        return result
    }

    /// Position of a device along axes, major to minor.
    func position(of device: Int, _ axes: [AxisRef]) -> Int {
        axes.reduce(0) {
            $0 * $1.size + $1.position(of: coordinates[device][$1.axis], axisSize: mesh.axes[$1.axis].size)
        }
    }

    /// Mesh axes along which the boxes of a set differ.
    mutating func variedAxes(_ set: Int) -> [AxisRef] {
        if let known = table[set].varied { return known }
        let boxes = table[set].boxes
        let varied = mesh.axes.indices.filter { axis in
            mesh.axes[axis].size > 1
                && coordinates.indices.contains { device in
                    var first = coordinates[device]
                    if first[axis] == 0 { return false }
                    first[axis] = 0
                    return boxes[device] != boxes[mesh.device(at: first)]
                }
        }
        let result = varied.map { AxisRef($0, of: mesh) }
        table[set].varied = result
        return result
    }

    /// Cuts along the major axis first, then each part along the next: splitting a split dimension further never moves
    /// an earlier cut, so that a shard of `[a, b]` lies inside the shard of `[a]`.
    private func cut(_ granules: Int, _ axes: [AxisRef]) -> [Range<Int>] {
        var parts = [0..<granules]
        for (depth, ref) in axes.enumerated() {
            let speeds = slowest(at: Array(axes[...depth]))
            parts = parts.enumerated().flatMap { index, part in
                shares(of: part, speeds: Array(speeds[(index * ref.size)..<((index + 1) * ref.size)]))
            }
        }
        return parts
    }

    /// Speed of the slowest device at each position along `axes`.
    private func slowest(at axes: [AxisRef]) -> [Double] {
        var speeds = [Double](repeating: .infinity, count: axes.partCount)
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
