import Program
import Sharding
import Tensor

/// Whether the parts that devices hold are those that an annotation gives them.
struct AnnotationCheck {
    let mesh: Mesh

    /// A mesh axis or a part of one: `m:(1)2` is the factor of size 2 with 1 device before it.
    private struct Part {
        var axis: Int
        var before: Int
        var size: Int
    }

    /// Axes by name, neighbouring parts of one put together; nil where they are none of the mesh.
    private func parts(_ names: [String]) -> [Part]? {
        var result: [Part] = []
        for text in names {
            let words = text.split(separator: ":", maxSplits: 1)
            guard let name = words.first, let axis = mesh.index(of: String(name)) else { return nil }
            var part = Part(axis: axis, before: 1, size: mesh.axes[axis].size)
            if words.count == 2 {
                let numbers = words[1].split { "()".contains($0) }.compactMap { Int($0) }
                guard numbers.count == 2, numbers.allSatisfy({ $0 > 0 }) else { return nil }
                (part.before, part.size) = (numbers[0], numbers[1])
            }
            if let last = result.last, last.axis == axis, last.before * last.size == part.before {
                part = Part(axis: axis, before: last.before, size: last.size * part.size)
                result.removeLast()
            }
            result.append(part)
        }
        return result
    }

    /// What every device holds of a dimension that is split over axes, major to minor: granules in proportion to the
    /// speed of the slowest device at each place; nil where the axes are none of the mesh.
    func ranges(_ dim: Dim, _ axes: [String]) -> [Range<Int>]? {
        guard let parts = parts(axes) else { return nil }
        var result = [Range<Int>](repeating: 0..<dim.size, count: mesh.deviceCount)
        if dim.granuleCount > 1 {
            cut(0..<dim.granuleCount, parts[...], Array(result.indices), &result)
            result = result.map { dim.elements($0) }
        }
        return result
    }

    private func cut(
        _ range: Range<Int>, _ parts: ArraySlice<Part>, _ devices: [Int], _ result: inout [Range<Int>]
    ) {
        guard let part = parts.first else {
            for device in devices { result[device] = range }
            return
        }
        let after = mesh.axes[part.axis].size / (part.before * part.size)
        let groups = (0..<part.size).map { place in
            devices.filter { mesh.coordinates(of: $0)[part.axis] / after % part.size == place }
        }
        let speeds = groups.map { group in group.reduce(Double.infinity) { min($0, mesh.speeds[$1]) } }
        let shares = speeds.map { Double(range.count) * $0 / speeds.reduce(0, +) }
        var counts = shares.map { Int($0) }
        let left = range.count - counts.reduce(0, +)
        func isBefore(_ a: Int, _ b: Int) -> Bool {
            let difference = (shares[a] - Double(counts[a])) - (shares[b] - Double(counts[b]))
            return abs(difference) < 1e-9 ? a < b : difference > 0
        }
        for place in counts.indices.sorted(by: isBefore).prefix(left) { counts[place] += 1 }
        var start = range.lowerBound
        for (group, count) in zip(groups, counts) {
            cut(start..<(start + count), parts.dropFirst(), group, &result)
            start += count
        }
    }

    /// What is wrong with the boxes that devices hold of an annotated value; nil where nothing is.
    ///
    /// - Parameter isPartEnough: a device may hold less than its part (it reads no more of an input).
    func problem(_ boxes: [Box], dims: [Dim], annotation: [DimAnnotation], isPartEnough: Bool) -> String? {
        for (index, entry) in annotation.enumerated() {
            guard case .axes(let axes) = entry else { continue }
            guard let parts = ranges(dims[index], axes) else { return "\(axes) are no axes of the mesh" }
            for (device, box) in boxes.enumerated() where !(isPartEnough && box.isEmpty) {
                let (range, part) = (box.ranges[index], parts[device])
                if range == part || (range.isEmpty && part.isEmpty) { continue }
                if isPartEnough, part.lowerBound <= range.lowerBound, range.upperBound <= part.upperBound { continue }
                return "device \(device) holds \(range) of dimension \(index) instead of \(part)"
            }
        }
        return nil
    }

    /// Inputs lie where their annotations say: no device takes more from the caller than its part.
    func inputProblems(of item: Case, in locals: [LocalProgram]) -> [String] {
        guard let first = locals.first else { return [] }
        return first.inputs.indices.compactMap { index in
            let port = first.inputs[index]
            guard let annotation = item.annotations[port.name] else { return nil }
            let boxes = locals.map { $0.buffers[$0.inputs[index].buffer].box }
            let dims = first.buffers[port.buffer].dims
            return problem(boxes, dims: dims, annotation: annotation, isPartEnough: true)
                .map { "the annotation of \(port.name) is not kept: \($0)" }
        }
    }

    /// Constrained values lie as constrained: they are made outputs, and their parts looked at.
    static func constraintProblems(of item: Case) throws -> [String] {
        let translated = try CaseTranslator.translate(item, isShowingConstraints: true)
        if translated.constraints.isEmpty { return [] }
        let compiled = try Compiler.compile(
            translated.program, mesh: translated.mesh, rules: translated.rules,
            options: item.options(item.order ?? .sharded))
        let check = AnnotationCheck(mesh: translated.mesh)
        return translated.constraints.enumerated().compactMap { index, constraint in
            let buffers = compiled.locals.compactMap { local in
                local.outputs.first { $0.name == "constraint\(index)" }.map { local.buffers[$0.buffer] }
            }
            guard buffers.count == compiled.locals.count, let first = buffers.first else {
                return "the constrained value \(index) is nowhere"
            }
            return check.problem(
                buffers.map(\.box), dims: first.dims, annotation: constraint.dims, isPartEnough: false
            ).map { "constraint \(index) is not kept: \($0)" }
        }
    }
}
