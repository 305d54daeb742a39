// The AMX micro kernel: 32 rows x 32 columns in four tiles. The including file gives the tile instructions as macros:
// TARGET (function attribute), TILES (declares the tile registers), TILE_ZERO(t), TILE_LOAD(t, address, stride),
// TILE_STORE(t, address, stride), TILE_DOT(c, a, b); and IS_INT8, whether that multiplies int8 instead of bf16.
//
// A step of 32 of k does 32 * 32 * 64 = 65536 flops in four tile products (64 cycles) and loads four tiles of 1 KiB.
// Both operands from the second-level cache would need 64 bytes a cycle, more than it sustains; so a block of 256 of
// k of the weights' panel (16 KiB) stays in the first level over all rows, while x streams from the second at 32
// bytes a cycle, and the tiles of the result (read and written once for each block) at 8. With few rows the limit is
// memory. int8 has 64 of k in a step, and 512 in a block, at the same bytes and cycles.
#include "dot_kernel.h"

enum { ROWS = 32, COLUMNS = 32, STEP = IS_INT8 ? 64 : 32, STRIDE = COLUMNS * 4 };

/// The finished integer sums of a leaf as numbers.
TK_INLINE TARGET void scale(const tk_tile *t, const int32_t *sum, float *to, const size_t rows, const size_t columns) {
    for (size_t r = 0; r < rows; r++) {
        for (size_t c = 0; c < columns; c++) {
            to[r * COLUMNS + c] = (float)sum[r * COLUMNS + c] * (t->row_scales[r] * t->column_scales[c]);
        }
    }
}

/// Adds the merges' operands to the sum, the nearest first, and stores it.
TK_INLINE TARGET void merge(const tk_tile *t, float *sum, const size_t rows, const size_t columns) {
    for (size_t m = 0; m < t->merges; m++) {
        const float *left = t->merge[m];
        float *to = m + 1 == t->merges ? t->store : sum;
        for (size_t r = 0; r < rows; r++) {
            for (size_t c = r * COLUMNS; c < r * COLUMNS + columns; c++) to[c] = left[c] + sum[c];
        }
    }
}

// Tiles: 0 to 3 result (row half * 2 + column half), 4 and 5 rows of x, 6 and 7 columns of weights.
TK_INLINE TARGET void run(const tk_tile *t, const bool tall, const bool wide) {
    TILES
    const char *init = (const char *)t->init;
    if (init) {
        TILE_LOAD(0, init, STRIDE);
        if (wide) TILE_LOAD(1, init + 64, STRIDE);
        if (tall) TILE_LOAD(2, init + 16 * STRIDE, STRIDE);
        if (tall && wide) TILE_LOAD(3, init + 16 * STRIDE + 64, STRIDE);
    } else {
        TILE_ZERO(0);
        if (wide) TILE_ZERO(1);
        if (tall) TILE_ZERO(2);
        if (tall && wide) TILE_ZERO(3);
    }
    const char *x = t->x, *w = t->w, *next = t->prefetch;
    const size_t width = wide ? 128 : 64;
    // Many prefetches at once would stop the loads behind them: they are spread over the step.
    const size_t lines = t->prefetch_lines / 4, more = t->prefetch_lines % 4;
    for (size_t k = 0; k < t->k; k += STEP, x += ROWS * 64, w += width * 16) {
        next = tk_prefetch(next, lines + more);
        TILE_LOAD(6, w, width);
        TILE_LOAD(4, x, 64);
        TILE_DOT(0, 4, 6);
        next = tk_prefetch(next, lines);
        if (wide) TILE_LOAD(7, w + 64, width);
        if (wide) TILE_DOT(1, 4, 7);
        next = tk_prefetch(next, lines);
        if (tall) TILE_LOAD(5, x + 16 * 64, 64);
        if (tall) TILE_DOT(2, 5, 6);
        next = tk_prefetch(next, lines);
        if (tall && wide) TILE_DOT(3, 5, 7);
    }
    // A merge's operand may lie where the sum goes.
    float sum[ROWS * COLUMNS];
    int32_t whole[IS_INT8 ? ROWS * COLUMNS : 1];
    char *store = t->merges ? (char *)sum : (char *)t->store;
    const bool scales = IS_INT8 && t->row_scales;
    if (scales) store = (char *)whole;
    TILE_STORE(0, store, STRIDE);
    if (wide) TILE_STORE(1, store + 64, STRIDE);
    if (tall) TILE_STORE(2, store + 16 * STRIDE, STRIDE);
    if (tall && wide) TILE_STORE(3, store + 16 * STRIDE + 64, STRIDE);
    if (scales) scale(t, whole, t->merges ? sum : t->store, tall ? 32 : 16, wide ? 32 : 16);
    if (t->merges) merge(t, sum, tall ? 32 : 16, wide ? 32 : 16);
}

TARGET static void tile(const tk_tile *t, size_t rows, size_t columns) {
    const bool tall = rows > 16, wide = columns > 16;
    if (tall && wide) run(t, true, true);
    else if (tall) run(t, true, false);
    else if (wide) run(t, false, true);
    else run(t, false, false);
}

TARGET static void emit(const float *tile, size_t rows, size_t columns, void *out, size_t ldo, tk_dtype dtype) {
    tk_emit_rows(tile, COLUMNS, rows, columns, out, ldo, dtype);
}

#define TK_AMX_KERNEL(begin_, end_)                                                                        \
    {                                                                                                      \
        .rows = ROWS, .columns = COLUMNS, .lane = 16, .row_quantum = 16, .staged = IS_INT8 ? 1 : 2,        \
        .unit = IS_INT8 ? 4 : 2, .pad_steps = true, .block_m = 512, .block_n = 256,                        \
        .block_k = IS_INT8 ? 512 : 256, .begin = begin_, .end = end_, .tile = tile, .emit = emit           \
    }
