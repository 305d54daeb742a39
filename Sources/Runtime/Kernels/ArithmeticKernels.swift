import CKernels
import Program
import Tensor

/// General element-wise operations; operands and result have the same part.
enum ArithmeticKernels {
    private static let grain = 16384

    private static func each<Captures: BitwiseCopyable>(
        _ context: OperationContext, count: Int? = nil, _ captures: Captures,
        _ body: @escaping (_ captures: UnsafePointer<Captures>, _ part: Range<Int>, _ thread: Int) -> Void
    ) -> Kernel {
        let (pool, count) = (context.pool, count ?? context.result.count)
        return { pool.blocks(count, grain: grain, captures, body) }
    }

    /// The kernel's name for an attribute's word; the operation's signature admits no other words.
    private static func kind<Kind>(
        _ context: OperationContext, _ attribute: String, _ kinds: KeyValuePairs<String, Kind>
    ) -> Kind {
        let word = context.attributes.text(attribute)
        guard let kind = kinds.first(where: { $0.key == word })?.value else {
            preconditionFailure("\(context.opcode.rawValue) has no \(attribute) \(word)")
        }
        return kind
    }

    static func unary(_ context: OperationContext) -> Kernel {
        let (x, out) = (context.operands[0].place, context.result.place)
        let kind = kind(
            context, "kind",
            [
                "exp": TK_EXP, "log": TK_LOG, "tanh": TK_TANH, "logistic": TK_LOGISTIC, "rsqrt": TK_RSQRT,
                "sqrt": TK_SQRT, "negate": TK_NEGATE, "abs": TK_ABS,
            ])
        return each(context, (kind, x, out)) { captured, part, _ in
            let (kind, x, out) = captured.pointee
            tk_unary(kind, out.pointer, out.real, x.pointer, x.real, part.lowerBound, part.upperBound)
        }
    }

    static func binary(_ context: OperationContext) -> Kernel {
        let (a, b, out) = (context.operands[0].place, context.operands[1].place, context.result.place)
        let kind = kind(
            context, "kind",
            [
                "add": TK_PLUS, "subtract": TK_MINUS, "multiply": TK_TIMES, "divide": TK_OVER, "maximum": TK_MAXIMUM,
                "minimum": TK_MINIMUM,
            ])
        if out.dtype == .i32 {
            return each(context, (kind, a, b, out)) { captured, part, _ in
                let (kind, a, b, out) = captured.pointee
                tk_binary_i32(kind, out.integers, a.integers, b.integers, part.lowerBound, part.upperBound)
            }
        }
        return each(context, (kind, a, b, out)) { captured, part, _ in
            let (kind, a, b, out) = captured.pointee
            tk_binary_real(
                kind, out.pointer, out.real, a.pointer, a.real, b.pointer, b.real, part.lowerBound, part.upperBound)
        }
    }

    static func compare(_ context: OperationContext) -> Kernel {
        let (a, b, out) = (context.operands[0].place, context.operands[1].place, context.result.place)
        let direction = kind(
            context, "direction",
            ["eq": TK_EQ, "ne": TK_NE, "lt": TK_LT, "le": TK_LE, "gt": TK_GT, "ge": TK_GE])
        return each(context, (direction, a, b, out)) { captured, part, _ in
            let (direction, a, b, out) = captured.pointee
            tk_compare(
                direction, out.bytes, a.pointer, a.element, b.pointer, b.element, part.lowerBound, part.upperBound)
        }
    }

    static func select(_ context: OperationContext) -> Kernel {
        let (predicate, a, b) = (context.operands[0].place, context.operands[1].place, context.operands[2].place)
        let (out, size) = (context.result.place, context.result.dtype.byteCount)
        return each(context, (predicate, a, b, out, size)) { captured, part, _ in
            let (predicate, a, b, out, size) = captured.pointee
            tk_select(out.pointer, size, predicate.bytes, a.pointer, b.pointer, part.lowerBound, part.upperBound)
        }
    }

    static func cast(_ context: OperationContext) -> Kernel {
        let (x, out) = (context.operands[0].place, context.result.place)
        // Partial sums are rounded all of them.
        let count = out.count * (context.result.buffer.nodes?.count ?? 1)
        if x.dtype == out.dtype {
            let size = out.dtype.byteCount
            return each(context, count: count, (x, out, size)) { captured, part, _ in
                let (x, out, size) = captured.pointee
                (out.pointer + part.lowerBound * size).copyMemory(
                    from: x.pointer + part.lowerBound * size, byteCount: part.count * size)
            }
        }
        return each(context, count: count, (x, out)) { captured, part, _ in
            let (x, out) = captured.pointee
            tk_cast(out.pointer, out.element, x.pointer, x.element, part.lowerBound, part.upperBound)
        }
    }
}
