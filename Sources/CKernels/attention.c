// Attention: the parts of the scratch and the choice of the level's kernel.
#include "attention.h"

#include <stdint.h>
#include <string.h>

#include "attention_shape.h"

static size_t round_up(size_t a, size_t b) { return (a + b - 1) / b * b; }

/// Floats of each part of the scratch. A score row is longer than its keys so that rows do not meet in one cache set.
typedef struct {
    size_t keys, values, queries, score_stride, scores, sums;
} sizes;

static sizes measure(const tk_attention *s) {
    sizes n = {.keys = round_up(s->keys, 32) * s->depth, .values = s->keys * round_up(s->depth, 32)};
    n.queries = round_up(ATTENTION_ROWS_MAX * s->depth, 16);
    n.score_stride = round_up(s->keys, 32) + 16;
    n.scores = ATTENTION_ROWS_MAX * n.score_stride;
    n.sums = ATTENTION_ROWS_MAX * round_up(s->depth, 32);
    return n;
}

size_t tk_attention_scratch_bytes(tk_isa isa, const tk_attention *shape) {
    (void)isa;
    const sizes n = measure(shape);
    return (n.keys + n.values + n.queries + n.scores + n.sums) * sizeof(float);
}

void tk_attend(tk_isa isa, const tk_attention *shape, const void *q, const void *k, const void *v, void *out,
               void *scratch) {
    const size_t element = shape->out_dtype == TK_F32 ? 4 : 2;
    if (shape->keys == 0) {
        for (size_t i = 0; i < shape->queries; i++) {
            memset((char *)out + i * shape->out_stride * element, 0, shape->depth * element);
        }
        return;
    }
    const sizes n = measure(shape);
    attention_scratch t = {.keys = scratch, .score_stride = n.score_stride};
    t.values = t.keys + n.keys;
    t.queries = t.values + n.values;
    t.scores = t.queries + n.queries;
    t.sums = t.scores + n.scores;
#if defined(__x86_64__)
    const bool pairs = isa == TK_AVX512_BF16 || isa == TK_AMX;
    if (pairs && shape->dtype == TK_BF16) return tk_attend_avx512_bf16(shape, q, k, v, out, &t);
    if (isa >= TK_AVX512 && isa <= TK_AMX) return tk_attend_avx512(shape, q, k, v, out, &t);
    if (isa == TK_AVX2) return tk_attend_avx2(shape, q, k, v, out, &t);
#endif
    (void)isa;
    tk_attend_portable(shape, q, k, v, out, &t);
}
