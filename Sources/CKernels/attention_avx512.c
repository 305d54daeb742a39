// Attention on AVX-512: 16 accumulators. Gives the same bits as AVX2. See attention_kernel.h.
#if defined(__x86_64__)
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))
#define ROWS 8
#define VECTORS 2
#define FUSED(a, b, c) __builtin_elementwise_fma(a, b, c)
#include "attention_kernel.h"

TARGET void tk_attend_avx512(const tk_attention *shape, const void *q, const void *k, const void *v, void *out,
                             const attention_scratch *scratch) {
    attend(shape, q, k, v, out, scratch);
}
#endif
