// Combination of partial sums in the reduction tree. Memory-bound: each node is read once, a block of elements at a
// time, so that pending sums stay in the first-level cache.
#include "dot_kernel.h"

enum { BLOCK = 64, DEPTH_MAX = 66 };

/// A pending node.
typedef struct {
    size_t first;
    unsigned level;
    const float *values;
} node;

/// Raises a node to its parent as long as the parent has no right child.
TK_INLINE node raise_node(node n, size_t leaf_count) {
    while (n.level < 63 && n.first + ((size_t)1 << n.level) >= leaf_count && !(n.first >> n.level & 1) && n.first) {
        n.level++;
    }
    return n;
}

/// True where b is the right sibling of a.
TK_INLINE bool siblings(node a, node b) {
    return a.level == b.level && !(a.first >> a.level & 1) && a.first + ((size_t)1 << a.level) == b.first;
}

TK_INLINE void combine(const float *const *nodes, const uint8_t *levels, const size_t *firsts, size_t count,
                       size_t leaf_count, size_t elements, void *out, tk_dtype dtype) {
    float sums[DEPTH_MAX][BLOCK];
    node stack[DEPTH_MAX];
    for (size_t start = 0; start < elements; start += BLOCK) {
        const size_t length = elements - start < BLOCK ? elements - start : BLOCK;
        size_t depth = 0;
        for (size_t i = 0; i < count; i++) {
            stack[depth] = raise_node((node){firsts[i], levels[i], nodes[i] + start}, leaf_count);
            for (; depth > 0 && siblings(stack[depth - 1], stack[depth]); depth--) {
                const float *left = stack[depth - 1].values, *right = stack[depth].values;
                float *sum = sums[depth - 1];
                if (length == BLOCK) {
                    for (size_t e = 0; e < BLOCK; e++) sum[e] = left[e] + right[e];
                } else {
                    for (size_t e = 0; e < length; e++) sum[e] = left[e] + right[e];
                }
                const node parent = {stack[depth - 1].first, stack[depth - 1].level + 1, sum};
                stack[depth - 1] = raise_node(parent, leaf_count);
            }
            depth++;
        }
        const float *root = stack[0].values;
        if (dtype == TK_F32) {
            memmove((float *)out + start, root, length * sizeof(float));
        } else {
            uint16_t *to = (uint16_t *)out + start;
            for (size_t e = 0; e < length; e++) to[e] = tk_round_bf16(root[e]);
        }
    }
}

#if defined(__x86_64__)
__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl"))) static void combine_avx512(
    const float *const *nodes, const uint8_t *levels, const size_t *firsts, size_t count, size_t leaf_count,
    size_t elements, void *out, tk_dtype dtype) {
    combine(nodes, levels, firsts, count, leaf_count, elements, out, dtype);
}

__attribute__((target("avx2"))) static void combine_avx2(const float *const *nodes, const uint8_t *levels,
                                                         const size_t *firsts, size_t count, size_t leaf_count,
                                                         size_t elements, void *out, tk_dtype dtype) {
    combine(nodes, levels, firsts, count, leaf_count, elements, out, dtype);
}
#endif

void tk_tree_combine(const float *const *nodes, const uint8_t *levels, const size_t *firsts, size_t count,
                     size_t leaf_count, size_t elements, void *out, tk_dtype out_dtype) {
    if (count == 0) {
        memset(out, 0, elements * (out_dtype == TK_F32 ? 4 : 2));
        return;
    }
#if defined(__x86_64__)
    const tk_isa isa = tk_best_isa();
    if (isa >= TK_AVX512) return combine_avx512(nodes, levels, firsts, count, leaf_count, elements, out, out_dtype);
    if (isa == TK_AVX2) return combine_avx2(nodes, levels, firsts, count, leaf_count, elements, out, out_dtype);
#endif
    combine(nodes, levels, firsts, count, leaf_count, elements, out, out_dtype);
}
