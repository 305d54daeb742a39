import Tensor

/// Inputs of a case: small integers, so that sums are exact in every order wherever the graph allows it.
struct CaseSamples {
    private let item: Case
    private let producers: [String: Case.Node]

    init(_ item: Case) {
        self.item = item
        producers = Dictionary(item.graph.nodes.map { ($0.id, $0) }) { first, _ in first }
    }

    /// Whole tensors by input name.
    ///
    /// Real numbers are integers from -3 to 3, or from 1 to 4 where a root, a logarithm or a divisor is made of them;
    /// indices into a table are rows of it; other integers are 0 to 4; every third predicate is true.
    func tensors() throws -> [String: HostTensor] {
        let positive = positiveInputs()
        let rows = indexLimits()
        var result: [String: HostTensor] = [:]
        for (k, input) in item.graph.inputs.enumerated() {
            let count = input.shape.reduce(1, *)
            switch input.dtype {
            case "f32", "bf16":
                let values = (0..<count).map { index in
                    let draw = Int((UInt64(index) &* 2_654_435_761 &+ UInt64(k) &* 40503) >> 5)
                    return Float(positive.contains(input.id) ? draw % 4 + 1 : draw % 7 - 3)
                }
                let tensor = HostTensor(values, dims: input.shape)
                result[input.id] = input.dtype == "f32" ? tensor : tensor.bfloats
            case "s32":
                let limit = max(1, rows[input.id] ?? 5)
                let values = (0..<count).map { Int32(($0 &* 7 + k) % limit) }
                result[input.id] = HostTensor(values, dims: input.shape)
            case "pred":
                let bytes = (0..<count).map { UInt8(($0 + k) % 3 == 0 ? 1 : 0) }
                result[input.id] = HostTensor(dtype: .u8, dims: input.shape, bytes: bytes)
            default: throw CaseError("the element type \(input.dtype) is not known")
            }
        }
        return result
    }

    /// Rows of the table that an integer input indexes.
    private func indexLimits() -> [String: Int] {
        var result: [String: Int] = [:]
        for node in item.graph.nodes where node.op == "gather_rows" && node.operands.count == 2 {
            guard let rows = shape(node.operands[0])?.first else { continue }
            for input in inputs(behind: node.operands[1], through: CaseExactness.movement) {
                result[input] = min(rows, result[input] ?? rows)
            }
        }
        return result
    }

    private func positiveInputs() -> Set<String> {
        let keeping = CaseExactness.movement.union(["add", "mul", "max", "min", "dot_general", "conv", "reduce"])
        var result: Set<String> = []
        for node in item.graph.nodes {
            var sources: [String] = []
            if ["log", "sqrt", "rsqrt"].contains(node.op) { sources = node.operands }
            if node.op == "div" { sources = Array(node.operands.suffix(1)) }
            for source in sources { result.formUnion(inputs(behind: source, through: keeping)) }
        }
        return result
    }

    private func inputs(behind value: String, through operations: Set<String>) -> Set<String> {
        var (result, seen, open): (Set<String>, Set<String>, [String]) = ([], [], [value])
        while let next = open.popLast() {
            guard seen.insert(next).inserted else { continue }
            guard let node = producers[next] else {
                result.insert(next)
                continue
            }
            if operations.contains(node.op) { open += node.operands }
        }
        return result
    }

    private func shape(_ id: String) -> [Int]? {
        producers[id]?.shape ?? item.graph.inputs.first { $0.id == id }?.shape
    }
}

extension HostTensor {
    /// The values of an f32 tensor in bf16: small integers are exact.
    var bfloats: HostTensor {
        let bytes = floats.flatMap { value in
            let bits = UInt16(truncatingIfNeeded: value.bitPattern >> 16)
            return [UInt8(bits & 255), UInt8(bits >> 8)]
        }
        return HostTensor(dtype: .bf16, dims: dims, bytes: bytes)
    }
}

/// Whether all sums of a case are sums of integers that f32 holds exactly, so that their order cannot matter.
struct CaseExactness {
    /// Operations that only move elements.
    static let movement: Set<String> = [
        "broadcast_in_dim", "transpose", "reshape", "concatenate", "slice", "pad", "gather_rows", "dynamic_slice",
        "dynamic_update_slice", "reverse", "sort", "constraint", "max_pool", "convert", "select",
    ]

    /// True where every sum is exact.
    let isExact: Bool

    /// Largest magnitudes by value; nil: not integers.
    init(_ item: Case) {
        var bounds: [String: Double?] = [:]
        var shapes: [String: [Int]] = [:]
        for input in item.graph.inputs {
            bounds[input.id] = input.dtype == "s32" ? Double(max(5, input.shape.first ?? 5, 1 << 12)) : 4
            shapes[input.id] = input.shape
        }
        var isExact = true
        for node in item.graph.nodes {
            let operands = node.operands.map { bounds[$0] ?? nil }
            let bound = Self.bound(of: node, operands, node.operands.map { shapes[$0] ?? [] })
            let limit = node.dtype == "bf16" ? 256.0 : 16_777_216
            let isWhole = bound.map { $0 <= limit } ?? false
            let isSum =
                ["dot_general", "conv"].contains(node.op) || (node.op == "reduce" && node.attributes.kind == "sum")
            if isSum, !isWhole { isExact = false }
            bounds[node.id] = .some(isWhole ? bound : nil)
            shapes[node.id] = node.shape
        }
        self.isExact = isExact
    }

    private static func bound(of node: Case.Node, _ operands: [Double?], _ shapes: [[Int]]) -> Double? {
        if movement.contains(node.op) { return largest(operands) }
        switch node.op {
        case "neg", "abs", "max", "min": return largest(operands)
        case "add", "sub": return pair(operands).map { $0 + $1 }
        case "mul": return pair(operands).map { $0 * $1 }
        case "const": return node.attributes.value.flatMap { $0 == $0.rounded() ? abs($0) : nil }
        case "iota": return Double(node.shape.max() ?? 0)
        case "compare": return 1
        case "argmax": return Double(shapes.first?.max() ?? 0)
        case "reduce":
            guard node.attributes.kind == "sum", let first = shapes.first else { return largest(operands) }
            let count = (node.attributes.dims ?? []).reduce(1) { $0 * (first.indices.contains($1) ? first[$1] : 1) }
            return largest(operands).map { $0 * Double(count) }
        case "dot_general":
            guard let first = shapes.first else { return nil }
            let count = (node.attributes.lhsContract ?? []).reduce(1) {
                $0 * (first.indices.contains($1) ? first[$1] : 1)
            }
            return pair(operands).map { $0 * $1 * Double(count) }
        case "conv":
            guard shapes.count == 2 else { return nil }
            let count = shapes[1].dropLast().reduce(1, *)
            return pair(operands).map { $0 * $1 * Double(count) }
        default: return nil
        }
    }

    private static func largest(_ operands: [Double?]) -> Double? {
        operands.reduce(0 as Double?) { most, next in most.flatMap { most in next.map { max(most, $0) } } }
    }

    private static func pair(_ operands: [Double?]) -> (Double, Double)? {
        guard operands.count == 2, let a = operands[0], let b = operands[1] else { return nil }
        return (a, b)
    }
}
