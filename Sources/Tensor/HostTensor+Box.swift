extension HostTensor {
    /// Writes a tensor into a box of this one; same element type, and sizes as the box's.
    public mutating func insert(_ part: HostTensor, at box: Box) {
        precondition(part.dtype == dtype && part.dims == box.dims, "a part has its box's sizes and the whole's type")
        if box.isEmpty { return }
        let size = dtype.byteCount
        let run = (box.ranges.last?.count ?? 1) * size
        let rows = part.bytes.count / max(1, run)
        for row in 0..<rows {
            let target = offset(ofRow: row, in: box) * size
            bytes.replaceSubrange(target..<(target + run), with: part.bytes[(row * run)..<((row + 1) * run)])
        }
    }

    /// The part of this tensor inside a box.
    public func extract(_ box: Box) -> HostTensor {
        precondition(box.ranges.count == dims.count, "a box has its tensor's rank")
        let size = dtype.byteCount
        let run = (box.ranges.last?.count ?? 1) * size
        var result: [UInt8] = []
        result.reserveCapacity(box.elementCount * size)
        if !box.isEmpty {
            for row in 0..<(box.elementCount * size / run) {
                let source = offset(ofRow: row, in: box) * size
                result += bytes[source..<(source + run)]
            }
        }
        return HostTensor(dtype: dtype, dims: box.dims, bytes: result)
    }

    /// Element index, in the whole, of the start of a box's row (all dimensions but the last, row-major).
    private func offset(ofRow row: Int, in box: Box) -> Int {
        if box.ranges.isEmpty { return 0 }
        var rest = row
        var offset = box.ranges[box.ranges.count - 1].lowerBound
        var stride = dims[dims.count - 1]
        for dim in box.ranges.indices.dropLast().reversed() {
            offset += (box.ranges[dim].lowerBound + rest % box.ranges[dim].count) * stride
            rest /= box.ranges[dim].count
            stride *= dims[dim]
        }
        return offset
    }
}
