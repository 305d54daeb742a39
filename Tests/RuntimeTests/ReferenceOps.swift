import Foundation
import Program
import Tensor

/// Every operation in double precision, written for reading: what the fast kernels are tested against.
enum ReferenceOps {
    static func apply(_ operation: SingleOperation) throws -> [Double] {
        let type = try operation.resultType()
        let (x, attributes) = (operation.operands, operation.attributes)
        func each(_ value: ([Int]) -> Double) -> [Double] { indices(type.sizes).map(value) }
        switch operation.opcode {
        case .parameter, .input: return []
        case .constant, .iota, .dotGeneral, .unary, .binary, .compare, .select, .annotate, .broadcast, .transpose,
            .reshape, .slice, .pad, .reverse, .dynamicSlice, .dynamicUpdate, .sort, .convGeneral, .maxPool, .resize,
            .argMax, .topK, .mergeTopK:
            return each { ReferenceGeneral(operation).element($0) }
        case .dot: return dot(x[0], x[1], attributes.int("contract"))
        case .gather:
            let idRank = x[1].type.rank
            return each { x[0].at([Int(x[1].at(Array($0.prefix(idRank))))] + $0.dropFirst(idRank)) }
        case .takeRow:
            return each { x[0].at($0.dropLast() + [Int(x[1].at(Array($0.dropLast()))), $0[$0.count - 1]]) }
        case .add: return each { x[0].at($0) + broadcast(x[1], $0) }
        case .multiply: return each { x[0].at($0) * broadcast(x[1], $0) }
        case .activation: return each { activation(attributes.text("kind"), x[0].at($0)) }
        case .gatedGelu:
            return each { i in
                let (lead, last) = (Array(i.dropLast()), i[i.count - 1])
                return x[0].at(lead + [0, last]) * activation("gelu", x[0].at(lead + [1, last]))
            }
        case .modulate:
            let lead = x[1].type.rank - 2
            return each { i in
                let (row, last) = (Array(i.prefix(lead)), i[i.count - 1])
                return x[0].at(i) * (1 + x[1].at(row + [0, last])) + x[1].at(row + [1, last])
            }
        case .cast: return x[0].values
        case .concat: return each { ReferenceGeneral(operation).element($0) }
        case .sinusoid: return sinusoid(x[0], attributes.int("width"), attributes.float("maxPeriod"))
        case .rmsNorm, .layerNorm, .groupSum, .groupSquares, .groupNormalize, .globalResponseNorm, .reduce:
            return ReferenceNorms.apply(operation, type)
        case .attention: return attention(x[0], x[1], x[2], attributes)
        case .conv, .depthwiseConv: return ReferencePictures.convolution(operation, type)
        case .spaceToDepth:
            return each { i in
                let n = i.count - 5
                return x[0].at(i.prefix(n) + [2 * i[n] + i[n + 3], 2 * i[n + 1] + i[n + 4], i[n + 2]])
            }
        case .depthToSpace:
            return each { i in
                let n = i.count - 3
                return x[0].at(i.prefix(n) + [i[n] / 2, i[n + 1] / 2, i[n] % 2, i[n + 1] % 2, i[n + 2]])
            }
        case .pixels: return x[0].values.map { (min(1, max(0, $0)) * 255).rounded(.toNearestOrEven) }
        case .nearestCode, .guide, .sumExp, .choose, .choiceIndex, .acceptTokens, .confidence, .remask:
            return ReferenceSampling.apply(operation, type)
        }
    }

    private static func broadcast(_ b: Sample, _ index: [Int]) -> Double {
        b.at(zip(index.suffix(b.type.rank), b.sizes).map { $1 == 1 ? 0 : $0 })
    }

    static func activation(_ kind: String, _ x: Double) -> Double {
        switch kind {
        case "silu": x / (1 + exp(-x))
        case "gelu": 0.5 * x * (1 + erf(x / 2.0.squareRoot()))
        case "geluTanh": 0.5 * x * (1 + tanh((2 / Double.pi).squareRoot() * (x + 0.044715 * x * x * x)))
        case "quickGelu": x / (1 + exp(-1.702 * x))
        default: x
        }
    }

    private static func dot(_ x: Sample, _ w: Sample, _ contract: Int) -> [Double] {
        let depth = x.sizes.suffix(contract).reduce(1, *)
        return (0..<(x.values.count / depth)).flatMap { row in
            (0..<(w.values.count / depth)).map { column in
                (0..<depth).reduce(0) { $0 + x.values[row * depth + $1] * w.values[column * depth + $1] }
            }
        }
    }

    private static func sinusoid(_ v: Sample, _ width: Int, _ maxPeriod: Double) -> [Double] {
        v.values.flatMap { value in
            (0..<width).map { i in
                let half = width / 2
                let angle = value * pow(maxPeriod, -Double(i % half) / Double(half))
                return i < half ? cos(angle) : sin(angle)
            }
        }
    }

    private static func attention(_ q: Sample, _ k: Sample, _ v: Sample, _ attributes: Attributes) -> [Double] {
        let lead = q.type.rank - attributes.int("queryDims") - 2
        let (heads, depth) = (q.sizes[q.type.rank - 2], q.sizes[q.type.rank - 1])
        let groups = q.sizes.prefix(lead).reduce(1, *)
        let queries = q.values.count / (groups * heads * depth)
        let keys = k.values.count / (groups * heads * depth)
        let isCausal = attributes.int("causal") != 0
        var out = [Double](repeating: 0, count: q.values.count)
        for index in indices([groups, queries, heads]) {
            let row = ((index[0] * queries + index[1]) * heads + index[2]) * depth
            let visible = isCausal ? min(keys, index[1] + 1) : keys
            let starts = (0..<visible).map { ((index[0] * keys + $0) * heads + index[2]) * depth }
            let scores = starts.map { start in
                attributes.float("scale") * (0..<depth).reduce(0) { $0 + q.values[row + $1] * k.values[start + $1] }
            }
            let top = scores.max() ?? 0
            let weights = scores.map { exp($0 - top) }
            let total = weights.reduce(0, +)
            for d in 0..<depth {
                out[row + d] = zip(weights, starts).reduce(0) { $0 + $1.0 / total * v.values[$1.1 + d] }
            }
        }
        return out
    }
}
