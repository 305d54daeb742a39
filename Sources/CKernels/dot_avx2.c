// AVX2 micro kernel: 6 rows x 16 columns, x staged as f32, weights widened from bf16 in registers.
//
// A pair of k does 6 * 16 * 4 = 384 flops in 24 fused operations (12 cycles at two a cycle) and reads 64 bytes of
// weights and 48 bytes of x: limited by the fused operations, then by the 12 broadcasts and 4 widenings beside them.
#if defined(__x86_64__)
#include <immintrin.h>

#include "dot_kernel.h"

#define TARGET __attribute__((target("avx2,fma")))

enum { ROWS = 6, COLUMNS = 16, STEP = 16 };

TK_INLINE TARGET void pair(__m256 acc[ROWS][2], const char *x, const char *w, int rows, int vectors, size_t p) {
#pragma clang loop unroll(full)
    for (int half = 0; half < 2; half++) {
        __m256 wide[2];
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) {
            const __m256i both = _mm256_loadu_si256((const __m256i *)(w + v * 32));
            wide[v] = _mm256_castsi256_ps(
                half ? _mm256_and_si256(both, _mm256_set1_epi32((int)0xFFFF0000)) : _mm256_slli_epi32(both, 16));
        }
#pragma clang loop unroll(full)
        for (int r = 0; r < rows; r++) {
            const __m256 value = _mm256_broadcast_ss((const float *)(x + r * 64 + p * 8 + (size_t)half * 4));
#pragma clang loop unroll(full)
            for (int v = 0; v < vectors; v++) acc[r][v] = _mm256_fmadd_ps(value, wide[v], acc[r][v]);
        }
    }
}

TK_INLINE TARGET void run(const tk_tile *t, const int rows, const int vectors) {
    __m256 acc[ROWS][2];
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) {
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) {
            acc[r][v] = t->init ? _mm256_loadu_ps(t->init + r * COLUMNS + v * 8) : _mm256_setzero_ps();
        }
    }
    const char *x = t->x, *w = t->w, *next = t->prefetch;
    for (size_t k = t->k; k > 0;) {
        const size_t pairs = k < STEP ? (k + 1) / 2 : STEP / 2;
        next = tk_prefetch(next, t->prefetch_lines);
        for (size_t p = 0; p < pairs; p++, w += vectors * 32) pair(acc, x, w, rows, vectors, p);
        x += ROWS * 64;
        k -= k < STEP ? k : STEP;
    }
    for (size_t m = 0; m < t->merges; m++) {
        const float *left = t->merge[m];
#pragma clang loop unroll(full)
        for (int r = 0; r < rows; r++) {
#pragma clang loop unroll(full)
            for (int v = 0; v < vectors; v++) {
                acc[r][v] = _mm256_add_ps(_mm256_loadu_ps(left + r * COLUMNS + v * 8), acc[r][v]);
            }
        }
    }
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) {
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) _mm256_storeu_ps(t->store + r * COLUMNS + v * 8, acc[r][v]);
    }
}

#define CASE(n) case n: columns > 8 ? run(t, n, 2) : run(t, n, 1); break;

TARGET static void tile(const tk_tile *t, size_t rows, size_t columns) {
    switch (rows) {
        CASE(1) CASE(2) CASE(3) CASE(4) CASE(5) CASE(6)
    }
}

TARGET static void emit(const float *tile, size_t rows, size_t columns, void *out, size_t ldo, tk_dtype dtype) {
    tk_emit_rows(tile, COLUMNS, rows, columns, out, ldo, dtype);
}

const tk_dot_kernel tk_dot_avx2 = {
    .rows = ROWS, .columns = COLUMNS, .lane = 8, .row_quantum = 1, .staged = 4, .unit = 2,
    .block_m = 516, .block_n = COLUMNS, .block_k = 8192, .tile = tile, .emit = emit,
};
#endif
