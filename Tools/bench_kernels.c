// Measures the bf16 and the int8 product and attention against this core's limits in the same run:
//   clang -O2 -ffp-contract=off -fno-math-errno -ISources/CKernels/include Sources/CKernels/*.c \
//       Tools/bench_kernels.c -lm && ./a.out [level [int8 | attention]]
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "attention.h"
#include "dot.h"
#include "dot_int8.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t); // the machine may be shared
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#if defined(__x86_64__)
#define PEAK(name, features, vector, zero, step, flops)                              \
    __attribute__((target(features), noinline)) static double name(void) {           \
        vector a[12];                                                                \
        for (int i = 0; i < 12; i++) a[i] = zero;                                    \
        double best = 1e9;                                                           \
        for (int repeat = 0; repeat < 20; repeat++) {                                \
            const double start = now();                                              \
            for (int n = 0; n < 200000; n++) {                                       \
                _Pragma("clang loop unroll(full)") for (int i = 0; i < 12; i++) {    \
                    step;                                                            \
                    __asm__ volatile("" : "+v"(a[i]));                               \
                }                                                                    \
            }                                                                        \
            const double seconds = now() - start;                                    \
            if (seconds < best) best = seconds;                                      \
        }                                                                            \
        return 200000.0 * 12 * (flops) / best;                                       \
    }
PEAK(peak_bf16, "avx512f,avx512bf16", __m512, _mm512_setzero_ps(),
     a[i] = _mm512_dpbf16_ps(a[i], (__m512bh)_mm512_set1_epi32(0x3f803f80), (__m512bh)_mm512_set1_epi32(0)), 64)
PEAK(peak_vnni, "avx512f,avx512vnni", __m512i, _mm512_setzero_si512(),
     a[i] = _mm512_dpbusd_epi32(a[i], _mm512_set1_epi8(3), _mm512_set1_epi8(5)), 128)
PEAK(peak_avx512, "avx512f", __m512, _mm512_setzero_ps(),
     a[i] = _mm512_fmadd_ps(a[i], _mm512_set1_ps(1), _mm512_set1_ps(0)), 32)
PEAK(peak_avx2, "avx2,fma", __m256, _mm256_setzero_ps(),
     a[i] = _mm256_fmadd_ps(a[i], _mm256_set1_ps(1), _mm256_set1_ps(0)), 16)

__attribute__((target("amx-tile,amx-bf16,amx-int8"))) static double peak_amx(int is_int8) {
    uint8_t configuration[64] = {1};
    for (int i = 0; i < 8; i++) configuration[16 + i * 2] = 64, configuration[48 + i] = 16;
    _tile_loadconfig(configuration);
    _tile_zero(4), _tile_zero(6);
    double best = 1e9;
    for (int repeat = 0; repeat < 20; repeat++) {
        const double start = now();
        for (int n = 0; n < 50000; n++) {
            if (is_int8) {
                _tile_dpbssd(0, 4, 6), _tile_dpbssd(1, 4, 6), _tile_dpbssd(2, 4, 6), _tile_dpbssd(3, 4, 6);
            } else {
                _tile_dpbf16ps(0, 4, 6), _tile_dpbf16ps(1, 4, 6), _tile_dpbf16ps(2, 4, 6), _tile_dpbf16ps(3, 4, 6);
            }
        }
        const double seconds = now() - start;
        if (seconds < best) best = seconds;
    }
    _tile_release();
    return 50000.0 * 4 * 16384 * (is_int8 ? 4 : 2) / best;
}

__attribute__((target("avx512f"))) static double read_speed(const char *p, size_t bytes) {
    double best = 1e9;
    for (int repeat = 0; repeat < 5; repeat++) {
        const double start = now();
        __m512i a = _mm512_setzero_si512(), b = a, c = a, d = a;
        for (size_t i = 0; i < bytes; i += 256) {
            a = _mm512_or_si512(a, _mm512_loadu_si512(p + i)), b = _mm512_or_si512(b, _mm512_loadu_si512(p + i + 64));
            c = _mm512_or_si512(c, _mm512_loadu_si512(p + i + 128));
            d = _mm512_or_si512(d, _mm512_loadu_si512(p + i + 192));
        }
        volatile int sink = _mm512_reduce_or_epi32(_mm512_or_si512(_mm512_or_si512(a, b), _mm512_or_si512(c, d)));
        (void)sink;
        const double seconds = now() - start;
        if (seconds < best) best = seconds;
    }
    return (double)bytes / best;
}
#endif

static uint16_t *random_bf16(size_t count) {
    uint16_t *p = aligned_alloc(64, (count * 2 + 63) / 64 * 64);
    uint32_t state = 1;
    for (size_t i = 0; i < count; i++) {
        state = state * 1664525 + 1013904223;
        p[i] = (uint16_t)(0x3F00 + (state >> 25) + (state >> 9 & 0x8000));
    }
    return p;
}

static void product(tk_isa isa, size_t m, size_t n, size_t k, size_t segment, double peak, double memory) {
    const size_t packed_bytes = tk_dot_packed_bytes(isa, n, k, segment);
    // Few rows stream weights that must not come from a cache.
    const size_t copies = m <= 16 ? (size_t)512 * 1024 * 1024 / packed_bytes + 1 : 1;
    uint16_t *x = random_bf16(m * k), *w = random_bf16(n * k);
    char *packed = aligned_alloc(64, (packed_bytes + 63) / 64 * 64 * copies);
    double start = now();
    for (size_t c = 0; c < copies; c++) tk_dot_pack(isa, w, k, 0, n, n, k, segment, packed + c * packed_bytes);
    const double packing = (now() - start) / (double)copies;
    void *scratch = aligned_alloc(64, (tk_dot_scratch_bytes(isa, m, n, k, segment) + 63) / 64 * 64);
    uint16_t *out = aligned_alloc(64, m * n * 2 + 64);
    double best = 1e9;
    for (int repeat = 0; repeat < 8; repeat++) {
        start = now();
        for (size_t c = 0; c < copies; c++) {
            tk_dot_bf16(isa, 0, m, 0, n, n, k, segment, x, k, packed + c * packed_bytes, out, n, TK_BF16, scratch);
        }
        const double seconds = (now() - start) / (double)copies;
        if (seconds < best) best = seconds;
    }
    const double flops = 2.0 * (double)m * (double)n * (double)k / best;
    printf("%-12s %4zu x %5zu x %5zu segment %5zu: %7.1f GFLOP/s = %3.0f %% of peak; %5.1f GB/s of weights = %3.0f %% "
           "of memory; packing %.1f GB/s\n",
           tk_isa_name(isa), m, n, k, segment, flops / 1e9, 100 * flops / peak, (double)packed_bytes / best / 1e9,
           100 * (double)packed_bytes / best / memory, (double)packed_bytes / packing / 1e9);
    free(x), free(w), free(packed), free(scratch), free(out);
}

/// The int8 product and, turn by turn, the bf16 one.
static void int8(tk_isa isa, size_t m, size_t n, size_t k, size_t segment, double peak, double memory) {
    const size_t bytes = tk_dot_s8_packed_bytes(isa, n, k, segment), plain = tk_dot_packed_bytes(isa, n, k, segment);
    const size_t copies = m <= 16 ? (size_t)512 * 1024 * 1024 / plain + 1 : 1;
    uint16_t *x = random_bf16(m * k), *w = random_bf16(n * k);
    char *packed = aligned_alloc(64, (bytes + 63) / 64 * 64 * copies);
    char *half = aligned_alloc(64, (plain + 63) / 64 * 64 * copies);
    double start = now();
    for (size_t c = 0; c < copies; c++) tk_dot_s8_pack(isa, w, k, 0, n, n, k, segment, packed + c * bytes);
    const double packing = (now() - start) / (double)copies;
    for (size_t c = 0; c < copies; c++) tk_dot_pack(isa, w, k, 0, n, n, k, segment, half + c * plain);
    void *scratch = aligned_alloc(64, (tk_dot_s8_scratch_bytes(isa, m, n, k, segment)
                                       + tk_dot_scratch_bytes(isa, m, n, k, segment) + 63) / 64 * 64);
    uint16_t *out = aligned_alloc(64, m * n * 2 + 64);
    double best = 1e9, other = 1e9;
    for (int repeat = 0; repeat < 16; repeat++) {
        start = now();
        for (size_t c = 0; c < copies; c++) {
            tk_dot_s8(isa, 0, m, 0, n, n, k, segment, x, k, packed + c * bytes, out, n, TK_BF16, scratch);
        }
        const double middle = now();
        for (size_t c = 0; c < copies; c++) {
            tk_dot_bf16(isa, 0, m, 0, n, n, k, segment, x, k, half + c * plain, out, n, TK_BF16, scratch);
        }
        const double end = now();
        if (middle - start < best) best = middle - start;
        if (end - middle < other) other = end - middle;
    }
    best /= (double)copies, other /= (double)copies;
    const double ops = 2.0 * (double)m * (double)n * (double)k / best;
    printf("%-12s %4zu x %5zu x %5zu segment %5zu: %7.1f GOP/s = %3.0f %% of int8 peak; %5.1f GB/s of weights = "
           "%3.0f %% of memory; %.2f x bf16; packing %.1f GB/s of bf16\n",
           tk_isa_name(isa), m, n, k, segment, ops / 1e9, 100 * ops / peak, (double)bytes / best / 1e9,
           100 * (double)bytes / best / memory, other / best, 2.0 * (double)n * (double)k / packing / 1e9);
    free(x), free(w), free(packed), free(half), free(scratch), free(out);
}

static void attention(tk_isa isa, size_t queries, size_t keys, size_t depth, tk_dtype dtype, double peak) {
    const size_t heads = 4;
    uint16_t *q = random_bf16(queries * depth * heads * 2), *k = random_bf16(keys * depth * heads * 2);
    float *out = aligned_alloc(64, queries * depth * heads * 4 + 64);
    const size_t stride = depth * heads;
    const tk_attention shape = {.queries = queries, .keys = keys, .depth = depth, .q_stride = stride,
                                .k_stride = stride, .v_stride = stride, .out_stride = stride, .scale = 0.01f,
                                .dtype = dtype, .out_dtype = dtype};
    void *scratch = aligned_alloc(64, (tk_attention_scratch_bytes(isa, &shape) + 63) / 64 * 64);
    double best = 1e9;
    for (int repeat = 0; repeat < 10; repeat++) {
        const double start = now();
        tk_attend(isa, &shape, q, k, k, out, scratch);
        const double seconds = now() - start;
        if (seconds < best) best = seconds;
    }
    const double flops = 4.0 * (double)queries * (double)keys * (double)depth / best;
    printf("%-12s attention %4zu x %4zu x %3zu %s: %6.1f GFLOP/s = %3.0f %% of the peak\n", tk_isa_name(isa), queries,
           keys, depth, dtype == TK_F32 ? "f32" : "bf16", flops / 1e9, 100 * flops / peak);
    free(q), free(k), free(out), free(scratch);
}

static void attentions(tk_isa isa, double peak, double f32) {
    attention(isa, 256, 256, 64, TK_BF16, peak);
    attention(isa, 256, 77, 64, TK_BF16, peak);
    attention(isa, 256, 256, 128, TK_BF16, peak);
    attention(isa, 1024, 1024, 64, TK_BF16, peak);
    attention(isa, 1024, 1024, 64, TK_F32, f32);
    attention(isa, 1, 1024, 64, TK_BF16, peak);
    attention(isa, 1, 1024, 64, TK_F32, f32);
}

int main(int argc, char **argv) {
    tk_isa isa = tk_best_isa();
    if (argc > 1 && !tk_isa_named(argv[1], &isa)) return 2;
    double peak = 1e9, f32 = 1e9, bytes = 1e9, memory = 1e10;
#if defined(__x86_64__)
    f32 = isa >= TK_AVX512 ? peak_avx512() : peak_avx2();
    peak = isa == TK_AMX ? peak_amx(0) : isa == TK_AVX512_BF16 ? peak_bf16() : f32;
    bytes = isa >= TK_AVX512 && tk_int8_features() & TK_INT8_VNNI ? peak_vnni() : peak;
    if (isa == TK_AMX && tk_int8_features() & TK_INT8_AMX) bytes = peak_amx(1);
    char *big = malloc((size_t)512 << 20);
    memset(big, 1, (size_t)512 << 20);
    memory = read_speed(big, (size_t)512 << 20);
    free(big);
#endif
    printf("%s: %.1f GFLOP/s in registers, f32 %.1f, int8 %.1f GOP/s, memory %.1f GB/s\n", tk_isa_name(isa), peak / 1e9,
           f32 / 1e9, bytes / 1e9, memory / 1e9);
    if (argc > 2 && !strcmp(argv[2], "attention")) return attentions(isa, peak, f32), 0;
    const size_t shapes[][3] = {{2048, 2048, 2048}, {2048, 2048, 128}, {2048, 2048, 64},  {8192, 2048, 2048},
                                {2048, 8192, 8192}, {2048, 8192, 512}, {8192, 8192, 512}, {768, 2816, 176}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        int8(isa, 512, shapes[i][0], shapes[i][1], shapes[i][2], bytes, memory);
    }
    for (size_t m = 1; m <= 16; m *= 2) int8(isa, m, 8192, 2048, 2048, bytes, memory);
    if (argc > 2) return 0;
    product(isa, 512, 2048, 2048, 2048, peak, memory);
    product(isa, 512, 2048, 2048, 64, peak, memory);
    product(isa, 512, 2048, 2048, 128, peak, memory);
    product(isa, 512, 8192, 2048, 2048, peak, memory);
    product(isa, 512, 2048, 8192, 512, peak, memory);
    product(isa, 512, 2816, 768, 768, peak, memory);
    product(isa, 512, 768, 2816, 176, peak, memory);
    product(isa, 4096, 128, 1152, 1152, peak, memory);
    product(isa, 512, 352, 352, 22, peak, memory);
    for (size_t m = 1; m <= 16; m *= 2) product(isa, m, 8192, 2048, 2048, peak, memory);
    product(isa, 1, 2048, 8192, 512, peak, memory);
    attentions(isa, peak, f32);
    return 0;
}
