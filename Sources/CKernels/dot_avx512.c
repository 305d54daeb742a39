// AVX-512 micro kernel without bf16 instructions: 12 rows x 32 columns, x staged as f32, weights widened in registers.
//
// A pair of k does 1536 flops in 48 fused operations (24 cycles at two a cycle) and reads 128 bytes of weights and 96
// bytes of x; 4 widenings and 24 broadcasts go beside them. The limit is the fused operations' rate.
#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl")))
#define ROWS 12
#define LANES 16
#define IS_INT8 0
#define STEP 16
#define UNIT 2
#define AT_ONCE 4
#include "dot_vector_kernel.h"

TK_INLINE TARGET void multiply(sums acc[ROWS][2], const char *x, const char *w, int rows, int vectors, size_t unit) {
    __m512 even[2], odd[2];
    EACH_VECTOR {
        const __m512i both = _mm512_loadu_si512(w + v * 64);
        even[v] = _mm512_castsi512_ps(_mm512_slli_epi32(both, 16));
        odd[v] = _mm512_castsi512_ps(_mm512_and_si512(both, _mm512_set1_epi32((int)0xFFFF0000)));
    }
    EACH_ROW {
        const __m512 x0 = _mm512_castsi512_ps(_mm512_set1_epi32(tk_load32(x + r * 64 + unit * 8)));
        const __m512 x1 = _mm512_castsi512_ps(_mm512_set1_epi32(tk_load32(x + r * 64 + unit * 8 + 4)));
        EACH_VECTOR acc[r][v] = _mm512_fmadd_ps(x1, odd[v], _mm512_fmadd_ps(x0, even[v], acc[r][v]));
    }
}

const tk_dot_kernel tk_dot_avx512 = {
    .rows = ROWS, .columns = COLUMNS, .lane = LANES, .row_quantum = 1, .staged = 4, .unit = UNIT,
    .block_m = 516, .block_n = 256, .block_k = 1024, .resident = 512 << 10, .tile = tile, .emit = emit,
};
#endif
