// AVX2 int8 micro kernel: 6 rows x 16 columns, x staged as int16, weights widened from int8 in registers.
//
// Two elements of k of 8 columns: one vpmaddwd (exact; vpmaddubsw would saturate) and one vpaddd: 16 multiply-adds in
// two instructions, where bf16 widened to f32 takes two of 8 each. So compute is about as fast as bf16 on the same
// machine; the gain is half the bytes of weights, which is what few rows are limited by.
#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET __attribute__((target("avx2,fma")))
#define ROWS 6
#define LANES 8
#define IS_INT8 1
#define STEP 32
#define UNIT 4
#define AT_ONCE 1
#include "dot_vector_kernel.h"

TK_INLINE TARGET void multiply(sums acc[ROWS][2], const char *x, const char *w, int rows, int vectors, size_t unit) {
    UNROLLED for (int half = 0; half < 2; half++) {
        __m256i wide[2];
        EACH_VECTOR wide[v] = _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)(w + v * 32 + half * 16)));
        EACH_ROW {
            const __m256i value = _mm256_set1_epi32(tk_load32(x + r * 64 + unit * 8 + (size_t)half * 4));
            EACH_VECTOR acc[r][v] += (sums)_mm256_madd_epi16(value, wide[v]);
        }
    }
}

const tk_dot_kernel tk_dot_s8_avx2 = {
    .rows = ROWS, .columns = COLUMNS, .lane = LANES, .row_quantum = 1, .staged = 2, .unit = UNIT, .paired = true,
    .block_m = 516, .block_n = 256, .block_k = 2048, .resident = 512 << 10, .tile = tile, .emit = emit,
};
#endif
