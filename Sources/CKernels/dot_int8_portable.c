// Portable int8 micro kernel: 4 rows x 8 columns in plain C. It is the reference that the others are read against.
#include "dot_kernel.h"

enum { ROWS = 4, COLUMNS = 8, STEP = 64 };

static void tile(const tk_tile *t, size_t rows, size_t columns) {
    (void)rows, (void)columns;
    int32_t acc[ROWS][COLUMNS];
    if (t->init) memcpy(acc, t->init, sizeof acc);
    else memset(acc, 0, sizeof acc);
    const int8_t *w = (const int8_t *)t->w;
    for (size_t k = 0; k < t->k; k += 4, w += COLUMNS * 4) {
        const int8_t *x = (const int8_t *)t->x + k / STEP * ROWS * 64 + k % STEP;
        for (size_t r = 0; r < ROWS; r++, x += 64) {
            for (size_t c = 0; c < COLUMNS; c++) {
                const int8_t *unit = w + c * 4;
                acc[r][c] += x[0] * unit[0] + x[1] * unit[1] + x[2] * unit[2] + x[3] * unit[3];
            }
        }
    }
    if (!t->row_scales) {
        memcpy(t->store, acc, sizeof acc);
        return;
    }
    float sum[ROWS][COLUMNS];
    for (size_t r = 0; r < ROWS; r++) {
        for (size_t c = 0; c < COLUMNS; c++) {
            sum[r][c] = (float)acc[r][c] * (t->row_scales[r] * t->column_scales[c]);
        }
    }
    for (size_t m = 0; m < t->merges; m++) {
        const float *left = t->merge[m];
        for (size_t r = 0; r < ROWS; r++) {
            for (size_t c = 0; c < COLUMNS; c++) sum[r][c] = left[r * COLUMNS + c] + sum[r][c];
        }
    }
    memcpy(t->store, sum, sizeof sum);
}

static void emit(const float *tile, size_t rows, size_t columns, void *out, size_t ldo, tk_dtype dtype) {
    tk_emit_rows(tile, COLUMNS, rows, columns, out, ldo, dtype);
}

const tk_dot_kernel tk_dot_s8_portable = {
    .rows = ROWS, .columns = COLUMNS, .lane = COLUMNS, .row_quantum = ROWS, .staged = 1, .unit = 4,
    .block_m = 512, .block_n = COLUMNS, .block_k = 16384, .tile = tile, .emit = emit,
};
