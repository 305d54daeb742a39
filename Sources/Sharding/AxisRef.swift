public import Program

/// A mesh axis or a part of one: the positions of a device along it, in mixed radix.
///
/// An axis of 4 devices is 2 times 2: `m:(1)2` says in which half a device is, `m:(2)2` where in its half. The numbers
/// are the product of the parts before it, and its own size (Shardy's notation).
public struct AxisRef: Sendable, Hashable {
    /// Index into the mesh's axes.
    public let axis: Int
    /// Product of the parts of the axis that are more significant.
    public let preSize: Int
    /// Positions along this part.
    public let size: Int

    /// A part of an axis.
    public init(axis: Int, preSize: Int, size: Int) {
        self.axis = axis
        self.preSize = preSize
        self.size = size
    }

    /// All of an axis.
    public init(_ axis: Int, of mesh: Mesh) { self.init(axis: axis, preSize: 1, size: mesh.axes[axis].size) }

    /// Product of this part and those before it.
    var end: Int { preSize * size }

    /// True where both name a common part of an axis, or parts of different partings of it.
    func overlaps(_ other: AxisRef) -> Bool {
        guard axis == other.axis else { return false }
        let (low, high) = preSize <= other.preSize ? (self, other) : (other, self)
        return high.preSize % low.end != 0
    }

    /// Position of a coordinate along this part.
    func position(of coordinate: Int, axisSize: Int) -> Int { coordinate / (axisSize / end) % size }

    /// `model`, or `model:(1)2` for a part.
    public func text(_ mesh: Mesh) -> String {
        let whole = mesh.axes[axis]
        return size == whole.size ? whole.name : "\(whole.name):(\(preSize))\(size)"
    }

    /// Reads `model` or `model:(1)2`; nil where the mesh has no such axis or part.
    public init?(_ text: String, mesh: Mesh) {
        if let index = mesh.index(of: text) {
            self.init(index, of: mesh)
            return
        }
        guard let colon = text.lastIndex(of: ":"), let index = mesh.index(of: String(text[..<colon]))
        else { return nil }
        let part = text[text.index(after: colon)...]
        guard part.first == "(", let close = part.firstIndex(of: ")"),
            let pre = Int(part[part.index(after: part.startIndex)..<close]),
            let size = Int(part[part.index(after: close)...]),
            pre >= 1, size >= 1, mesh.axes[index].size % pre == 0, mesh.axes[index].size / pre % size == 0
        else { return nil }
        self.init(axis: index, preSize: pre, size: size)
    }
}

/// Lists of axes that split a dimension, major to minor.
extension Array where Element == AxisRef {
    /// How many parts they make.
    var partCount: Int { reduce(1) { $0 * $1.size } }

    /// The same list with neighbouring parts of an axis put together, and without parts of size 1.
    var merged: [AxisRef] {
        var result: [AxisRef] = []
        for ref in self where ref.size > 1 {
            if let last = result.last, last.axis == ref.axis, last.end == ref.preSize {
                result[result.count - 1] = AxisRef(axis: ref.axis, preSize: last.preSize, size: last.size * ref.size)
            } else {
                result.append(ref)
            }
        }
        return result
    }

    func overlaps(_ ref: AxisRef) -> Bool { contains { $0.overlaps(ref) } }

    func overlaps(_ other: [AxisRef]) -> Bool { other.contains { overlaps($0) } }

    /// The major part that makes exactly `count` parts, and the rest; nil where axes do not divide so.
    func split(parts count: Int) -> (major: [AxisRef], minor: [AxisRef])? {
        var need = count
        var major: [AxisRef] = []
        for (index, ref) in enumerated() {
            if need == 1 { return (major, Array(self[index...])) }
            if need % ref.size == 0 {
                major.append(ref)
                need /= ref.size
            } else if ref.size % need == 0 {
                major.append(AxisRef(axis: ref.axis, preSize: ref.preSize, size: need))
                let rest = AxisRef(axis: ref.axis, preSize: ref.preSize * need, size: ref.size / need)
                return (major, [rest] + self[(index + 1)...])
            } else {
                return nil
            }
        }
        return need == 1 ? (major, []) : nil
    }

    /// What follows `prefix`; nil where the list does not start with it.
    func rest(after prefix: [AxisRef]) -> [AxisRef]? {
        guard let (major, minor) = split(parts: prefix.partCount), major.merged == prefix.merged else { return nil }
        return minor
    }
}
