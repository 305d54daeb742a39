// AVX512_BF16 micro kernel: vdpbf16ps on 12 rows x 32 columns; x and weights stay bf16.
//
// A pair of k does 12 * 32 * 4 = 1536 flops in 24 instructions (12 cycles where two issue in a cycle) and reads 128
// bytes of weights and 48 bytes of x: 11 and 4 bytes a cycle from the second-level cache, where a block of x of up to
// 512 KiB and a panel's block of 128 KiB lie. So the limit is the vdpbf16ps rate. Its latency is 6 cycles: it takes 12
// accumulators to issue two in a cycle, 16 to be sure of it, which tiles of 6 and fewer rows do not have.
//
// With few rows it is memory: two bytes of weights for 2 * rows flops. One core of a Zen 5 reads 40 GB/s and multiplies
// 505 GFLOP/s, so memory is the limit up to 12 rows and the instruction from 13 on. One of a Zen 4 reads 31 GB/s and
// multiplies 235 GFLOP/s: memory up to 7 rows, from 10 on not even 80 % of it.
#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")))
#define ROWS 12
#define LANES 16
#define IS_INT8 0
#define STEP 32
#define UNIT 2
#define AT_ONCE 4
#include "dot_vector_kernel.h"

TK_INLINE TARGET void multiply(sums acc[ROWS][2], const char *x, const char *w, int rows, int vectors, size_t unit) {
    __m512bh weights[2];
    EACH_VECTOR weights[v] = (__m512bh)_mm512_loadu_si512(w + v * 64);
    EACH_ROW {
        const __m512bh value = (__m512bh)_mm512_set1_epi32(tk_load32(x + r * 64 + unit * 4));
        EACH_VECTOR acc[r][v] = _mm512_dpbf16_ps(acc[r][v], value, weights[v]);
    }
}

const tk_dot_kernel tk_dot_avx512_bf16 = {
    .rows = ROWS, .columns = COLUMNS, .lane = LANES, .row_quantum = 1, .staged = 2, .unit = UNIT,
    .block_m = 516, .block_n = 256, .block_k = 2048, .resident = 512 << 10, .tile = tile, .emit = emit,
};
#endif
