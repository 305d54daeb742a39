import CKernels
import Program
import Tensor

/// ``Opcode/attention``: every head of every leading index by itself, large ones in blocks of queries.
enum AttentionKernel {
    static func make(_ context: OperationContext) -> Kernel {
        let (q, k, v) = (context.operands[0], context.operands[1], context.operands[2])
        let result = context.result
        let (queryDims, keyDims) = (context.attributes.int("queryDims"), context.attributes.int("keyDims"))
        let lead = q.rank - queryDims - 2
        let groups = q.shape.prefix(lead).reduce(1, *)
        let queries = q.shape[lead..<(lead + queryDims)].reduce(1, *)
        let keys = k.shape[lead..<(lead + keyDims)].reduce(1, *)
        let (heads, depth) = (q.shape[q.rank - 2], q.shape[q.rank - 1])
        context.check(
            k.shape.suffix(2).elementsEqual([heads, depth]) && k.shape == v.shape && result.shape == q.shape
                && k.shape.prefix(lead).elementsEqual(q.shape.prefix(lead)), "heads and leading dimensions agree")
        context.check((lead..<(lead + keyDims)).allSatisfy(k.isWhole), "all keys are here")
        let isCausal = context.attributes.int("causal", default: 0) != 0
        // Positions matter to a causal mask alone: others may have any part of the queries.
        context.check(
            !isCausal || (lead..<(lead + queryDims)).dropFirst().allSatisfy(q.isWhole),
            "queries are split along one dimension")
        let inner = q.sizes[lead..<(lead + queryDims)].dropFirst().reduce(1, *)
        let first = queryDims > 0 ? q.ranges[lead].lowerBound * inner : 0
        let isUniform = q.dtype == k.dtype && k.dtype == v.dtype
        let dtype = isUniform ? q.real : TK_F32
        let shape = tk_attention(
            queries: queries, keys: keys, depth: depth, q_stride: heads * depth, k_stride: heads * depth,
            v_stride: heads * depth, out_stride: heads * depth, scale: Float(context.attributes.float("scale")),
            causal: isCausal, first_query: first, dtype: dtype,
            out_dtype: result.real)
        let isa = context.isa
        context.scratch.reserve(
            shared: isUniform ? 0 : aligned(q.count * 4) + aligned(k.count * 4) + aligned(v.count * 4),
            perThread: withUnsafePointer(to: shape) { tk_attention_scratch_bytes(isa, $0) })
        let (pool, scratch) = (context.pool, context.scratch.places)
        let block = groups * heads >= 2 * pool.threadCount ? max(1, queries) : 64
        let blocks = (queries + block - 1) / block
        let (size, outSize) = (dtype == TK_BF16 ? 2 : 4, result.dtype.byteCount)
        let (qPlace, kPlace, vPlace, out) = (q.place, k.place, v.place, result.place)
        return {
            var (qBase, kBase, vBase) = (qPlace.pointer, kPlace.pointer, vPlace.pointer)
            if !isUniform {
                let room = scratch.shared
                qBase = widened(qPlace, to: room)
                kBase = widened(kPlace, to: room + aligned(qPlace.count * 4))
                vBase = widened(vPlace, to: room + aligned(qPlace.count * 4) + aligned(kPlace.count * 4))
            }
            let loop = Loop(
                isa: isa, shape: shape, heads: heads, queries: queries, keys: keys, depth: depth, first: first,
                block: block, blocks: blocks, q: qBase, k: kBase, v: vBase, out: out.pointer, size: size,
                outSize: outSize, scratch: scratch)
            pool.parallelFor(groups * heads * blocks, loop) { $0.pointee.run($1, thread: $2) }
        }
    }

    /// An operand's elements as f32, in scratch.
    private static func widened(_ operand: Place, to room: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer {
        tk_convert(room, TK_F32, operand.pointer, operand.real, operand.count)
        return room
    }

    /// A block of queries of one head of one leading index at a time.
    private struct Loop: BitwiseCopyable {
        let isa: tk_isa
        let shape: tk_attention
        let heads, queries, keys, depth, first: Int
        let block, blocks: Int
        let q, k, v, out: UnsafeMutableRawPointer
        let size, outSize: Int
        let scratch: Scratch.Places

        func run(_ index: Int, thread: Int) {
            let query = index % blocks * block
            let (group, head) = (index / blocks / heads, index / blocks % heads)
            var part = shape
            part.queries = min(block, queries - query)
            part.first_query = first + query
            let row = ((group * queries + query) * heads + head) * depth
            let key = (group * keys * heads + head) * depth
            tk_attend(
                isa, &part, q + row * size, k + key * size, v + key * size, out + row * outSize,
                scratch.ofThread(thread))
        }
    }
}
