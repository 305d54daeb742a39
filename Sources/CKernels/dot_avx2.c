// AVX2 micro kernel: 6 rows x 16 columns, x staged as f32, weights widened from bf16 in registers.
//
// A pair of k does 6 * 16 * 4 = 384 flops in 24 fused operations (12 cycles at two a cycle) and reads 64 bytes of
// weights and 48 bytes of x: limited by the fused operations, then by the 12 broadcasts and 4 widenings beside them.
#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET __attribute__((target("avx2,fma")))
#define ROWS 6
#define LANES 8
#define IS_INT8 0
#define STEP 16
#define UNIT 2
#define AT_ONCE 1
#include "dot_vector_kernel.h"

TK_INLINE TARGET void multiply(sums acc[ROWS][2], const char *x, const char *w, int rows, int vectors, size_t unit) {
    UNROLLED for (int half = 0; half < 2; half++) {
        __m256 wide[2];
        EACH_VECTOR {
            const __m256i both = _mm256_loadu_si256((const __m256i *)(w + v * 32));
            wide[v] = _mm256_castsi256_ps(
                half ? _mm256_and_si256(both, _mm256_set1_epi32((int)0xFFFF0000)) : _mm256_slli_epi32(both, 16));
        }
        EACH_ROW {
            const __m256 value = _mm256_broadcast_ss((const float *)(x + r * 64 + unit * 8 + (size_t)half * 4));
            EACH_VECTOR acc[r][v] = _mm256_fmadd_ps(value, wide[v], acc[r][v]);
        }
    }
}

const tk_dot_kernel tk_dot_avx2 = {
    .rows = ROWS, .columns = COLUMNS, .lane = LANES, .row_quantum = 1, .staged = 4, .unit = UNIT,
    .block_m = 516, .block_n = 256, .block_k = 1024, .resident = 512 << 10, .tile = tile, .emit = emit,
};
#endif
