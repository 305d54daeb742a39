import Foundation
import Program
import Tensor

/// Reference of the operations around the choice of tokens.
enum ReferenceSampling {
    static func apply(_ operation: SingleOperation, _ type: TensorType) -> [Double] {
        let (x, attributes) = (operation.operands, operation.attributes)
        switch operation.opcode {
        case .nearestCode:
            let c = x[0].sizes[x[0].type.rank - 1]
            return (0..<(x[0].values.count / c)).flatMap { row in
                triple(
                    (0..<x[1].sizes[0]).map { code in
                        -(0..<c).reduce(0) { $0 + pow(x[0].values[row * c + $1] - x[1].values[code * c + $1], 2) }
                    }, payload: nil)
            }
        case .guide:
            let (count, batch) = (type.elementCount, type.sizes[0])
            return (0..<count).map { i in
                let low = x[0].values[i]
                return x[0].sizes[0] == 1
                    ? low : low + x[1].values[i / (count / batch)] * (x[0].values[count + i] - low)
            }
        case .sumExp:
            let v = x[0].sizes[x[0].type.rank - 1]
            return x[1].values.indices.map { row in
                (0..<v).reduce(0) { $0 + exp(x[0].values[row * v + $1] - x[1].values[row]) }
            }
        case .choose: return choose(x, attributes)
        case .choiceIndex: return (0..<type.elementCount).map { x[0].values[$0 * 3 + 1] }
        case .acceptTokens:
            return (0..<type.elementCount).map { i in
                x[0].values[i] == Double(attributes.int("maskToken")) ? x[1].values[i * 3 + 1] : x[0].values[i]
            }
        case .confidence: return confidence(x, attributes, type)
        default: return remask(x, attributes, type)
        }
    }

    private static func triple(_ scores: [Double], payload: [Double]?) -> [Double] {
        var best = 0
        for (index, score) in scores.enumerated() where score > scores[best] { best = index }
        return [scores[best], Double(best), payload?[best] ?? 0]
    }

    private static func choose(_ x: [Sample], _ attributes: Attributes) -> [Double] {
        let v = x[0].sizes[3]
        let positions = x[0].sizes[1] * x[0].sizes[2]
        return (0..<(x[0].values.count / v)).flatMap { row -> [Double] in
            let logits = Array(x[0].values[(row * v)..<((row + 1) * v)])
            let scores = (0..<v).map { index -> Double in
                switch attributes.text("noise") {
                case "given": return logits[index] - log(x[1].values[row * v + index])
                case "generated":
                    let rng = (0..<4).map { UInt32(truncatingIfNeeded: Int(x[1].values[row / positions * 4 + $0])) }
                    let r = Philox.words(
                        counter: SIMD4(rng[2], rng[3], UInt32(row % positions), UInt32(index / 4)),
                        key: SIMD2(rng[0], rng[1]))
                    return logits[index] - log(-log(uniform(r[index % 4])))
                default: return logits[index]
                }
            }
            return triple(scores, payload: logits)
        }
    }

    private static func confidence(_ x: [Sample], _ attributes: Attributes, _ type: TensorType) -> [Double] {
        let positions = type.sizes[1] * type.sizes[2]
        return (0..<type.elementCount).map { i in
            let picture = i / positions
            var gumbel = 0.0
            switch attributes.text("noise") {
            case "given": gumbel = x[5].values[i]
            case "generated":
                let rng = (0..<4).map { UInt32(truncatingIfNeeded: Int(x[5].values[picture * 4 + $0])) }
                let r = Philox.words(
                    counter: SIMD4(rng[2], rng[3], UInt32(i % positions), 0x8000_0000), key: SIMD2(rng[0], rng[1]))
                gumbel = -log(-log(uniform(r[0])))
            default: break
            }
            let isMasked = x[0].values[i] == Double(attributes.int("maskToken"))
            let p = isMasked ? exp(x[1].values[i * 3 + 2] - x[2].values[i]) / x[3].values[i] : 3.4028235e38
            return log(max(p, 1e-20)) + x[4].values[picture] * gumbel
        }
    }

    private static func remask(_ x: [Sample], _ attributes: Attributes, _ type: TensorType) -> [Double] {
        let count = type.elementCount / type.sizes[0]
        return (0..<type.elementCount).map { i in
            let picture = i / count
            let masked = Int(x[2].values[picture])
            guard masked >= 0 else { return x[0].values[i] }
            let cut = x[1].values[(picture * count)..<((picture + 1) * count)].sorted()[min(masked, count - 1)]
            return x[1].values[i] < cut ? Double(attributes.int("maskToken")) : x[0].values[i]
        }
    }

    static func uniform(_ r: UInt32) -> Double { (Double(r >> 8) + 0.5) / 16_777_216 }
}
