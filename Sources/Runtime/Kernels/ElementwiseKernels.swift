import CKernels
import Program
import Tensor

/// Operations that look at one element, or one row, at a time.
enum ElementwiseKernels {
    private static let grain = 16384

    // MARK: Two operands

    static func binary(_ context: OperationContext, _ op: tk_binary) -> Kernel {
        let (a, b, out) = (context.operands[0], context.operands[1], context.result)
        context.check(a.shape == out.shape, "the first operand has the result's part")
        let broadcast = Broadcast(a: a, b: b, context)
        let pool = context.pool
        let captures = (op, a.place, b.place, out.place, broadcast)
        if broadcast.rows == 1 {
            return {
                pool.blocks(broadcast.run, grain: grain, captures) { captured, part, _ in
                    let (op, a, b, out, broadcast) = captured.pointee
                    let step = broadcast.step
                    tk_binary_row(
                        op, out.pointer, out.real, part.lowerBound, a.pointer, a.real, part.lowerBound, b.pointer,
                        b.real, step * part.lowerBound, step, part.count)
                }
            }
        }
        let rowGrain = context.grain(rowElements: broadcast.run)
        return {
            pool.blocks(broadcast.rows, grain: rowGrain, captures) { captured, rows, _ in
                let (op, a, b, out, broadcast) = captured.pointee
                for row in rows {
                    tk_binary_row(
                        op, out.pointer, out.real, row * broadcast.run, a.pointer, a.real, row * broadcast.run,
                        b.pointer, b.real, broadcast.offset(row), broadcast.step, broadcast.run)
                }
            }
        }
    }

    /// How b meets a: rows of `run` elements, in each of which b advances by `step` (0 or 1).
    private struct Broadcast: BitwiseCopyable {
        let run: Int
        let rows: Int
        let step: Int
        private let offsets: List<Int>

        func offset(_ row: Int) -> Int { offsets.isEmpty ? 0 : offsets[row] }

        init(a: Operand, b: Operand, _ context: OperationContext) {
            let lead = a.rank - b.rank
            var strides = [Int](repeating: 0, count: a.rank)
            var stride = 1
            for index in b.shape.indices.reversed() {
                let isFull = b.shape[index] == a.shape[lead + index]
                context.check(isFull || b.sizes[index] == 1, "the second operand broadcasts to the first")
                strides[lead + index] = isFull && a.shape[lead + index] != 1 ? stride : 0
                stride *= b.shape[index]
            }
            var (run, step) = (1, 0)
            var first = a.rank
            while first > 0 {
                let (size, stride) = (a.shape[first - 1], strides[first - 1])
                if size != 1 {
                    if run == 1 { step = stride == 0 ? 0 : 1 }
                    guard stride == step * run else { break }
                    run *= size
                }
                first -= 1
            }
            self.run = run
            self.step = step
            let outer = a.shape.prefix(first)
            rows = outer.reduce(1, *)
            guard strides.prefix(first).contains(where: { $0 != 0 }) else {
                offsets = context.memory.list([])
                return
            }
            var offsets = [0]
            for (size, stride) in zip(outer, strides) {
                offsets = offsets.flatMap { base in (0..<size).map { base + $0 * stride } }
            }
            self.offsets = context.memory.list(offsets)
        }
    }

    // MARK: One operand

    static func kind(_ name: String) -> tk_activation {
        switch name {
        case "silu": TK_SILU
        case "gelu": TK_GELU
        case "geluTanh": TK_GELU_TANH
        case "quickGelu": TK_QUICK_GELU
        case "none": TK_NO_ACTIVATION
        default: preconditionFailure("there is no activation function \(name)")
        }
    }

    static func activation(_ context: OperationContext) -> Kernel {
        let (x, out, pool) = (context.operands[0], context.result, context.pool)
        context.check(x.shape == out.shape, "operand and result have the same part")
        let captures = (kind(context.attributes.text("kind")), x.place, out.place)
        return {
            pool.blocks(x.count, grain: grain, captures) { captured, part, _ in
                let (kind, x, out) = captured.pointee
                tk_activate(kind, out.pointer, out.real, x.pointer, x.real, part.lowerBound, part.upperBound)
            }
        }
    }

    static func pixels(_ context: OperationContext) -> Kernel {
        let (x, out, pool) = (context.operands[0], context.result, context.pool)
        context.check(x.shape == out.shape && out.dtype == .u8, "the result holds bytes of the operand's part")
        let captures = (x.place, out.place)
        return {
            pool.blocks(x.count, grain: grain, captures) { captured, part, _ in
                let (x, out) = captured.pointee
                tk_pixels(out.bytes, x.pointer, x.real, part.lowerBound, part.upperBound)
            }
        }
    }

    static func gatedGelu(_ context: OperationContext) -> Kernel {
        let (x, out, pool) = (context.operands[0], context.result, context.pool)
        let count = out.shape.last ?? 1
        context.check(x.isWhole(x.rank - 2) && x.count == 2 * out.count, "value and gate are both here")
        let rows = out.count / max(1, count)
        let (grain, captures) = (context.grain(rowElements: count), (x.place, out.place, count))
        return {
            pool.blocks(rows, grain: grain, captures) { captured, part, _ in
                let (x, out, count) = captured.pointee
                tk_gated_gelu(out.pointer, out.real, x.pointer, x.real, part.lowerBound, part.upperBound, count)
            }
        }
    }

    static func modulate(_ context: OperationContext) -> Kernel {
        let (x, s, out, pool) = (context.operands[0], context.operands[1], context.result, context.pool)
        let count = out.shape.last ?? 1
        let rows = out.count / max(1, count)
        let modulations = s.shape.dropLast(2).reduce(1, *)
        context.check(
            x.shape == out.shape && s.shape.last == count && s.isWhole(s.rank - 2)
                && s.shape.dropLast(2).elementsEqual(x.shape.prefix(s.rank - 2)), "scale and shift fit the operand")
        let rowsPerModulation = max(1, rows / max(1, modulations))
        let grain = context.grain(rowElements: count)
        let captures = (x.place, s.place, out.place, count, rowsPerModulation)
        return {
            pool.blocks(rows, grain: grain, captures) { captured, part, _ in
                let (x, s, out, count, rowsPerModulation) = captured.pointee
                tk_modulate(
                    out.pointer, out.real, x.pointer, x.real, s.pointer, s.real, part.lowerBound, part.upperBound,
                    count, rowsPerModulation)
            }
        }
    }

    static func sinusoid(_ context: OperationContext) -> Kernel {
        let (v, out) = (context.operands[0], context.result)
        let width = context.attributes.int("width")
        let maxPeriod = context.attributes.float("maxPeriod", default: 10000)
        context.check(out.count == v.count * width && width % 2 == 0, "a number becomes an even number of waves")
        let (values, waves) = (v.place, out.place)
        return { tk_sinusoid(waves.pointer, waves.real, values.pointer, values.real, values.count, width, maxPeriod) }
    }
}
