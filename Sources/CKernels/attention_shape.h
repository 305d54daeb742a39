#pragma once
#include "attention.h"

enum { ATTENTION_ROWS_MAX = 8 };

/// The parts of a call's scratch, in floats.
typedef struct {
    float *keys;    // transposed
    float *values;
    float *queries; // a group
    float *scores;  // of the group
    float *sums;    // its weighted values
    size_t score_stride;
} attention_scratch;

/// Keys that a query sees.
static inline size_t attention_limit(const tk_attention *s, size_t query) {
    const size_t seen = s->first_query + query + 1;
    return s->causal && seen < s->keys ? seen : s->keys;
}

/// Scores to compute for `end` keys (a multiple of 16): whole blocks, as the keys are staged.
static inline size_t attention_staged_keys(size_t keys, size_t end, size_t vectors) {
    const size_t staged = (keys + 15) / 16 * 16, whole = (end + 16 * vectors - 1) / (16 * vectors) * 16 * vectors;
    return whole < staged ? whole : staged;
}

typedef void attention_function(const tk_attention *shape, const void *q, const void *k, const void *v, void *out,
                                const attention_scratch *scratch);

attention_function tk_attend_portable;
#if defined(__x86_64__)
attention_function tk_attend_avx2;
attention_function tk_attend_avx512;
attention_function tk_attend_avx512_bf16; // bf16 operands
#endif
