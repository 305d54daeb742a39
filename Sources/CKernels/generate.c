// Generated weights: Philox 4x32-10, 16 blocks at a time, and from each half of a word the sum of its two bytes.
//
// Limit: writing two bytes a value once. Arithmetic that 128 values take, in vectors of 64 bytes: ten rounds of 2 x (2
// multiplications, 2 shifts, 2 three-operand exclusive ors), 28 instructions for sums of bytes, 72 to scale and round to
// bf16: 220, or 110 cycles where two start in a cycle, 0.86 a value. A core of 3.7 GHz makes 8.6 GB of bf16 a second,
// about what it gets of fresh memory. A normal distribution by logarithms and sines took ten times as long. Whole groups
// of bf16 have a kernel of their own on AVX512_BF16 (generate_avx512_bf16.c), with the same values.
//
// A word stands in the low half of 64 bits, where its products appear; what the high half holds does not matter.
#include "include/weights.h"

#include "generate.h"
#include "numeric.h"

typedef uint64_t wide __attribute__((vector_size(64)));
typedef uint32_t lanes __attribute__((vector_size(64)));
typedef int32_t integers __attribute__((vector_size(64)));
typedef float numbers __attribute__((vector_size(64)));

/// The standard deviation of a sum of two bytes is sqrt(2 (256^2 - 1) / 12) = 104.5.
static recipe recipe_of(uint64_t seed, uint64_t hash, float mean, float scale) {
    recipe r = {.hash = hash, .mean = mean, .factor = scale * 9.5683923e-3f};
    for (uint32_t round = 0; round < ROUNDS; round++) {
        r.keys[2 * round] = (uint32_t)seed + round * 0x9E3779B9u;
        r.keys[2 * round + 1] = (uint32_t)(seed >> 32) + round * 0xBB67AE85u;
    }
    return r;
}

/// Ten rounds on eight blocks; x[w] is their word w.
TK_INLINE void rounds(wide x[WORDS], const uint64_t *keys) {
#pragma clang loop unroll(full)
    for (int round = 0; round < ROUNDS; round++) {
        const wide a = (x[0] & 0xFFFFFFFFu) * MULTIPLIER_A, b = (x[2] & 0xFFFFFFFFu) * MULTIPLIER_B;
        x[0] = (b >> 32) ^ (x[1] ^ keys[2 * round]);
        x[1] = b;
        x[2] = (a >> 32) ^ (x[3] ^ keys[2 * round + 1]);
        x[3] = a;
    }
}

/// The values of a group; v[2 w + h][l] is made from half h of word w of its block l.
TK_INLINE void draw(numbers v[2 * WORDS], const recipe *r, uint64_t group) {
    const wide first = group * BLOCKS + (wide){0, 2, 4, 6, 8, 10, 12, 14}, second = first + 1;
    const wide low = (wide){0} + (uint32_t)r->hash, high = (wide){0} + (r->hash >> 32);
    wide even[WORDS] = {first, first >> 32, low, high}, odd[WORDS] = {second, second >> 32, low, high};
    rounds(even, r->keys);
    rounds(odd, r->keys);
#pragma clang loop unroll(full)
    for (int w = 0; w < WORDS; w++) {
        const lanes words = __builtin_shufflevector((lanes)even[w], (lanes)odd[w], 0, 16, 2, 18, 4, 20, 6, 22, 8, 24,
                                                    10, 26, 12, 28, 14, 30);
        const lanes sums = (words & 0x00FF00FFu) + (words >> 8 & 0x00FF00FFu);
        const integers low = (integers)(sums & 0xFFFFu) - 255, high = (integers)(sums >> 16) - 255;
        v[2 * w] = r->mean + r->factor * __builtin_convertvector(low, numbers);
        v[2 * w + 1] = r->mean + r->factor * __builtin_convertvector(high, numbers);
    }
}

/// Values to bf16, rounded to nearest even; a NaN stays one.
TK_INLINE void halves(uint16_t *out, const numbers v[2 * WORDS]) {
#pragma clang loop unroll(full)
    for (int w = 0; w < WORDS; w++) {
        const lanes a = (lanes)v[2 * w], b = (lanes)v[2 * w + 1];
        const lanes even = (a + 0x7FFFu + (a >> 16 & 1u)) >> 16, odd = b + 0x7FFFu + (b >> 16 & 1u);
        const lanes both = even | (odd & 0xFFFF0000u);
        memcpy(out + w * 2 * BLOCKS, &both, sizeof both);
    }
}

TK_INLINE void singles(float *out, const numbers v[2 * WORDS]) {
    for (int i = 0; i < GROUP; i++) out[i] = v[i / 32 * 2 + i % 2][i % 32 / 2];
}

TK_CLONES static void generate(void *out, tk_dtype dtype, size_t step, const recipe *given, uint64_t begin, size_t count) {
    const recipe r = *given; // what is written cannot change this one
    const uint64_t end = begin + count;
    const size_t size = dtype == TK_F32 ? 4 : 2;
    char *to = out;
    for (uint64_t i = begin; i < end;) {
        const uint64_t first = i % GROUP;
        const size_t n = tk_least(GROUP - first, end - i);
        numbers v[2 * WORDS];
        draw(v, &r, i / GROUP);
        if (dtype == TK_BF16 && n == GROUP && step == 1) {
            halves((uint16_t *)to, v);
        } else if (dtype == TK_BF16) {
            uint16_t group[GROUP];
            halves(group, v);
            for (size_t j = 0; j < n; j++) memcpy(to + j * step * 2, group + first + j, 2);
        } else {
            float group[GROUP];
            singles(group, v);
            for (size_t j = 0; j < n; j++) memcpy(to + j * step * 4, group + first + j, 4);
        }
        to += n * step * size;
        i += n;
    }
}

#if defined(__x86_64__)
/// Zero, or so large that it and what is made of it are normal numbers.
static bool is_tame(float x, bool can_be_zero) {
    const float magnitude = fabsf(x);
    return (can_be_zero && x == 0) || (magnitude >= 0x1p-100f && magnitude <= 0x1p100f);
}

/// The whole groups from the first on, an even number, as far as their block numbers have one high half; returns how
/// many values that were.
static size_t whole_groups(uint16_t *out, const recipe *r, uint64_t begin, size_t count) {
    if (begin % GROUP != 0) return 0;
    const uint64_t group = begin / GROUP, same_half = ((uint64_t)1 << 32) / BLOCKS;
    const size_t groups = tk_least(count / GROUP, same_half - group % same_half) / 2 * 2;
    if (groups > 0) tk_generate_groups_avx512_bf16(out, r, group, groups);
    return groups * GROUP;
}
#endif

void tk_generate_weights(void *out, tk_dtype dtype, size_t step, uint64_t seed, uint64_t hash, uint64_t begin,
                         size_t count, float mean, float scale) {
    const recipe r = recipe_of(seed, hash, mean, scale);
#if defined(__x86_64__)
    const bool is_dense = dtype == TK_BF16 && step == 1;
    if (is_dense && tk_best_isa() >= TK_AVX512_BF16 && is_tame(mean, true) && is_tame(r.factor, false)) {
        // What comes before the first whole group, groups, and what is left.
        uint16_t *to = out;
        while (count > 0) {
            size_t n = whole_groups(to, &r, begin, count);
            if (n == 0) {
                n = tk_least(GROUP - begin % GROUP, count);
                generate(to, dtype, 1, &r, begin, n);
            }
            to += n, begin += n, count -= n;
        }
        return;
    }
#endif
    generate(out, dtype, step, &r, begin, count);
}
