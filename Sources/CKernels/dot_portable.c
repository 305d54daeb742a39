// Portable micro kernel: 4 rows x 8 columns in plain C, x staged as f32.
//
// Limit: 2 flops a lane and instruction pair (no fused operation): with SSE2 4 lanes, so a few per cent of what the
// other levels reach. It is the reference that they are read against.
#define TARGET
#define ROWS 4
#define LANES 4
#define IS_INT8 0
#define STEP 16
#define UNIT 2
#define AT_ONCE 1
#include "dot_vector_kernel.h"

TK_INLINE void multiply(sums acc[ROWS][2], const char *x, const char *w, int rows, int vectors, size_t unit) {
    numbers even[2], odd[2];
    EACH_VECTOR {
        const integers both = *(const integers *)(w + v * LANES * 4);
        even[v] = (numbers)(both << 16);
        odd[v] = (numbers)(both & (int32_t)0xFFFF0000);
    }
    EACH_ROW {
        float pair[2];
        memcpy(pair, x + r * 64 + unit * 8, sizeof pair);
        EACH_VECTOR {
            acc[r][v] += pair[0] * even[v];
            acc[r][v] += pair[1] * odd[v];
        }
    }
}

const tk_dot_kernel tk_dot_portable = {
    .rows = ROWS, .columns = COLUMNS, .lane = LANES, .row_quantum = 1, .staged = 4, .unit = UNIT,
    .block_m = 512, .block_n = 256, .block_k = 1024, .resident = 512 << 10, .tile = tile, .emit = emit,
};
