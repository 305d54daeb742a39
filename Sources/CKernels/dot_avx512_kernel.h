// The AVX-512 micro kernel around one pair of k, which the including file defines as `pair` (with TARGET and STEP):
// 12 rows x 32 columns in 24 accumulators.
#include <immintrin.h>

#include "dot_kernel.h"

enum { ROWS = 12, COLUMNS = 32 };

TK_INLINE TARGET void pair(__m512 acc[ROWS][2], const char *x, const char *w, int rows, int vectors, size_t p);

TK_INLINE TARGET void run(const tk_tile *t, const int rows, const int vectors) {
    __m512 acc[ROWS][2];
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) {
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) {
            acc[r][v] = t->init ? _mm512_loadu_ps(t->init + r * COLUMNS + v * 16) : _mm512_setzero_ps();
        }
    }
    const char *x = t->x, *w = t->w, *next = t->prefetch;
    size_t k = t->k;
    // Many prefetches at once would stop the loads behind them: they are spread over the step.
    const size_t lines = t->prefetch_lines / (STEP / 8), more = t->prefetch_lines % (STEP / 8);
    for (; k >= STEP; k -= STEP, x += ROWS * 64) {
        next = tk_prefetch(next, more);
#pragma clang loop unroll(disable)
        for (size_t p = 0; p < STEP / 2; p += 4) {
            next = tk_prefetch(next, lines);
#pragma clang loop unroll(full)
            for (size_t i = 0; i < 4; i++, w += vectors * 64) pair(acc, x, w, rows, vectors, p + i);
        }
    }
#pragma clang loop unroll(disable)
    for (size_t p = 0; p < (k + 1) / 2; p++, w += vectors * 64) pair(acc, x, w, rows, vectors, p);
    for (size_t m = 0; m < t->merges; m++) {
        const float *left = t->merge[m];
#pragma clang loop unroll(full)
        for (int r = 0; r < rows; r++) {
#pragma clang loop unroll(full)
            for (int v = 0; v < vectors; v++) {
                acc[r][v] = _mm512_add_ps(_mm512_loadu_ps(left + r * COLUMNS + v * 16), acc[r][v]);
            }
        }
    }
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) {
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) _mm512_storeu_ps(t->store + r * COLUMNS + v * 16, acc[r][v]);
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
