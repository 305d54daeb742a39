// AVX-512 VNNI micro kernel: vpdpbusd on 12 rows x 32 columns in 24 accumulators.
//
// The instruction multiplies unsigned by signed bytes. Weights are packed 128 greater, as unsigned; the sums of a row
// start at -128 times the row's sum, so that they end exact.
//
// A unit of four k does 12 * 32 * 4 = 1536 multiply-adds in 24 instructions (12 cycles where two issue in a cycle) and
// reads 128 bytes of weights and 48 bytes of x: as many bytes a cycle as the bf16 kernel, at twice the products. A
// panel of weights (32 bytes for each of k) stays in the second-level cache over all rows. A leaf ends with a
// conversion, two multiplications, an addition of the tree and a store for each accumulator, about 60 cycles: 4 % of
// the 1536 cycles of a leaf of 512, 30 % of a leaf of 64. With few rows the limit is memory: one byte of weights for 2 * rows operations.
#if defined(__x86_64__)
#include <immintrin.h>

#include "dot_kernel.h"

#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512vnni")))

enum { ROWS = 12, COLUMNS = 32, STEP = 64 };

TK_INLINE TARGET void unit(__m512i acc[ROWS][2], const char *x, const char *w, int rows, int vectors, size_t u) {
    __m512i weights[2];
#pragma clang loop unroll(full)
    for (int v = 0; v < vectors; v++) weights[v] = _mm512_loadu_si512(w + v * 64);
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) {
        const __m512i value = _mm512_set1_epi32(tk_load32(x + r * 64 + u * 4));
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) acc[r][v] = _mm512_dpbusd_epi32(acc[r][v], weights[v], value);
    }
}

/// The end of a leaf: scales, the tree's additions, and the store.
TK_INLINE TARGET void finish(const tk_tile *t, __m512i acc[ROWS][2], const int rows, const int vectors) {
    __m512 columns[2], sum[ROWS][2];
#pragma clang loop unroll(full)
    for (int v = 0; v < vectors; v++) columns[v] = _mm512_loadu_ps(t->column_scales + v * 16);
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) {
        const __m512 row = _mm512_set1_ps(t->row_scales[r]);
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) {
            sum[r][v] = _mm512_mul_ps(_mm512_cvtepi32_ps(acc[r][v]), _mm512_mul_ps(row, columns[v]));
        }
    }
    for (size_t m = 0; m < t->merges; m++) {
        const float *left = t->merge[m];
#pragma clang loop unroll(full)
        for (int r = 0; r < rows; r++) {
#pragma clang loop unroll(full)
            for (int v = 0; v < vectors; v++) {
                sum[r][v] = _mm512_add_ps(_mm512_loadu_ps(left + r * COLUMNS + v * 16), sum[r][v]);
            }
        }
    }
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) {
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) _mm512_storeu_ps(t->store + r * COLUMNS + v * 16, sum[r][v]);
    }
}

TK_INLINE TARGET void run(const tk_tile *t, const int rows, const int vectors) {
    __m512i acc[ROWS][2];
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) {
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) {
            acc[r][v] = t->init ? _mm512_loadu_si512(t->init + r * COLUMNS + v * 16)
                                : _mm512_set1_epi32(t->row_starts[r]);
        }
    }
    const char *x = t->x, *w = t->w, *next = t->prefetch;
    size_t k = t->k;
    // Many prefetches at once would stop the loads behind them: they are spread over the step.
    const size_t lines = t->prefetch_lines / (STEP / 16), more = t->prefetch_lines % (STEP / 16);
    for (; k >= STEP; k -= STEP, x += ROWS * 64) {
        next = tk_prefetch(next, more);
#pragma clang loop unroll(disable)
        for (size_t u = 0; u < STEP / 4; u += 4) {
            next = tk_prefetch(next, lines);
#pragma clang loop unroll(full)
            for (size_t i = 0; i < 4; i++, w += vectors * 64) unit(acc, x, w, rows, vectors, u + i);
        }
    }
#pragma clang loop unroll(disable)
    for (size_t u = 0; u < (k + 3) / 4; u++, w += vectors * 64) unit(acc, x, w, rows, vectors, u);
    if (t->row_scales) {
        finish(t, acc, rows, vectors);
        return;
    }
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) {
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) _mm512_storeu_si512(t->store + r * COLUMNS + v * 16, acc[r][v]);
    }
}

#define CASE(n) case n: columns > 16 ? run(t, n, 2) : run(t, n, 1); break;

TARGET static void tile(const tk_tile *t, size_t rows, size_t columns) {
    switch (rows) {
        CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6) CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12)
    }
}

TARGET static void emit(const float *tile, size_t rows, size_t columns, void *out, size_t ldo, tk_dtype dtype) {
    tk_emit_rows(tile, COLUMNS, rows, columns, out, ldo, dtype);
}

const tk_dot_kernel tk_dot_s8_avx512_vnni = {
    .rows = ROWS, .columns = COLUMNS, .lane = 16, .row_quantum = 1, .staged = 1, .unit = 4, .biased = true,
    .block_m = 516, .block_n = COLUMNS, .block_k = 16384, .tile = tile, .emit = emit,
};
#endif
