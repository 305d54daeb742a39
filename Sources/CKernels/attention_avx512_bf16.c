// Attention on bf16 operands by AVX512_BF16: vdpbf16ps takes pairs of the depth for the scores, pairs of keys for the sum
// over values.
//
// 4 * queries * keys * depth flops, 64 in an instruction, so queries * keys * depth / 16 of them, half for either product;
// 18.5 instructions for 16 weights (attention_softmax.h), so queries * keys * 1.2. A Zen 4 starts one vdpbf16ps a cycle
// and two others of 512 bits: 64 of the depth take 4 cycles a score, its weight 0.6. So 87 % of the dot product's rate
// is the limit at a depth of 64, 93 % at 128. A step of the inner loops is ROWS * 2 dot products for 2 vector loads and
// ROWS broadcasts. Staging goes beside it, once a call: 64 exchanges for 16 keys x 32 of the depth, two for two values x 32.
//
// A single query takes keys and values from where they are: 64 exchanges for a KiB of keys, 16 bytes a cycle, beside
// the memory that they come from.
#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16")))
#include "attention_softmax.h"

enum { ROWS = 8, VECTORS = 2, BLOCK = 16 * VECTORS };

#define EACH_ROW UNROLLED for (int r = 0; r < rows; r++)
#define EACH_VECTOR UNROLLED for (int v = 0; v < vectors; v++)

/// Up to 32 elements of a row, the rest zero.
TK_INLINE TARGET __m512i stretch(const void *p, size_t i, size_t count) {
    const uint16_t *const from = (const uint16_t *)p + i;
    if (count >= 32) return _mm512_loadu_si512(from);
    return _mm512_maskz_loadu_epi16(((__mmask32)1 << count) - 1, from);
}

/// row[i] lane j becomes pair i of the depth of key j, from d on; `live` keys of sixteen.
TK_INLINE TARGET void turn(lanes row[16], const tk_attention *s, const void *k, size_t key, size_t live, size_t d) {
    UNROLLED for (size_t j = 0; j < 16; j++) {
        row[j] = (lanes){0};
        if (j < live) row[j] = (lanes)stretch(k, (key + j) * s->k_stride + d, s->depth - d);
    }
    EXCHANGE(8) EXCHANGE(4) EXCHANGE(2) EXCHANGE(1)
}

/// Keys in blocks of 32 (the last 16 where that suffices); in a block pairs of the depth; then the keys. What is missing
/// is zero.
TK_INLINE TARGET void stage_keys(const tk_attention *s, const void *k, char *out) {
    const size_t pairs = (s->depth + 1) / 2;
    for (size_t j0 = 0; j0 < s->keys; j0 += 16) {
        const size_t block = j0 / BLOCK * BLOCK, width = s->keys - block <= 16 ? 64 : 64 * VECTORS;
        char *const to = out + block * pairs * 4 + (j0 - block) * 4;
        const size_t live = s->keys - j0 < 16 ? s->keys - j0 : 16;
        for (size_t p = 0; p < pairs; p += 16) {
            lanes row[16];
            if (live == 16) turn(row, s, k, j0, 16, p * 2);
            else turn(row, s, k, j0, live, p * 2);
            UNROLLED for (size_t i = 0; i < 16; i++) if (p + i < pairs) *(lanes *)(to + (p + i) * width) = row[i];
        }
    }
}

/// Two values in turn, 32 of the depth from d on: pairs[0] has the first sixteen.
TK_INLINE TARGET void pair(__m512i pairs[2], const tk_attention *s, const void *v, size_t key, size_t d) {
    const __m512i low = _mm512_set_epi16(47, 15, 46, 14, 45, 13, 44, 12, 43, 11, 42, 10, 41, 9, 40, 8, 39, 7, 38, 6, 37, 5,
                                         36, 4, 35, 3, 34, 2, 33, 1, 32, 0);
    const __m512i high = _mm512_add_epi16(low, _mm512_set1_epi16(16));
    const __m512i a = stretch(v, key * s->v_stride + d, s->depth - d);
    const __m512i b =
        key + 1 < s->keys ? stretch(v, (key + 1) * s->v_stride + d, s->depth - d) : _mm512_setzero_si512();
    pairs[0] = _mm512_permutex2var_epi16(a, low, b);
    pairs[1] = _mm512_permutex2var_epi16(a, high, b);
}

/// Values in blocks of 32 of the depth (the last 16 where that suffices); in a block pairs of keys; then the depth.
TK_INLINE TARGET void stage_values(const tk_attention *s, const void *v, char *out) {
    for (size_t d = 0; d < s->depth; d += BLOCK) {
        const size_t vectors = s->depth - d <= 16 ? 1 : VECTORS;
        for (size_t j = 0; j < s->keys; j += 2, out += vectors * 64) {
            __m512i pairs[2];
            pair(pairs, s, v, j, d);
            for (size_t i = 0; i < vectors; i++) _mm512_storeu_si512(out + i * 64, pairs[i]);
        }
    }
}

/// out[r] = sum over i of left[r][i] * right[i], of pairs, i ascending; rows of left are `stride` bytes apart.
TK_INLINE TARGET void multiply(const char *left, size_t stride, const char *right, size_t pairs, float *out,
                               size_t out_stride, const int rows, const int vectors) {
    __m512 acc[ROWS][VECTORS];
    EACH_ROW EACH_VECTOR acc[r][v] = _mm512_setzero_ps();
    for (size_t i = 0; i < pairs; i++, left += 4, right += vectors * 64) {
        __m512bh operand[VECTORS];
        EACH_VECTOR operand[v] = (__m512bh)_mm512_loadu_si512(right + v * 64);
        EACH_ROW {
            const __m512bh value = (__m512bh)_mm512_set1_epi32(tk_load32(left + (size_t)r * stride));
            EACH_VECTOR acc[r][v] = _mm512_dpbf16_ps(acc[r][v], value, operand[v]);
        }
    }
    EACH_ROW EACH_VECTOR _mm512_storeu_ps(out + (size_t)r * out_stride + v * 16, acc[r][v]);
}

/// `multiply` over all blocks of right, each of `block` pairs: out[r][0 ..< width].
TK_INLINE TARGET void multiply_blocks(const char *left, size_t stride, const char *right, size_t pairs, size_t block,
                                      float *out, size_t out_stride, size_t width, const int rows) {
    for (size_t c = 0; c < width; c += BLOCK, right += block * VECTORS * 64) {
        if (width - c <= 16) multiply(left, stride, right, pairs, out + c, out_stride, rows, 1);
        else multiply(left, stride, right, pairs, out + c, out_stride, rows, VECTORS);
    }
}

/// The scores of a single query, as `multiply_blocks` takes them, from where the keys are.
TK_INLINE TARGET void score(const tk_attention *s, const char *query, const void *k, size_t count, float *out) {
    for (size_t j = 0; j < count; j += 16) {
        __m512 acc = _mm512_setzero_ps();
        for (size_t d = 0; d < s->depth; d += 32) {
            lanes row[16];
            if (s->keys - j >= 16) turn(row, s, k, j, 16, d);
            else turn(row, s, k, j, s->keys - j, d);
            UNROLLED for (size_t i = 0; i < 16; i++) {
                if (d + i * 2 >= s->depth) break;
                const __m512bh value = (__m512bh)_mm512_set1_epi32(tk_load32(query + d * 2 + i * 4));
                acc = _mm512_dpbf16_ps(acc, value, (__m512bh)row[i]);
            }
        }
        _mm512_storeu_ps(out + j, acc);
    }
}

/// The sum over values of a single query, as `multiply_blocks` takes it, from where the values are.
TK_INLINE TARGET void weigh(const tk_attention *s, const char *row, const void *v, size_t count, float *out) {
    for (size_t d = 0; d < s->depth; d += 2 * BLOCK) {
        __m512 acc[4];
        UNROLLED for (size_t i = 0; i < 4; i++) acc[i] = _mm512_setzero_ps();
        const bool second = d + BLOCK < s->depth;
        for (size_t j = 0; j < count; j += 2) {
            const __m512bh weight = (__m512bh)_mm512_set1_epi32(tk_load32(row + j * 2));
            __m512i pairs[2];
            pair(pairs, s, v, j, d);
            UNROLLED for (size_t i = 0; i < 2; i++) acc[i] = _mm512_dpbf16_ps(acc[i], weight, (__m512bh)pairs[i]);
            if (!second) continue;
            pair(pairs, s, v, j, d + BLOCK);
            UNROLLED for (size_t i = 0; i < 2; i++) acc[i + 2] = _mm512_dpbf16_ps(acc[i + 2], weight, (__m512bh)pairs[i]);
        }
        UNROLLED for (size_t i = 0; i < 4; i++) if (d + i * 16 < s->depth) _mm512_storeu_ps(out + d + i * 16, acc[i]);
    }
}

/// Turns a row of scores into weights of bf16, in its place, and returns the sum of what they were rounded to. Those from
/// `limit` to `end`, a multiple of 32, become zero.
TK_INLINE TARGET float rounded_weights(float *row, size_t limit, size_t end, float factor) {
    const float most = largest(row, limit, factor);
    const __m512bh ones = (__m512bh)_mm512_set1_epi16(0x3F80);
    __m512 sum = _mm512_setzero_ps();
    for (size_t j = 0; j < end; j += 32) {
        lanes a, b;
        weights(&a, row + j, factor, most, j < limit ? limit - j : 0);
        weights(&b, row + j + 16, factor, most, j + 16 < limit ? limit - j - 16 : 0);
        const __m512bh both = _mm512_cvtne2ps_pbh((__m512)b, (__m512)a);
        sum = _mm512_dpbf16_ps(sum, both, ones);
        _mm512_storeu_si512((uint16_t *)row + j, (__m512i)both);
    }
    const lanes sums = (lanes)sum;
    return total(&sums);
}

/// A row of the result.
TK_INLINE TARGET void emit(const tk_attention *s, const float *values, float factor, void *out, size_t to) {
    for (size_t d = 0; d < s->depth; d += 16) {
        const __mmask16 live = s->depth - d >= 16 ? 0xFFFF : ((__mmask16)1 << (s->depth - d)) - 1;
        const __m512 value = _mm512_mul_ps(_mm512_loadu_ps(values + d), _mm512_set1_ps(factor));
        if (s->out_dtype == TK_F32) _mm512_mask_storeu_ps((float *)out + to + d, live, value);
        else _mm256_mask_storeu_epi16((uint16_t *)out + to + d, live, (__m256i)_mm512_cvtneps_pbh(value));
    }
}

/// A group of queries.
TK_INLINE TARGET void attend_rows(const tk_attention *s, size_t first, size_t count, const attention_scratch *t,
                                  const void *q, const void *k, const void *v, void *out, const int rows) {
    const size_t pairs = (s->depth + 1) / 2, stride = t->score_stride * 4;
    char *const queries = (char *)t->queries;
    for (size_t r = 0; r < (size_t)rows; r++) {
        char *const to = queries + r * pairs * 4;
        memset(to + (pairs - 1) * 4, 0, 4);
        memcpy(to, (const uint16_t *)q + (first + (r < count ? r : 0)) * s->q_stride, s->depth * 2);
    }
    const size_t seen = attention_limit(s, first + count - 1), end = (seen + 31) / 32 * 32;
    if (s->queries == 1) score(s, queries, k, seen, t->scores);
    else multiply_blocks(queries, pairs * 4, (const char *)t->keys, pairs, pairs, t->scores, t->score_stride,
                         attention_staged_keys(s->keys, end, VECTORS), rows);
    float sums[ROWS];
    for (size_t r = 0; r < (size_t)rows; r++) {
        const size_t limit = attention_limit(s, r < count ? first + r : first);
        sums[r] = rounded_weights(t->scores + r * t->score_stride, limit, end, s->scale * LOG2E);
    }
    const size_t width = (s->depth + 15) / 16 * 16;
    if (s->queries == 1) weigh(s, (const char *)t->scores, v, seen, t->sums);
    else multiply_blocks((const char *)t->scores, stride, (const char *)t->values, (seen + 1) / 2, (s->keys + 1) / 2,
                         t->sums, width, width, rows);
    for (size_t r = 0; r < count; r++) {
        emit(s, t->sums + r * width, 1 / sums[r], out, (first + r) * s->out_stride);
    }
}

TARGET void tk_attend_avx512_bf16(const tk_attention *s, const void *q, const void *k, const void *v, void *out,
                                  const attention_scratch *scratch) {
    if (s->queries > 1) {
        stage_keys(s, k, (char *)scratch->keys);
        stage_values(s, v, (char *)scratch->values);
    }
    for (size_t first = 0; first < s->queries; first += ROWS) {
        const size_t count = s->queries - first < ROWS ? s->queries - first : ROWS;
        if (count == 1) attend_rows(s, first, count, scratch, q, k, v, out, 1);
        else attend_rows(s, first, count, scratch, q, k, v, out, ROWS);
    }
}
#endif
