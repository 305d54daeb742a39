import Program
import Tensor

/// Reference of normalisations and reductions.
enum ReferenceNorms {
    static func apply(_ operation: SingleOperation, _ type: TensorType) -> [Double] {
        let (x, attributes) = (operation.operands, operation.attributes)
        let first = x[0]
        let channels = first.sizes[first.type.rank - 1]
        let eps = attributes.float("eps", default: 0)
        let groups = attributes.int("groups", default: 1)
        let pixels = first.sizes.suffix(3).dropLast().reduce(1, *)
        let width = max(1, channels / groups)
        func group(_ element: Int) -> Int { element / (pixels * channels) * groups + element % channels / width }
        switch operation.opcode {
        case .rmsNorm, .layerNorm:
            return (0..<(first.values.count / channels)).flatMap { r -> [Double] in
                let row = Array(first.values[(r * channels)..<((r + 1) * channels)])
                let mean = operation.opcode == .rmsNorm ? 0 : row.reduce(0, +) / Double(channels)
                let variance = row.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(channels)
                return (0..<channels).map { c in
                    (row[c] - mean) / (variance + eps).squareRoot() * x[1].values[c]
                        + (x.count > 2 ? x[2].values[c] : 0)
                }
            }
        case .groupSum, .groupSquares:
            var out = [Double](repeating: 0, count: type.elementCount)
            for (index, value) in first.values.enumerated() {
                let g = group(index)
                let centred = value - (x.count > 1 ? x[1].values[g] / attributes.float("count") : 0)
                out[g] += x.count > 1 ? centred * centred : value
            }
            return out
        case .groupNormalize:
            let count = attributes.float("count")
            return first.values.enumerated().map { index, value in
                let (g, c) = (group(index), index % channels)
                let scale = (x[2].values[g] / count + eps).squareRoot()
                let y = (value - x[1].values[g] / count) / scale * x[3].values[c] + x[4].values[c]
                return ReferenceOps.activation(attributes.text("activation"), y)
            }
        case .globalResponseNorm:
            return first.values.enumerated().map { index, value in
                let (picture, c) = (index / (pixels * channels), index % channels)
                let n =
                    x[1].values[picture * channels + c].squareRoot()
                    / (x[2].values[picture] / attributes.float("channels") + eps)
                return x[3].values[c] * value * n + x[4].values[c] + value
            }
        default:
            return reduce(first, attributes, type)
        }
    }

    private static func reduce(_ x: Sample, _ attributes: Attributes, _ type: TensorType) -> [Double] {
        let reduced = Set(attributes.ints("dims"))
        let kind = attributes.text("kind")
        let nothing = kind == "max" ? -Double.infinity : kind == "min" ? Double.infinity : 0
        var out = [Double](repeating: nothing, count: type.elementCount)
        for (index, value) in zip(indices(x.sizes), x.values) {
            let kept = index.enumerated().filter { !reduced.contains($0.offset) }.map(\.element)
            let place = zip(kept, type.sizes).reduce(0) { $0 * $1.1 + $1.0 }
            switch kind {
            case "max": out[place] = max(out[place], value)
            case "min": out[place] = min(out[place], value)
            case "sumSquares": out[place] += value * value
            case "sumSqrt": out[place] += value.squareRoot()
            default: out[place] += value
            }
        }
        return out
    }
}

/// Reference of convolutions.
enum ReferencePictures {
    static func convolution(_ operation: SingleOperation, _ type: TensorType) -> [Double] {
        let (x, w, attributes) = (operation.operands[0], operation.operands[1], operation.attributes)
        let isDepthwise = operation.opcode == .depthwiseConv
        let rank = x.type.rank
        let (height, width, channels) = (x.sizes[rank - 3], x.sizes[rank - 2], x.sizes[rank - 1])
        let upsample = attributes.int("upsample", default: 1)
        let (stride, pad) = isDepthwise ? (1, 1) : (attributes.int("stride"), attributes.int("padLow"))
        let kernel = Array(w.sizes.suffix(2))
        func pixel(_ lead: [Int], _ y: Int, _ px: Int, _ c: Int) -> Double {
            guard y >= 0, px >= 0, y < height * upsample, px < width * upsample else { return 0 }
            return x.at(lead + [y / upsample, px / upsample, c])
        }
        return indices(type.sizes).map { i in
            let (lead, y, px, c) = (Array(i.prefix(rank - 3)), i[rank - 3], i[rank - 2], i[rank - 1])
            var sum = isDepthwise ? 0 : operation.operands[2].values[c]
            for k in indices(kernel) {
                let (sy, sx) = (y * stride - pad + k[0], px * stride - pad + k[1])
                if isDepthwise {
                    sum += pixel(lead, sy, sx, c) * w.at([c] + k)
                } else {
                    for ci in 0..<channels { sum += pixel(lead, sy, sx, ci) * w.at([c, ci] + k) }
                }
            }
            return sum
        }
    }
}
