// Attention on AVX2 and FMA: a vector of 16 lanes is two registers, 12 accumulators. See attention_kernel.h.
#if defined(__x86_64__)
#define TARGET __attribute__((target("avx2,fma")))
#define ROWS 6
#define VECTORS 1
#define FUSED(a, b, c) __builtin_elementwise_fma(a, b, c)
#include "attention_kernel.h"

TARGET void tk_attend_avx2(const tk_attention *shape, const void *q, const void *k, const void *v, void *out,
                           const attention_scratch *scratch) {
    attend(shape, q, k, v, out, scratch);
}
#endif
