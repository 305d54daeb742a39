import Protocol
import Tensor

/// Puts the parts of outputs, which the devices hold, together.
enum OutputAssembly {
    /// The whole tensors by name.
    ///
    /// Throws ``ClusterError`` (`incompleteOutput`) where parts are missing or contradict each other.
    static func assemble(_ parts: [OutputPart], program: String) throws(ClusterError) -> [String: HostTensor] {
        var result: [String: HostTensor] = [:]
        for (name, parts) in Dictionary(grouping: parts, by: \.name) {
            result[name] = try whole(name, parts, program)
        }
        return result
    }

    private static func whole(
        _ name: String, _ parts: [OutputPart], _ program: String
    ) throws(ClusterError) -> HostTensor {
        func need(_ condition: Bool, _ reason: String) throws(ClusterError) {
            if !condition { throw .incompleteOutput(program: program, output: name, reason: reason) }
        }
        let (dims, dtype) = (parts[0].dims, parts[0].tensor.dtype)
        try need(
            parts.allSatisfy { $0.dims == dims && $0.tensor.dtype == dtype }, "they differ in shape or element type")
        let count = dims.reduce(1, *)
        let held = parts.reduce(0) { $0 + $1.box.elementCount }
        try need(held == count, "they have \(held) elements of \(count)")
        if parts.count == 1 { return parts[0].tensor }
        // Equal counts and no overlap mean that every element is there once.
        for (index, part) in parts.enumerated() {
            for other in parts[..<index] {
                try need(part.box.intersection(other.box).isEmpty, "\(part.box.ranges) and \(other.box.ranges) overlap")
            }
        }
        var bytes = [UInt8](repeating: 0, count: count * dtype.byteCount)
        for part in parts where !part.box.isEmpty { copy(part, into: &bytes, dims, dtype.byteCount) }
        return HostTensor(dtype: dtype, dims: dims, bytes: bytes)
    }

    /// Copies a part row by row to its place.
    private static func copy(_ part: OutputPart, into bytes: inout [UInt8], _ dims: [Int], _ width: Int) {
        let ranges = part.box.ranges
        guard let row = ranges.last else {
            bytes = part.tensor.bytes
            return
        }
        let rowBytes = row.count * width
        var position = ranges.map(\.lowerBound)
        for start in stride(from: 0, to: part.tensor.bytes.count, by: rowBytes) {
            let target = zip(position, dims).reduce(0) { $0 * $1.1 + $1.0 } * width
            bytes.replaceSubrange(target..<(target + rowBytes), with: part.tensor.bytes[start..<(start + rowBytes)])
            var axis = ranges.count - 2
            while axis >= 0 {
                position[axis] += 1
                if position[axis] < ranges[axis].upperBound { break }
                position[axis] = ranges[axis].lowerBound
                axis -= 1
            }
        }
    }
}
