// Loops at the limit of the arithmetic units and of memory.
//
// A fused multiply-add takes about four cycles and two start in one, so eight independent sums are the least; 24 leave
// room for slower ones and use 24 of 32 registers. Tile products take 16 cycles and 52 to come out: four independent ones
// keep the unit busy. Nothing is loaded inside the loops.
#include "limits.h"

#include <string.h>

enum { SUMS = 24 };

#if defined(__x86_64__)
#include <immintrin.h>

#define LOOP(name, features, vector, zero, step, operations)                                            \
    __attribute__((target(features), noinline)) static uint64_t name(size_t rounds) {                   \
        vector a[SUMS];                                                                                 \
        for (int i = 0; i < SUMS; i++) a[i] = zero;                                                     \
        for (size_t n = 0; n < rounds; n++) {                                                           \
            _Pragma("clang loop unroll(full)") for (int i = 0; i < SUMS; i++) {                         \
                step;                                                                                   \
                __asm__ volatile("" : "+v"(a[i]));                                                      \
            }                                                                                           \
        }                                                                                               \
        return (uint64_t)rounds * SUMS * (operations);                                                  \
    }

LOOP(run_bf16_avx512, "avx512f,avx512bf16", __m512, _mm512_setzero_ps(),
     a[i] = _mm512_dpbf16_ps(a[i], (__m512bh)_mm512_set1_epi32(0x3f803f80), (__m512bh)_mm512_set1_epi32(0)), 64)
LOOP(run_int8_vnni, "avx512f,avx512vnni", __m512i, _mm512_setzero_si512(),
     a[i] = _mm512_dpbusd_epi32(a[i], _mm512_set1_epi8(3), _mm512_set1_epi8(5)), 128)
LOOP(run_f32_avx512, "avx512f", __m512, _mm512_setzero_ps(),
     a[i] = _mm512_fmadd_ps(a[i], _mm512_set1_ps(1), _mm512_set1_ps(0)), 32)

// Sixteen registers: twelve sums.
__attribute__((target("avx2,fma"), noinline)) static uint64_t run_f32_avx2(size_t rounds) {
    enum { FEW = 12 };
    __m256 a[FEW];
    for (int i = 0; i < FEW; i++) a[i] = _mm256_setzero_ps();
    for (size_t n = 0; n < rounds; n++) {
#pragma clang loop unroll(full)
        for (int i = 0; i < FEW; i++) {
            a[i] = _mm256_fmadd_ps(a[i], _mm256_set1_ps(1), _mm256_set1_ps(0));
            __asm__ volatile("" : "+x"(a[i]));
        }
    }
    return (uint64_t)rounds * FEW * 16;
}

__attribute__((target("amx-tile,amx-bf16,amx-int8"), noinline)) static uint64_t run_amx(size_t rounds, int is_int8) {
    uint8_t configuration[64] = {1};
    for (int i = 0; i < 8; i++) configuration[16 + i * 2] = 64, configuration[48 + i] = 16;
    _tile_loadconfig(configuration);
    _tile_zero(4), _tile_zero(6);
    for (size_t n = 0; n < rounds; n++) {
        if (is_int8) {
            _tile_dpbssd(0, 4, 6), _tile_dpbssd(1, 4, 6), _tile_dpbssd(2, 4, 6), _tile_dpbssd(3, 4, 6);
        } else {
            _tile_dpbf16ps(0, 4, 6), _tile_dpbf16ps(1, 4, 6), _tile_dpbf16ps(2, 4, 6), _tile_dpbf16ps(3, 4, 6);
        }
    }
    _tile_release();
    // 16 x 16 results of 32 (bf16) or 64 (int8) products each.
    return (uint64_t)rounds * 4 * 256 * (is_int8 ? 128 : 64);
}

__attribute__((target("avx512f"), noinline)) static uint64_t read_avx512(const char *p, size_t bytes) {
    __m512i a = _mm512_setzero_si512(), b = a, c = a, d = a;
    for (size_t i = 0; i < bytes; i += 256) {
        a = _mm512_or_si512(a, _mm512_loadu_si512(p + i)), b = _mm512_or_si512(b, _mm512_loadu_si512(p + i + 64));
        c = _mm512_or_si512(c, _mm512_loadu_si512(p + i + 128));
        d = _mm512_or_si512(d, _mm512_loadu_si512(p + i + 192));
    }
    return (uint64_t)_mm512_reduce_or_epi64(_mm512_or_si512(_mm512_or_si512(a, b), _mm512_or_si512(c, d)));
}
#endif

/// Vectors of four, which every processor has in some form.
typedef float quad __attribute__((vector_size(16)));

__attribute__((noinline)) static uint64_t run_f32_portable(size_t rounds) {
    enum { FEW = 8 };
    quad a[FEW];
    const quad one = {1, 1, 1, 1}, zero = {0, 0, 0, 0};
    for (int i = 0; i < FEW; i++) a[i] = zero;
    for (size_t n = 0; n < rounds; n++) {
#pragma clang loop unroll(full)
        for (int i = 0; i < FEW; i++) {
            a[i] = a[i] * one + zero;
#if defined(__x86_64__)
            __asm__ volatile("" : "+x"(a[i]));
#else
            __asm__ volatile("" : "+w"(a[i]));
#endif
        }
    }
    return (uint64_t)rounds * FEW * 8;
}

static uint64_t read_portable(const char *p, size_t bytes) {
    uint64_t all[8] = {0};
    for (size_t i = 0; i < bytes; i += 64) {
        uint64_t words[8];
        memcpy(words, p + i, sizeof words);
        for (int j = 0; j < 8; j++) all[j] |= words[j];
    }
    return all[0] | all[1] | all[2] | all[3] | all[4] | all[5] | all[6] | all[7];
}

/// The loops there are.
typedef enum { AMX_BF16, AMX_INT8, AVX512_BF16, AVX512_VNNI, AVX512_FMA, AVX2_FMA, PORTABLE } loop;

static loop choose(tk_isa isa, tk_limit limit) {
    // The emulated tiles are C: their level's limit is that of the vectors.
    const bool avx512 = isa >= TK_AVX512;
    if (limit == TK_LIMIT_INT8) {
        if (isa == TK_AMX && (tk_int8_features() & TK_INT8_AMX)) return AMX_INT8;
        if (avx512 && (tk_int8_features() & TK_INT8_VNNI)) return AVX512_VNNI;
    }
    if (limit == TK_LIMIT_BF16) {
        if (isa == TK_AMX) return AMX_BF16;
        if (isa == TK_AVX512_BF16) return AVX512_BF16;
    }
    return avx512 ? AVX512_FMA : isa == TK_AVX2 ? AVX2_FMA : PORTABLE;
}

const char *tk_limit_name(tk_isa isa, tk_limit limit) {
    static const char *const names[] = {
        "AMX-BF16", "AMX-INT8", "AVX512-BF16", "AVX512-VNNI", "AVX-512 FMA", "AVX2 FMA", "vectors of four f32",
    };
    return names[choose(isa, limit)];
}

uint64_t tk_limit_run(tk_isa isa, tk_limit limit, size_t rounds) {
    switch (choose(isa, limit)) {
#if defined(__x86_64__)
    case AMX_BF16: return run_amx(rounds, 0);
    case AMX_INT8: return run_amx(rounds, 1);
    case AVX512_BF16: return run_bf16_avx512(rounds);
    case AVX512_VNNI: return run_int8_vnni(rounds);
    case AVX512_FMA: return run_f32_avx512(rounds);
    case AVX2_FMA: return run_f32_avx2(rounds);
#endif
    default: return run_f32_portable(rounds);
    }
}

uint64_t tk_limit_read(tk_isa isa, const void *p, size_t bytes) {
#if defined(__x86_64__)
    if (isa >= TK_AVX512) return read_avx512(p, bytes);
#endif
    (void)isa;
    return read_portable(p, bytes);
}
