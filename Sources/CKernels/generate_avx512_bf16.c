// Generated weights as bf16 on AVX512_BF16: generate.c's values, two groups at a time, so that the chain of a round does
// not decide.
//
// Limit: for 128 values 34 multiplications, 36 shifts, 42 exclusive ors and additions (the first three rounds have words
// that all blocks share), 4 shuffles to interleave words, 4 sums of bytes, 8 shuffles that put sums into numbers, 16
// operations on those, 8 to round (counted twice: it takes two cycles): 152, 76 cycles where two start in a cycle, 0.6 a
// value, where generate.c takes 220 instructions. Shifts and shuffles, of which one starts in a cycle, are 48.
#if defined(__x86_64__)
#include <immintrin.h>
#include <stdbool.h>

#include "dot_kernel.h"
#include "generate.h"

#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")))

enum { SETS = 4 }; // eight blocks each: even and odd ones of a group, then of the next

#define EACH_SET UNROLLED for (int s = 0; s < SETS; s++)

TK_INLINE TARGET __m512i same(uint64_t x) { return _mm512_set1_epi64((long long)x); }

TK_INLINE TARGET __m512i xor3(__m512i a, __m512i b, __m512i c) { return _mm512_ternarylogic_epi64(a, b, c, 0x96); }

/// What the first three rounds make of the words that all blocks share.
typedef struct {
    __m512i second_a, third_b, third_a, fourth_a;
} shared_words;

TK_INLINE TARGET shared_words share(const recipe *r, uint64_t group) {
    const uint64_t *keys = r->keys;
    const uint32_t high = (uint32_t)(group * BLOCKS >> 32);
    const uint64_t first = (r->hash & 0xFFFFFFFF) * MULTIPLIER_B;
    const uint64_t second = ((first >> 32) ^ high ^ keys[0]) * MULTIPLIER_A;
    return (shared_words){
        .second_a = same((r->hash >> 32) ^ keys[1]),
        .third_b = same((first & 0xFFFFFFFF) ^ keys[2]),
        .third_a = same((second >> 32) ^ keys[3]),
        .fourth_a = same((second & 0xFFFFFFFF) ^ keys[5]),
    };
}

/// Word w of the blocks of two groups, in x[s][w]; its high half does not matter.
TK_INLINE TARGET void rounds(__m512i x[SETS][WORDS], const recipe *r, const shared_words *shared, uint64_t group) {
    const __m512i ma = same(MULTIPLIER_A), mb = same(MULTIPLIER_B);
    // Blocks follow each other, and so do their products.
    const __m512i even = _mm512_set_epi64(14, 12, 10, 8, 6, 4, 2, 0);
    const __m512i base = same((group * BLOCKS & 0xFFFFFFFF) * MULTIPLIER_A);
    EACH_SET {
        const __m512i block = _mm512_add_epi64(even, same((uint64_t)(s / 2 * BLOCKS + s % 2)));
        const __m512i a = _mm512_add_epi64(base, _mm512_mullo_epi64(block, ma));
        const __m512i b = _mm512_mul_epu32(_mm512_xor_si512(_mm512_srli_epi64(a, 32), shared->second_a), mb);
        x[s][0] = _mm512_xor_si512(_mm512_srli_epi64(b, 32), shared->third_b);
        x[s][1] = b;
        x[s][2] = _mm512_xor_si512(a, shared->third_a);
        x[s][3] = shared->fourth_a; // with its key
    }
    UNROLLED for (int round = 2; round < ROUNDS; round++) {
        EACH_SET {
            const __m512i a = _mm512_mul_epu32(x[s][0], ma), b = _mm512_mul_epu32(x[s][2], mb);
            const __m512i above_a = _mm512_srli_epi64(a, 32), above_b = _mm512_srli_epi64(b, 32);
            x[s][0] = xor3(above_b, x[s][1], same(r->keys[2 * round]));
            x[s][1] = b;
            x[s][2] = round == 2 ? _mm512_xor_si512(above_a, x[s][3])
                                 : xor3(above_a, x[s][3], same(r->keys[2 * round + 1]));
            x[s][3] = a;
        }
    }
}

/// 32 values from sixteen words. A sum of bytes s in the low half of 0x4B000000 is the number 2^23 + s.
TK_INLINE TARGET __m512i values(__m512i words, const recipe *r, const bool centred) {
    const __m512i low = _mm512_set_epi16(32, 15, 32, 14, 32, 13, 32, 12, 32, 11, 32, 10, 32, 9, 32, 8, 32, 7, 32, 6, 32, 5,
                                         32, 4, 32, 3, 32, 2, 32, 1, 32, 0);
    const __m512i high = _mm512_add_epi16(low, _mm512_set1_epi32(16)), exponent = _mm512_set1_epi16(0x4B00);
    const __m512i sums = _mm512_maddubs_epi16(words, _mm512_set1_epi8(1));
    const __m512 middle = _mm512_set1_ps(8388608.0f + 255.0f), factor = _mm512_set1_ps(r->factor);
    __m512 a = (__m512)_mm512_permutex2var_epi16(sums, low, exponent);
    __m512 b = (__m512)_mm512_permutex2var_epi16(sums, high, exponent);
    a = _mm512_mul_ps(_mm512_sub_ps(a, middle), factor);
    b = _mm512_mul_ps(_mm512_sub_ps(b, middle), factor);
    if (!centred) a = _mm512_add_ps(_mm512_set1_ps(r->mean), a), b = _mm512_add_ps(_mm512_set1_ps(r->mean), b);
    return (__m512i)_mm512_cvtne2ps_pbh(b, a);
}

TK_INLINE TARGET void generate(uint16_t *out, const recipe *given, uint64_t group, size_t groups, const bool centred) {
    const recipe r = *given; // what is written cannot change this one
    const shared_words shared = share(&r, group);
    for (const uint64_t end = group + groups; group < end; group += 2, out += 2 * GROUP) {
        __m512i x[SETS][WORDS];
        rounds(x, &r, &shared, group);
        UNROLLED for (int s = 0; s < SETS; s += 2) UNROLLED for (int w = 0; w < WORDS; w++) {
            // Even blocks in the low halves, odd ones in the high halves.
            const __m512i words = _mm512_mask_shuffle_epi32(x[s][w], 0xAAAA, x[s + 1][w], _MM_PERM_CCAA);
            _mm512_storeu_si512(out + s / 2 * GROUP + w * 2 * BLOCKS, values(words, &r, centred));
        }
    }
}

TARGET void tk_generate_groups_avx512_bf16(uint16_t *out, const recipe *r, uint64_t group, size_t groups) {
    // Zero plus a product is the product, unless that is -0.
    if (r->mean == 0 && r->factor > 0) generate(out, r, group, groups, true);
    else generate(out, r, group, groups, false);
}
#endif
