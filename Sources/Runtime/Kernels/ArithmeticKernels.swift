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
        let (x, out) = (context.operands[0], context.result)
        let kind = kind(
            context, "kind",
            [
                "exp": TK_EXP, "log": TK_LOG, "tanh": TK_TANH, "logistic": TK_LOGISTIC, "rsqrt": TK_RSQRT,
                "sqrt": TK_SQRT, "negate": TK_NEGATE, "abs": TK_ABS,
            ])
        return each(context) { part in
            tk_unary(kind, out.pointer, out.real, x.pointer, x.real, part.lowerBound, part.upperBound)
        }
    }

    static func binary(_ context: OperationContext) -> Kernel {
        let (a, b, out) = (context.operands[0], context.operands[1], context.result)
        let kind = kind(
            context, "kind",
            [
                "add": TK_PLUS, "subtract": TK_MINUS, "multiply": TK_TIMES, "divide": TK_OVER, "maximum": TK_MAXIMUM,
                "minimum": TK_MINIMUM,
            ])
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
        let direction = kind(
            context, "direction",
            ["eq": TK_EQ, "ne": TK_NE, "lt": TK_LT, "le": TK_LE, "gt": TK_GT, "ge": TK_GE])
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
        let (x, out, pool) = (context.operands[0], context.result, context.pool)
        // Partial sums are rounded all of them.
        let count = out.count * (out.buffer.nodes?.count ?? 1)
        func each(_ body: @escaping (_ part: Range<Int>) -> Void) -> Kernel {
            { OperationContext.blocks(pool, count, grain: grain) { part, _ in body(part) } }
        }
        if x.dtype == out.dtype {
            let size = out.dtype.byteCount
            return each { part in
                (out.pointer + part.lowerBound * size).copyMemory(
                    from: x.pointer + part.lowerBound * size, byteCount: part.count * size)
            }
        }
        return each { part in
            tk_cast(out.pointer, out.element, x.pointer, x.element, part.lowerBound, part.upperBound)
        }
    }
}
