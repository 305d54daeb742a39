import Program
import Sharding
import Tensor

/// Whether the parts that devices hold are those that an annotation gives them.
struct AnnotationCheck {
    let mesh: Mesh

    /// Each device's position along a list of mesh axes, and how many positions there are.
    ///
    /// An axis may be a part of one: `m:(1)2` is the factor of size 2 with 1 device before it.
    private func positions(_ axes: [String]) -> (positions: [Int], count: Int)? {
        var positions = [Int](repeating: 0, count: mesh.deviceCount)
        var count = 1
        for text in axes {
            let parts = text.split(separator: ":", maxSplits: 1)
            guard let name = parts.first, let index = mesh.index(of: String(name)) else { return nil }
            let axisSize = mesh.axes[index].size
            var (before, size) = (1, axisSize)
            if parts.count == 2 {
                let numbers = parts[1].split { "()".contains($0) }.compactMap { Int($0) }
                guard numbers.count == 2, numbers.allSatisfy({ $0 > 0 }) else { return nil }
                (before, size) = (numbers[0], numbers[1])
            }
            let after = max(1, axisSize / (before * size))
            for device in positions.indices {
                let digit = mesh.coordinates(of: device)[index] / after % size
                positions[device] = positions[device] * size + digit
            }
            count *= size
        }
        return (positions, count)
    }

    /// What is wrong with the boxes that devices hold of an annotated value; nil where nothing is.
    ///
    /// - Parameter isPartEnough: a device may hold less than its part (it reads no more of an input).
    func problem(_ boxes: [Box], dims: [Dim], annotation: [DimAnnotation], isPartEnough: Bool) -> String? {
        for (index, entry) in annotation.enumerated() {
            guard case .axes(let axes) = entry else { continue }
            guard let (positions, count) = positions(axes) else { return "\(axes) are no axes of the mesh" }
            let size = dims[index].size
            let most = (size + count - 1) / count
            for device in boxes.indices {
                let range = boxes[device].ranges[index]
                if isPartEnough, size % count == 0 {
                    let part = positions[device] * most..<(positions[device] + 1) * most
                    if !range.isEmpty, !(part.lowerBound <= range.lowerBound && range.upperBound <= part.upperBound) {
                        return "device \(device) holds \(range) of dimension \(index), more than \(part)"
                    }
                } else if range.count > most {
                    return "device \(device) holds \(range) of dimension \(index), more than \(most)"
                }
            }
            guard !isPartEnough else { continue }
            var byPosition = [Range<Int>?](repeating: nil, count: count)
            for device in boxes.indices {
                let range = boxes[device].ranges[index]
                if let other = byPosition[positions[device]], other != range {
                    return "devices at one place along \(axes) hold different parts of dimension \(index)"
                }
                byPosition[positions[device]] = range
            }
            var end = 0
            for range in byPosition.compactMap({ $0 }) where !range.isEmpty {
                if range.lowerBound != end { return "dimension \(index) is not split in the order of \(axes)" }
                end = range.upperBound
            }
            if end != size { return "dimension \(index) is not whole over \(axes)" }
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
            options: CompilerOptions(reductionOrder: .sharded, links: .bandwidthOnly, inputs: .annotated))
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
