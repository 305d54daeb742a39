// A micro kernel of ROWS rows x two vectors of LANES columns: the walk over a leaf, its end, the tree's additions and
// the result, written once for all levels and both element types. The including file defines
//   TARGET   the function attribute of its level
//   ROWS     4, 6 or 12
//   LANES    numbers in a vector
//   IS_INT8  1 where sums are integers until their leaf ends
//   STEP     elements of k in 64 bytes of staged x
//   UNIT     elements of k in four bytes of packed weights
//   AT_ONCE  units that are written out one after the other: 4, or 1 where registers are few
// and the function `multiply`, which adds one unit of k to the sums.
//
// What a level is limited by stands in its file. Beside `multiply`, a tile costs a call, 2 * ROWS loads or zeros at the
// start and 2 * ROWS stores at the end (about 50 cycles of 12 rows, against 12 cycles a unit), and for each merge 2 *
// ROWS additions. The end of an int8 leaf adds a conversion and two multiplications for each of its sums, so of a leaf
// of S elements at least 4 of S / 4 + 4 vector instructions are no products: 20 % at 64, 3 % at 512.
#include "dot_kernel.h"

enum { COLUMNS = 2 * LANES, UNITS = STEP / UNIT };

/// Vectors of a tile: numbers, and sums on the way to them. They are read and written wherever a float may lie.
typedef float numbers __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
typedef int32_t integers __attribute__((vector_size(LANES * 4), aligned(4), may_alias));
#if IS_INT8
typedef integers sums;
#else
typedef numbers sums;
#endif

#define EACH_ROW UNROLLED for (int r = 0; r < rows; r++)
#define EACH_VECTOR UNROLLED for (int v = 0; v < vectors; v++)

TK_INLINE TARGET void multiply(sums acc[ROWS][2], const char *x, const char *w, int rows, int vectors, size_t unit);

/// What the sums of a part start from.
TK_INLINE TARGET void start(const tk_tile *t, sums acc[ROWS][2], const int rows, const int vectors) {
    if (t->init) {
        EACH_ROW EACH_VECTOR acc[r][v] = *(const sums *)(t->init + r * COLUMNS + v * LANES);
        return;
    }
    EACH_ROW EACH_VECTOR acc[r][v] = (sums){0};
#if IS_INT8
    EACH_ROW EACH_VECTOR acc[r][v] += t->row_starts[r];
#endif
}

/// Adds the part's elements: whole steps, then what is left of one.
TK_INLINE TARGET void walk(const tk_tile *t, sums acc[ROWS][2], const int rows, const int vectors) {
    const char *x = t->x, *w = t->w, *next = t->prefetch;
    const size_t width = (size_t)vectors * LANES * 4;
    size_t k = t->k;
#if AT_ONCE > 1
    // Many prefetches at once would stop the loads behind them: they are spread over the step.
    const size_t lines = t->prefetch_lines / (UNITS / AT_ONCE), more = t->prefetch_lines % (UNITS / AT_ONCE);
    for (; k >= STEP; k -= STEP, x += ROWS * 64) {
        next = tk_prefetch(next, more);
#pragma clang loop unroll(disable)
        for (size_t u = 0; u < UNITS; u += AT_ONCE) {
            next = tk_prefetch(next, lines);
            UNROLLED for (size_t i = 0; i < AT_ONCE; i++, w += width) multiply(acc, x, w, rows, vectors, u + i);
        }
    }
#endif
    for (size_t left = k; left > 0; left -= left < STEP ? left : STEP, x += ROWS * 64) {
        const size_t units = left < STEP ? (left + UNIT - 1) / UNIT : UNITS;
        next = tk_prefetch(next, t->prefetch_lines);
        for (size_t u = 0; u < units; u++, w += width) multiply(acc, x, w, rows, vectors, u);
    }
}

/// The leaf's sums as numbers.
TK_INLINE TARGET void number(const tk_tile *t, sums acc[ROWS][2], numbers sum[ROWS][2], const int rows,
                             const int vectors) {
#if IS_INT8
    numbers columns[2];
    EACH_VECTOR columns[v] = *(const numbers *)(t->column_scales + v * LANES);
    EACH_ROW EACH_VECTOR sum[r][v] = __builtin_convertvector(acc[r][v], numbers) * (columns[v] * t->row_scales[r]);
#else
    (void)t;
    EACH_ROW EACH_VECTOR sum[r][v] = acc[r][v];
#endif
}

TK_INLINE TARGET void run(const tk_tile *t, const int rows, const int vectors) {
    sums acc[ROWS][2];
    start(t, acc, rows, vectors);
    walk(t, acc, rows, vectors);
    if (IS_INT8 && !t->row_scales) {
        EACH_ROW EACH_VECTOR *(sums *)(t->store + r * COLUMNS + v * LANES) = acc[r][v];
        return;
    }
    numbers sum[ROWS][2];
    number(t, acc, sum, rows, vectors);
    for (size_t m = 0; m < t->merges; m++) {
        const float *left = t->merge[m];
        EACH_ROW EACH_VECTOR sum[r][v] = *(const numbers *)(left + r * COLUMNS + v * LANES) + sum[r][v];
    }
    EACH_ROW EACH_VECTOR *(numbers *)(t->store + r * COLUMNS + v * LANES) = sum[r][v];
}

#define CASE(n) case n: columns > LANES ? run(t, n, 2) : run(t, n, 1); break;

TARGET static void tile(const tk_tile *t, size_t rows, size_t columns) {
    switch (rows) {
        CASE(1) CASE(2) CASE(3) CASE(4)
#if ROWS > 4
        CASE(5) CASE(6)
#endif
#if ROWS > 6
        CASE(7) CASE(8) CASE(9) CASE(10) CASE(11) CASE(12)
#endif
    }
}

TARGET static void emit(const float *tile, size_t rows, size_t columns, void *out, size_t ldo, tk_dtype dtype) {
    tk_emit_rows(tile, COLUMNS, rows, columns, out, ldo, dtype);
}
