// AVX-512 VNNI micro kernel: vpdpbusd on 12 rows x 32 columns in 24 accumulators.
//
// The instruction multiplies unsigned by signed bytes. Weights are packed 128 greater, as unsigned; the sums of a row
// start at -128 times the row's sum, so that they end exact.
//
// A unit of four k does 12 * 32 * 4 = 1536 multiply-adds in 24 instructions (12 cycles where two issue in a cycle) and
// reads 128 bytes of weights and 48 bytes of x: as many bytes a cycle as the bf16 kernel, at twice the products, and
// from blocks of the same bytes. With few rows the limit is memory, one byte of weights for 2 * rows operations, up to
// 12 rows on a Zen 5 (40 GB/s, 1010 GOP/s); the scales of a segment then count too: four bytes a column of it.
#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))
#define ROWS 12
#define LANES 16
#define IS_INT8 1
#define STEP 64
#define UNIT 4
#define AT_ONCE 4
#include "dot_vector_kernel.h"

TK_INLINE TARGET void multiply(sums acc[ROWS][2], const char *x, const char *w, int rows, int vectors, size_t unit) {
    __m512i weights[2];
    EACH_VECTOR weights[v] = _mm512_loadu_si512(w + v * 64);
    EACH_ROW {
        const __m512i value = _mm512_set1_epi32(tk_load32(x + r * 64 + unit * 4));
        EACH_VECTOR acc[r][v] = (sums)_mm512_dpbusd_epi32((__m512i)acc[r][v], weights[v], value);
    }
}

const tk_dot_kernel tk_dot_s8_avx512_vnni = {
    .rows = ROWS, .columns = COLUMNS, .lane = LANES, .row_quantum = 1, .staged = 1, .unit = UNIT, .biased = true,
    .block_m = 516, .block_n = 256, .block_k = 4096, .resident = 512 << 10, .tile = tile, .emit = emit,
};
#endif
