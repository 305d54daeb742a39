// Portable int8 micro kernel: 4 rows x 8 columns in plain C. It is the reference that the others are read against.
#define TARGET
#define ROWS 4
#define LANES 4
#define IS_INT8 1
#define STEP 64
#define UNIT 4
#define AT_ONCE 1
#include "dot_vector_kernel.h"

TK_INLINE void multiply(sums acc[ROWS][2], const char *x, const char *w, int rows, int vectors, size_t unit) {
    EACH_ROW {
        const int8_t *row = (const int8_t *)x + r * 64 + unit * 4;
        EACH_VECTOR {
            for (int c = 0; c < LANES; c++) {
                const int8_t *column = (const int8_t *)w + (v * LANES + c) * 4;
                acc[r][v][c] += row[0] * column[0] + row[1] * column[1] + row[2] * column[2] + row[3] * column[3];
            }
        }
    }
}

const tk_dot_kernel tk_dot_s8_portable = {
    .rows = ROWS, .columns = COLUMNS, .lane = LANES, .row_quantum = 1, .staged = 1, .unit = UNIT,
    .block_m = 512, .block_n = 256, .block_k = 4096, .resident = 512 << 10, .tile = tile, .emit = emit,
};
