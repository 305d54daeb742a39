// AVX2 int8 micro kernel: 6 rows x 16 columns, x staged as int16, weights widened from int8 in registers.
//
// Two elements of k of 8 columns: one vpmaddwd (exact; vpmaddubsw would saturate) and one vpaddd: 16 multiply-adds in
// two instructions, where bf16 widened to f32 takes two of 8 each. So compute is about as fast as bf16 on the same
// machine; the gain is half the bytes of weights, which is what few rows are limited by.
#if defined(__x86_64__)
#include <immintrin.h>

#include "dot_kernel.h"

#define TARGET __attribute__((target("avx2,fma")))

enum { ROWS = 6, COLUMNS = 16, STEP = 32 };

TK_INLINE TARGET void unit(__m256i acc[ROWS][2], const char *x, const char *w, int rows, int vectors, size_t u) {
#pragma clang loop unroll(full)
    for (int half = 0; half < 2; half++) {
        __m256i wide[2];
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) {
            wide[v] = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(w + v * 32 + half * 16)));
        }
#pragma clang loop unroll(full)
        for (int r = 0; r < rows; r++) {
            const __m256i value = _mm256_set1_epi32(tk_load32(x + r * 64 + u * 8 + (size_t)half * 4));
#pragma clang loop unroll(full)
            for (int v = 0; v < vectors; v++) {
                acc[r][v] = _mm256_add_epi32(acc[r][v], _mm256_madd_epi16(value, wide[v]));
            }
        }
    }
}

/// The end of a leaf: scales, the tree's additions, and the store.
TK_INLINE TARGET void finish(const tk_tile *t, __m256i acc[ROWS][2], const int rows, const int vectors) {
    __m256 sum[ROWS][2];
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) {
        const __m256 row = _mm256_set1_ps(t->row_scales[r]);
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) {
            const __m256 scale = _mm256_mul_ps(row, _mm256_loadu_ps(t->column_scales + v * 8));
            sum[r][v] = _mm256_mul_ps(_mm256_cvtepi32_ps(acc[r][v]), scale);
        }
    }
    for (size_t m = 0; m < t->merges; m++) {
        const float *left = t->merge[m];
#pragma clang loop unroll(full)
        for (int r = 0; r < rows; r++) {
#pragma clang loop unroll(full)
            for (int v = 0; v < vectors; v++) {
                sum[r][v] = _mm256_add_ps(_mm256_loadu_ps(left + r * COLUMNS + v * 8), sum[r][v]);
            }
        }
    }
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) {
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) _mm256_storeu_ps(t->store + r * COLUMNS + v * 8, sum[r][v]);
    }
}

TK_INLINE TARGET void run(const tk_tile *t, const int rows, const int vectors) {
    __m256i acc[ROWS][2];
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) {
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) {
            acc[r][v] = t->init ? _mm256_loadu_si256((const __m256i *)(t->init + r * COLUMNS + v * 8))
                                : _mm256_setzero_si256();
        }
    }
    const char *x = t->x, *w = t->w, *next = t->prefetch;
    for (size_t k = t->k; k > 0;) {
        const size_t units = k < STEP ? (k + 3) / 4 : STEP / 4;
        next = tk_prefetch(next, t->prefetch_lines);
        for (size_t u = 0; u < units; u++, w += vectors * 32) unit(acc, x, w, rows, vectors, u);
        x += ROWS * 64;
        k -= k < STEP ? k : STEP;
    }
    if (t->row_scales) {
        finish(t, acc, rows, vectors);
        return;
    }
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) {
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) {
            _mm256_storeu_si256((__m256i *)(t->store + r * COLUMNS + v * 8), acc[r][v]);
        }
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

const tk_dot_kernel tk_dot_s8_avx2 = {
    .rows = ROWS, .columns = COLUMNS, .lane = 8, .row_quantum = 1, .staged = 2, .unit = 4, .paired = true,
    .block_m = 516, .block_n = COLUMNS, .block_k = 16384, .tile = tile, .emit = emit,
};
#endif
