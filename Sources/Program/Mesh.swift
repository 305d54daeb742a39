/// A named n-dimensional arrangement of devices; axes are ordered, device ids are row-major over them.
public struct Mesh: Sendable, Hashable {
    /// One axis.
    public struct Axis: Sendable, Hashable {
        /// Its name in `cluster.yaml`.
        public let name: String
        /// Devices along it.
        public let size: Int

        /// Makes an axis.
        public init(_ name: String, _ size: Int) {
            precondition(size >= 1, "a mesh axis has at least one device")
            self.name = name
            self.size = size
        }
    }

    /// The axes, outermost first.
    public let axes: [Axis]
    /// Relative speed of each device; shards along an axis are proportional to the slowest device at each coordinate.
    public let speeds: [Double]

    /// Makes a mesh; without speeds all devices are equal.
    public init(_ axes: [Axis], speeds: [Double]? = nil) {
        let count = axes.reduce(1) { $0 * $1.size }
        precondition(Set(axes.map(\.name)).count == axes.count, "mesh axes have different names")
        precondition(speeds == nil || speeds?.count == count, "a mesh has one speed a device")
        self.axes = axes
        self.speeds = speeds ?? Array(repeating: 1, count: count)
    }

    /// A mesh of one device.
    public static let single = Mesh([])

    /// Number of devices.
    public var deviceCount: Int { axes.reduce(1) { $0 * $1.size } }

    /// Position of an axis in ``axes``.
    public func index(of name: String) -> Int? { axes.firstIndex { $0.name == name } }

    /// Coordinates of a device, one an axis.
    public func coordinates(of device: Int) -> [Int] {
        var rest = device
        var result = [Int](repeating: 0, count: axes.count)
        for index in axes.indices.reversed() {
            result[index] = rest % axes[index].size
            rest /= axes[index].size
        }
        return result
    }

    /// Device at coordinates.
    public func device(at coordinates: [Int]) -> Int {
        zip(axes, coordinates).reduce(0) { $0 * $1.0.size + $1.1 }
    }
}
