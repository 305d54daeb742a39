import Foundation
import Program
import Tensor

/// The general operations, one element of the result at a time, in double precision.
struct ReferenceGeneral {
    private let operation: SingleOperation
    private let x: [Sample]
    private let attributes: Attributes

    init(_ operation: SingleOperation) {
        self.operation = operation
        x = operation.operands
        attributes = operation.attributes
    }

    func element(_ i: [Int]) -> Double {
        switch operation.opcode {
        case .constant: return attributes.float("value")
        case .iota: return Double(i[attributes.int("dim")])
        case .unary: return unary(x[0].at(i))
        case .binary: return binary(x[0].at(i), x[1].at(i))
        case .compare: return compare(x[0].at(i), x[1].at(i)) ? 1 : 0
        case .select:
            let (a, b) = (x[1].at(i), x[2].at(i))
            return x[0].at(i) != 0 ? a : b
        case .dotGeneral: return product(i)
        case .convGeneral: return convolution(i)
        case .maxPool: return pool(i)
        case .resize:
            let (n, factor) = (i.count - 3, attributes.int("factor"))
            return x[0].at(i.prefix(n) + [i[n] / factor, i[n + 1] / factor, i[n + 2]])
        case .sort: return line(attributes.int("dim"), i).sorted()[i[attributes.int("dim")]]
        case .argMax:
            let dim = attributes.int("dim")
            var row = Array(i.dropLast())
            row.insert(0, at: dim)
            let values = line(dim, row)
            let best = values.indices.max { values[$0] < values[$1] || (values[$0] == values[$1] && $0 > $1) } ?? 0
            return [values[best], Double(best), 0][i[i.count - 1]]
        case .topK:
            let values = line(i.count - 2, i.dropLast(2) + [0])
            let order = values.indices.sorted { values[$0] > values[$1] || (values[$0] == values[$1] && $0 < $1) }
            let best = order[i[i.count - 2]]
            return i[i.count - 1] == 0 ? values[best] : Double(best)
        case .mergeTopK:
            let count = x[0].sizes[i.count - 2]
            let pairs = (0..<count).map { n in (0..<2).map { x[0].at(i.dropLast(2) + [n, $0]) } }
            let order = pairs.sorted { $0[0] > $1[0] || ($0[0] == $1[0] && $0[1] < $1[1]) }
            return order[i[i.count - 2]][i[i.count - 1]]
        default: return movement(i)
        }
    }

    /// All elements along a dimension.
    private func line(_ dim: Int, _ i: [Int]) -> [Double] {
        (0..<x[0].sizes[dim]).map { index in
            var place = i
            place[dim] = index
            return x[0].at(place)
        }
    }

    private func movement(_ i: [Int]) -> Double {
        switch operation.opcode {
        case .broadcast:
            return x[0].at(zip(attributes.ints("dims"), x[0].sizes).map { $1 == 1 ? 0 : i[$0] })
        case .transpose:
            var place = i
            for (index, dim) in attributes.ints("permutation").enumerated() { place[dim] = i[index] }
            return x[0].at(place)
        case .reshape:
            var flat = zip(i, attributes.ints("sizes")).reduce(0) { $0 * $1.1 + $1.0 }
            var place: [Int] = []
            for size in x[0].sizes.reversed() {
                place.insert(flat % size, at: 0)
                flat /= size
            }
            return x[0].at(place)
        case .slice:
            let strides = attributes.ints("strides", default: i.map { _ in 1 })
            return x[0].at(i.indices.map { attributes.ints("start")[$0] + i[$0] * strides[$0] })
        case .pad:
            let place = zip(i, attributes.ints("low")).map { $0 - $1 }
            return zip(place, x[0].sizes).allSatisfy { (0..<$1).contains($0) } ? x[0].at(place) : 0
        case .reverse:
            return x[0].at(
                i.indices.map { attributes.ints("dims").contains($0) ? x[0].sizes[$0] - 1 - i[$0] : i[$0] })
        case .concat:
            let dim = attributes.int("dim", default: i.count - 1)
            var place = i
            for operand in x {
                if place[dim] < operand.sizes[dim] { return operand.at(place) }
                place[dim] -= operand.sizes[dim]
            }
            return .nan
        case .dynamicSlice:
            let starts = starts(from: 1, attributes.ints("sizes"))
            return x[0].at(zip(i, starts).map { $0 + $1 })
        case .dynamicUpdate:
            let place = zip(i, starts(from: 2, x[1].sizes)).map { $0 - $1 }
            let old = x[0].at(i)
            return zip(place, x[1].sizes).allSatisfy { (0..<$1).contains($0) } ? x[1].at(place) : old
        default: return x[0].at(i)
        }
    }

    private func starts(from first: Int, _ sizes: [Int]) -> [Int] {
        sizes.indices.map { min(max(0, Int(x[first + $0].at([]))), x[0].sizes[$0] - sizes[$0]) }
    }

    private func product(_ i: [Int]) -> Double {
        guard let axes = DotAxes(attributes, lhsRank: x[0].type.rank, rhsRank: x[1].type.rank) else { return .nan }
        var (a, b) = ([Int](repeating: 0, count: x[0].type.rank), [Int](repeating: 0, count: x[1].type.rank))
        var rest = i[...]
        for (l, r) in zip(axes.lhsBatch, axes.rhsBatch) {
            a[l] = rest.first ?? 0
            b[r] = rest.popFirst() ?? 0
        }
        for dim in axes.lhsFree { a[dim] = rest.popFirst() ?? 0 }
        for dim in axes.rhsFree { b[dim] = rest.popFirst() ?? 0 }
        return indices(axes.lhsContract.map { x[0].sizes[$0] }).reduce(0) { sum, k in
            for (index, (l, r)) in zip(axes.lhsContract, axes.rhsContract).enumerated() {
                a[l] = k[index]
                b[r] = k[index]
            }
            return sum + x[0].at(a) * x[1].at(b)
        }
    }

    /// Row or column of the operand under a tap; nil in the padding and between spread rows.
    private func seen(_ axis: Int, _ position: Int, _ tap: Int, _ size: Int) -> Int? {
        let dilation = attributes.ints("dilation", default: [1, 1])[axis]
        let spread = position * attributes.ints("strides")[axis] - attributes.ints("padLow")[axis] + tap
        guard spread >= 0, spread % dilation == 0, spread / dilation < size else { return nil }
        return spread / dilation
    }

    private func convolution(_ i: [Int]) -> Double {
        let (n, w) = (i.count - 3, x[1].sizes)
        let group = i[n + 2] / (w[3] / attributes.int("groups"))
        var sum = 0.0
        for tap in indices(Array(w.prefix(2))) {
            guard let row = seen(0, i[n], tap[0], x[0].sizes[n]),
                let column = seen(1, i[n + 1], tap[1], x[0].sizes[n + 1])
            else { continue }
            for channel in 0..<w[2] {
                sum +=
                    x[0].at(i.prefix(n) + [row, column, group * w[2] + channel]) * x[1].at(tap + [channel, i[n + 2]])
            }
        }
        return sum
    }

    private func pool(_ i: [Int]) -> Double {
        let n = i.count - 3
        return indices(attributes.ints("window")).reduce(-.infinity) { best, tap in
            guard let row = seen(0, i[n], tap[0], x[0].sizes[n]),
                let column = seen(1, i[n + 1], tap[1], x[0].sizes[n + 1])
            else { return best }
            return max(best, x[0].at(i.prefix(n) + [row, column, i[n + 2]]))
        }
    }

    private func unary(_ x: Double) -> Double {
        switch attributes.text("kind") {
        case "exp": exp(x)
        case "log": log(x)
        case "tanh": tanh(x)
        case "logistic": 1 / (1 + exp(-x))
        case "rsqrt": 1 / x.squareRoot()
        case "sqrt": x.squareRoot()
        case "negate": -x
        default: abs(x)
        }
    }

    private func binary(_ a: Double, _ b: Double) -> Double {
        switch attributes.text("kind") {
        case "add": a + b
        case "subtract": a - b
        case "multiply": a * b
        case "divide": operation.operands[0].type.dtype == .i32 ? (b == 0 ? 0 : (a / b).rounded(.towardZero)) : a / b
        case "maximum": max(a, b)
        default: min(a, b)
        }
    }

    private func compare(_ a: Double, _ b: Double) -> Bool {
        switch attributes.text("direction") {
        case "eq": a == b
        case "ne": a != b
        case "lt": a < b
        case "le": a <= b
        case "gt": a > b
        default: a >= b
        }
    }
}
