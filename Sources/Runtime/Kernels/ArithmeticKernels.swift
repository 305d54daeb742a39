import CKernels
import Program
import Tensor

/// General element-wise operations; operands and result have the same part.
enum ArithmeticKernels {
    private static let grain = 16384

    private static func each(_ context: OperationContext, _ body: @escaping (_ part: Range<Int>) -> Void) -> Kernel {
        let (pool, count) = (context.pool, context.result.count)
        return { OperationContext.blocks(pool, count, grain: grain) { part, _ in body(part) } }
    }

    static func unary(_ context: OperationContext) -> Kernel {
        let (x, out) = (context.operands[0], context.result)
        let kind: tk_unary_kind =
            switch context.attributes.text("kind") {
            case "exp": TK_EXP
            case "log": TK_LOG
            case "tanh": TK_TANH
            case "logistic": TK_LOGISTIC
            case "rsqrt": TK_RSQRT
            case "sqrt": TK_SQRT
            case "negate": TK_NEGATE
            default: TK_ABS
            }
        return each(context) { part in
            tk_unary(kind, out.pointer, out.real, x.pointer, x.real, part.lowerBound, part.upperBound)
        }
    }

    static func binary(_ context: OperationContext) -> Kernel {
        let (a, b, out) = (context.operands[0], context.operands[1], context.result)
        let kind: tk_binary_kind =
            switch context.attributes.text("kind") {
            case "add": TK_PLUS
            case "subtract": TK_MINUS
            case "multiply": TK_TIMES
            case "divide": TK_OVER
            case "maximum": TK_MAXIMUM
            default: TK_MINIMUM
            }
        if out.dtype == .i32 {
            return each(context) { part in
                tk_binary_i32(kind, out.integers, a.integers, b.integers, part.lowerBound, part.upperBound)
            }
        }
        return each(context) { part in
            tk_binary_real(
                kind, out.pointer, out.real, a.pointer, a.real, b.pointer, b.real, part.lowerBound, part.upperBound)
        }
    }

    static func compare(_ context: OperationContext) -> Kernel {
        let (a, b, out) = (context.operands[0], context.operands[1], context.result)
        let direction: tk_direction =
            switch context.attributes.text("direction") {
            case "eq": TK_EQ
            case "ne": TK_NE
            case "lt": TK_LT
            case "le": TK_LE
            case "gt": TK_GT
            default: TK_GE
            }
        return each(context) { part in
            tk_compare(
                direction, out.pointer.assumingMemoryBound(to: UInt8.self), a.pointer, a.element, b.pointer, b.element,
                part.lowerBound, part.upperBound)
        }
    }

    static func select(_ context: OperationContext) -> Kernel {
        let (predicate, a, b) = (context.operands[0], context.operands[1], context.operands[2])
        let out = context.result
        return each(context) { part in
            tk_select(
                out.pointer, out.dtype.byteCount, predicate.pointer.assumingMemoryBound(to: UInt8.self), a.pointer,
                b.pointer, part.lowerBound, part.upperBound)
        }
    }

    static func cast(_ context: OperationContext) -> Kernel {
        let (x, out) = (context.operands[0], context.result)
        if x.dtype == out.dtype {
            let size = out.dtype.byteCount
            return each(context) { part in
                (out.pointer + part.lowerBound * size).copyMemory(
                    from: x.pointer + part.lowerBound * size, byteCount: part.count * size)
            }
        }
        return each(context) { part in
            tk_cast(out.pointer, out.element, x.pointer, x.element, part.lowerBound, part.upperBound)
        }
    }
}
