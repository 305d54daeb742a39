// AVX512_BF16 micro kernel: vdpbf16ps on 12 rows x 32 columns; x and weights stay bf16.
//
// A pair of k does 12 * 32 * 4 = 1536 flops in 24 instructions (12 cycles where two issue in a cycle) and reads 128
// bytes of weights and 48 bytes of x. A panel of weights (64 bytes for each of k) stays in the second-level cache
// over all rows, 11 bytes a cycle; staged x comes through it at 4 bytes a cycle. So the limit is the vdpbf16ps rate;
// with few rows it is memory: two bytes of weights for 2 * rows flops.
#if defined(__x86_64__)
#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")))
#define STEP 32
#include "dot_avx512_kernel.h"

TK_INLINE TARGET void pair(__m512 acc[ROWS][2], const char *x, const char *w, int rows, int vectors, size_t p) {
    __m512bh weights[2];
#pragma clang loop unroll(full)
    for (int v = 0; v < vectors; v++) weights[v] = (__m512bh)_mm512_loadu_si512(w + v * 64);
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) {
        const __m512bh value = (__m512bh)_mm512_set1_epi32(tk_load32(x + r * 64 + p * 4));
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) acc[r][v] = _mm512_dpbf16_ps(acc[r][v], value, weights[v]);
    }
}

const tk_dot_kernel tk_dot_avx512_bf16 = {
    .rows = ROWS, .columns = COLUMNS, .lane = 16, .row_quantum = 1, .staged = 2, .unit = 2,
    .block_m = 516, .block_n = COLUMNS, .block_k = 8192, .tile = tile, .emit = emit,
};
#endif
