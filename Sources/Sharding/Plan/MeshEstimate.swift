import Program
import Tensor

/// What a mesh costs at least, told from a program's annotations alone: decides which meshes are worth compiling.
///
/// Computing: the one-device time over the parts that the mesh's axes cut the program into. Exchanging: an all-reduce for
/// each product whose contracted weight dimension is split, an all-gather of keys and values where tokens are, the
/// guided logits where guidance is, two rounds for each group norm and one for each convolution where rows are.
struct MeshEstimate {
    /// Sizes by mesh axis name.
    let sizes: [String: Int]
    let rules: LogicalAxisRules
    let links: LinkCosts

    /// Seconds of one call, given the seconds that an average one of the devices takes alone.
    func seconds(_ program: Program, alone: Double) -> Double {
        alone / parts(program) + exchangeSeconds(program)
    }

    /// Devices among which a dimension of a logical axis is cut, at most its granules.
    private func cut(_ logical: String?, _ granules: Int) -> Int {
        guard let logical, let names = rules.rules[logical] else { return 1 }
        return min(max(1, granules), names.reduce(1) { $0 * (sizes[$1] ?? 1) })
    }

    /// How many times less the busiest device does.
    private func parts(_ program: Program) -> Double {
        var granules: [String: Int] = [:]
        for operation in program.operations {
            for (name, dim) in zip(operation.axes, operation.type.dims) {
                if let name { granules[name] = max(granules[name] ?? 1, dim.granuleCount) }
            }
        }
        // Each mesh axis counts once, for the logical axis that uses it best.
        var best: [String: Double] = [:]
        for (logical, names) in rules.rules {
            guard let count = granules[logical] else { continue }
            var left = count
            for name in names {
                let size = min(sizes[name] ?? 1, left)
                let share = Double(left) / Double((left + size - 1) / size)
                best[name] = max(best[name] ?? 1, share)
                left = max(1, (left + size - 1) / size)
            }
        }
        return best.values.reduce(1, *)
    }

    private func exchangeSeconds(_ program: Program) -> Double {
        program.operations.reduce(0) { $0 + exchangeSeconds($1, program) }
    }

    private func exchangeSeconds(_ operation: Program.Operation, _ program: Program) -> Double {
        let bytes = Double(operation.type.elementCount) / shards(operation)
        switch operation.opcode {
        case .dot:
            let weights = program.operations[operation.operands[1]]
            let contracted = weights.axes.suffix(operation.attributes.int("contract"))
            let dims = weights.type.dims.suffix(operation.attributes.int("contract"))
            let count = zip(contracted, dims).reduce(1) { max($0, cut($1.0, $1.1.granuleCount)) }
            return allReduce(elements: bytes, among: count)
        case .attention:
            let keys = program.operations[operation.operands[1]]
            let count = keys.opcode == .input ? 1 : cut("tokens", operation.type.dims.map(\.granuleCount).max() ?? 1)
            guard count > 1 else { return 0 }
            let width = Double(keys.type.dtype.byteCount)
            let elements = 2 * Double(keys.type.elementCount) / shards(operation)
            return links.latency + elements * width * Double(count - 1) / Double(count) / links.bandwidth
        case .guide:
            let count = cut("guidance", 2)
            return count > 1 ? links.latency + bytes * 4 / 2 / links.bandwidth : 0
        case .groupSum, .groupSquares: return cut("rows", .max) > 1 ? 2 * links.latency : 0
        case .conv, .convGeneral: return cut("rows", .max) > 1 ? links.latency : 0
        default: return 0
        }
    }

    /// Parts that a result is cut into along pictures, guidance and tokens, whose devices exchange independently.
    private func shards(_ operation: Program.Operation) -> Double {
        let axes = Set(["batch", "guidance", "tokens"].flatMap { rules.rules[$0] ?? [] })
        return Double(axes.reduce(1) { $0 * (sizes[$1] ?? 1) })
    }

    /// f32 partial sums out and, in two rounds, bf16 results back.
    private func allReduce(elements: Double, among count: Int) -> Double {
        guard count > 1 else { return 0 }
        let others = Double(count - 1)
        let oneShot = links.latency + 4 * elements * others / links.bandwidth
        let twoRounds = 2 * links.latency + 6 * elements * others / Double(count) / links.bandwidth
        return min(oneShot, twoRounds)
    }
}
