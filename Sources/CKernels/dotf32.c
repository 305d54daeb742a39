#include "include/dotf32.h"

#include "numeric.h"

#define NR TK_DOT_F32_COLUMNS
#define MR 12
#define LEVELS 40

size_t tk_dot_f32_packed_bytes(size_t n, size_t k) { return (n + NR - 1) / NR * NR * k * sizeof(float); }

void tk_dot_f32_pack(const void *w, tk_dtype dtype, size_t ldw, size_t n0, size_t n1, size_t n, size_t k,
                     float *packed) {
    enum { STRETCH = 64 };
    float rows[NR][STRETCH];
    for (size_t panel = n0; panel < n1; panel += NR)
        for (size_t j = 0; j < k; j += STRETCH) {
            const size_t count = tk_least(STRETCH, k - j);
            for (size_t i = 0; i < NR; i++) {
                if (panel + i < n) tk_load(rows[i], w, dtype, (panel - n0 + i) * ldw + j, count);
                else memset(rows[i], 0, sizeof rows[i]);
            }
            float *restrict out = packed + panel * k + j * NR;
            for (size_t l = 0; l < count; l++)
                for (size_t i = 0; i < NR; i++) out[l * NR + i] = rows[i][l];
        }
}

typedef float block[MR][NR];

/// One leaf of a block: sums[r][c] = the products of `count` elements of row r and panel column c.
typedef void leaf_kernel(float sums[][NR], const float *x, size_t ldx, const float *panel, size_t count, size_t rows);

static void leaf_portable(float sums[][NR], const float *x, size_t ldx, const float *panel, size_t count,
                          size_t rows) {
    for (size_t r = 0; r < rows; r++) {
        float sum[NR] = {0};
        for (size_t j = 0; j < count; j++) {
            const float v = x[r * ldx + j];
            const float *restrict b = panel + j * NR;
            for (size_t c = 0; c < NR; c++) sum[c] += v * b[c];
        }
        memcpy(sums[r], sum, sizeof sum);
    }
}

#if defined(__x86_64__)
#include <immintrin.h>

#define TK_LEAF_512(R)                                                                                                 \
    static __attribute__((target("avx512f"))) void leaf_512_##R(float sums[][NR], const float *x, size_t ldx,         \
                                                                const float *panel, size_t count) {                   \
        __m512 a[R][2];                                                                                                \
        for (int r = 0; r < R; r++) a[r][0] = a[r][1] = _mm512_setzero_ps();                                           \
        for (size_t j = 0; j < count; j++) {                                                                           \
            const __m512 b0 = _mm512_loadu_ps(panel + j * NR), b1 = _mm512_loadu_ps(panel + j * NR + 16);              \
            _Pragma("clang loop unroll(full)") for (int r = 0; r < R; r++) {                                           \
                const __m512 v = _mm512_set1_ps(x[(size_t)r * ldx + j]);                                               \
                a[r][0] = _mm512_fmadd_ps(v, b0, a[r][0]);                                                             \
                a[r][1] = _mm512_fmadd_ps(v, b1, a[r][1]);                                                             \
            }                                                                                                          \
        }                                                                                                              \
        for (int r = 0; r < R; r++) {                                                                                  \
            _mm512_storeu_ps(sums[r], a[r][0]);                                                                        \
            _mm512_storeu_ps(sums[r] + 16, a[r][1]);                                                                   \
        }                                                                                                              \
    }

TK_LEAF_512(12)
TK_LEAF_512(4)
TK_LEAF_512(1)

static void leaf_avx512(float sums[][NR], const float *x, size_t ldx, const float *panel, size_t count, size_t rows) {
    size_t r = 0;
    for (; r + 12 <= rows; r += 12) leaf_512_12(sums + r, x + r * ldx, ldx, panel, count);
    for (; r + 4 <= rows; r += 4) leaf_512_4(sums + r, x + r * ldx, ldx, panel, count);
    for (; r < rows; r++) leaf_512_1(sums + r, x + r * ldx, ldx, panel, count);
}

#define TK_LEAF_256(R)                                                                                                 \
    static __attribute__((target("avx2,fma"))) void leaf_256_##R(float sums[][NR], const float *x, size_t ldx,        \
                                                                 const float *panel, size_t count, size_t column) {   \
        __m256 a[R][2];                                                                                                \
        for (int r = 0; r < R; r++) a[r][0] = a[r][1] = _mm256_setzero_ps();                                           \
        for (size_t j = 0; j < count; j++) {                                                                           \
            const float *b = panel + j * NR + column;                                                                  \
            const __m256 b0 = _mm256_loadu_ps(b), b1 = _mm256_loadu_ps(b + 8);                                         \
            _Pragma("clang loop unroll(full)") for (int r = 0; r < R; r++) {                                           \
                const __m256 v = _mm256_broadcast_ss(x + (size_t)r * ldx + j);                                         \
                a[r][0] = _mm256_fmadd_ps(v, b0, a[r][0]);                                                             \
                a[r][1] = _mm256_fmadd_ps(v, b1, a[r][1]);                                                             \
            }                                                                                                          \
        }                                                                                                              \
        for (int r = 0; r < R; r++) {                                                                                  \
            _mm256_storeu_ps(sums[r] + column, a[r][0]);                                                               \
            _mm256_storeu_ps(sums[r] + column + 8, a[r][1]);                                                           \
        }                                                                                                              \
    }

TK_LEAF_256(6)
TK_LEAF_256(1)

static void leaf_avx2(float sums[][NR], const float *x, size_t ldx, const float *panel, size_t count, size_t rows) {
    for (size_t column = 0; column < NR; column += 16) {
        size_t r = 0;
        for (; r + 6 <= rows; r += 6) leaf_256_6(sums + r, x + r * ldx, ldx, panel, count, column);
        for (; r < rows; r++) leaf_256_1(sums + r, x + r * ldx, ldx, panel, count, column);
    }
}
#endif

static leaf_kernel *kernel_for(tk_isa isa) {
#if defined(__x86_64__)
    // Levels above what the machine has are asked for in tests of emulation; they use what it has.
    const tk_isa best = tk_best_isa();
    const tk_isa level = isa < best ? isa : best;
    if (level >= TK_AVX512) return leaf_avx512;
    if (level >= TK_AVX2) return leaf_avx2;
#endif
    (void)isa;
    return leaf_portable;
}

/// Adds the upper of two partial results to the lower.
static void merge(float below[][NR], float above[][NR], size_t rows) {
    for (size_t r = 0; r < rows; r++)
        for (size_t c = 0; c < NR; c++) below[r][c] += above[r][c];
}

/// One block of at most MR rows and one panel. stack[i] holds a finished subtree; levels fall from bottom to top.
static void dot_block(leaf_kernel *leaf, block *stack, const float *x, size_t ldx, const float *panel, size_t count,
                      size_t segment, size_t rows) {
    int level[LEVELS];
    int depth = 0;
    for (size_t j = 0; j < count; j += segment) {
        leaf(stack[depth], x + j, ldx, panel + j * NR, tk_least(segment, count - j), rows);
        level[depth++] = 0;
        while (depth >= 2 && level[depth - 1] == level[depth - 2]) {
            merge(stack[depth - 2], stack[depth - 1], rows);
            level[--depth - 1]++;
        }
    }
    for (; depth >= 2; depth--) merge(stack[depth - 2], stack[depth - 1], rows);
    if (depth == 0) memset(stack[0], 0, sizeof(block));
}

void tk_dot_f32(tk_isa isa, size_t m0, size_t m1, size_t n0, size_t n1, size_t k, size_t k0, size_t k1, size_t segment,
                const float *x, size_t ldx, const float *packed, void *out, size_t ldo, tk_dtype out_dtype) {
    leaf_kernel *leaf = kernel_for(isa);
    block stack[LEVELS];
    for (size_t n = n0; n < n1; n += NR) {
        const size_t columns = tk_least(NR, n1 - n);
        for (size_t m = m0; m < m1; m += MR) {
            const size_t rows = tk_least(MR, m1 - m);
            dot_block(leaf, stack, x + m * ldx, ldx, packed + n * k + k0 * NR, k1 - k0, segment, rows);
            for (size_t r = 0; r < rows; r++) tk_store(out, out_dtype, (m + r) * ldo + n, stack[0][r], columns);
        }
    }
}
