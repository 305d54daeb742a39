// Portable micro kernel: 4 rows x 8 columns in plain C, x staged as f32.
//
// Limit: 2 flops a lane and instruction pair (no fused operation): with SSE2 4 lanes, so a few per cent of what the
// other levels reach. It is the reference that they are read against.
#include "dot_kernel.h"

enum { ROWS = 4, COLUMNS = 8, STEP = 16 };

static void tile(const tk_tile *t, size_t rows, size_t columns) {
    (void)rows, (void)columns;
    float acc[ROWS][COLUMNS];
    if (t->init) memcpy(acc, t->init, sizeof acc);
    else memset(acc, 0, sizeof acc);
    const char *x = t->x, *w = t->w;
    for (size_t k = 0; k < t->k; k += 2, w += COLUMNS * 4) {
        const char *xk = x + k / STEP * ROWS * 64 + k % STEP * 4;
        float even[COLUMNS], odd[COLUMNS];
        for (size_t c = 0; c < COLUMNS; c++) {
            const uint32_t pair = (uint32_t)tk_load32(w + c * 4), low = pair << 16, high = pair & 0xFFFF0000;
            memcpy(&even[c], &low, 4);
            memcpy(&odd[c], &high, 4);
        }
        for (size_t r = 0; r < ROWS; r++) {
            float x0, x1;
            memcpy(&x0, xk + r * 64, 4);
            memcpy(&x1, xk + r * 64 + 4, 4);
            for (size_t c = 0; c < COLUMNS; c++) {
                acc[r][c] += x0 * even[c];
                acc[r][c] += x1 * odd[c];
            }
        }
    }
    for (size_t m = 0; m < t->merges; m++) {
        const float *left = t->merge[m];
        for (size_t r = 0; r < ROWS; r++) {
            for (size_t c = 0; c < COLUMNS; c++) acc[r][c] = left[r * COLUMNS + c] + acc[r][c];
        }
    }
    memcpy(t->store, acc, sizeof acc);
}

static void emit(const float *tile, size_t rows, size_t columns, void *out, size_t ldo, tk_dtype dtype) {
    tk_emit_rows(tile, COLUMNS, rows, columns, out, ldo, dtype);
}

const tk_dot_kernel tk_dot_portable = {
    .rows = ROWS, .columns = COLUMNS, .lane = COLUMNS, .row_quantum = ROWS, .staged = 4, .unit = 2,
    .block_m = 512, .block_n = COLUMNS, .block_k = 8192, .tile = tile, .emit = emit,
};
