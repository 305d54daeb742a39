// One head of attention, written once on vectors of 16 floats and compiled for each level. The including file defines
// TARGET (function attribute), ROWS (queries at a time), VECTORS (1 or 2, the width of a block of keys or depth) and
// FUSED(a, b, c), a * b + c.
//
// Keys are widened to f32 and transposed once a call, values widened; then each group of ROWS queries takes its scores
// against blocks of keys (lanes are keys, d ascending), the softmax over the row, and the sum over values (lanes are
// depth, keys ascending). So each lane's order is fixed, and the row sum runs in 16 lanes that are combined in a tree:
// the same whatever the level's vector length.
//
// Of bf16 operands the weights are rounded to bf16: see attention_softmax.h.
//
// 4 * queries * keys * depth flops. A step of the inner loops does ROWS * VECTORS fused operations of 16 lanes for
// VECTORS vector loads and ROWS broadcasts, from L1 or L2: limited by the fused operations, but the transposition
// (once for all queries of the call) and the exponentials (one for 4 * depth flops) go beside them.
//
// One query is limited by reading keys and values once: 2 flops a byte of f32. Its values are taken from where they
// are; its keys are transposed all the same, since lanes are keys in either case.
#pragma once
#include "attention_softmax.h"
#include "vexp.h"

TK_INLINE TARGET float element(const void *p, size_t i, bool bf16) {
    if (!bf16) return ((const float *)p)[i];
    return tk_bits_float((int32_t)((uint32_t)((const uint16_t *)p)[i] << 16));
}

/// Up to sixteen elements of a row, the rest zero.
TK_INLINE TARGET void stretch(lanes *values, const void *p, size_t i, size_t count, const bool bf16) {
    *values = (lanes){0};
    if (bf16) {
        typedef uint16_t halves __attribute__((vector_size(32), aligned(2)));
        halves bits = {0};
        if (count >= 16) bits = *(const halves *)((const uint16_t *)p + i);
        else memcpy(&bits, (const uint16_t *)p + i, count * 2);
        *values = (lanes)(__builtin_convertvector(bits, words) << 16);
    } else if (count >= 16) {
        *values = *(const lanes *)((const float *)p + i);
    } else {
        memcpy(values, (const float *)p + i, count * 4);
    }
}

/// Keys as blocks of 16 * VECTORS (the last 16 where that suffices); in a block d; then the keys. Missing keys are
/// zero. Sixteen keys by sixteen of d are transposed in registers, in 64 exchanges: a quarter of one for each element.
TK_INLINE TARGET void stage_keys(const tk_attention *s, const void *k, float *out, const bool bf16) {
    for (size_t j0 = 0; j0 < s->keys; j0 += 16) {
        const size_t block = j0 / (16 * VECTORS) * 16 * VECTORS;
        const size_t width = s->keys - block <= 16 ? 16 : 16 * VECTORS;
        float *const to = out + block * s->depth + (j0 - block);
        const size_t live = s->keys - j0 < 16 ? s->keys - j0 : 16;
        for (size_t d = 0; d < s->depth; d += 16) {
            const size_t count = s->depth - d < 16 ? s->depth - d : 16;
            lanes row[16];
            UNROLLED for (size_t j = 0; j < 16; j++) {
                row[j] = (lanes){0};
                if (j < live) stretch(&row[j], k, (j0 + j) * s->k_stride + d, count, bf16);
            }
            EXCHANGE(8) EXCHANGE(4) EXCHANGE(2) EXCHANGE(1)
            UNROLLED for (size_t i = 0; i < 16; i++) if (i < count) *(lanes *)(to + (d + i) * width) = row[i];
        }
    }
}

/// Values as blocks of 16 * VECTORS of the depth (the last 16 where that suffices); in a block keys; then the depth.
TK_INLINE TARGET void stage_values(const tk_attention *s, const void *v, float *out, const bool bf16) {
    for (size_t d0 = 0; d0 < s->depth; d0 += 16 * VECTORS) {
        const size_t width = s->depth - d0 <= 16 ? 16 : 16 * VECTORS;
        const size_t live = s->depth - d0 < width ? s->depth - d0 : width;
        for (size_t j = 0; j < s->keys; j++, out += width) {
            for (size_t d = 0; d < live; d++) out[d] = element(v, j * s->v_stride + d0 + d, bf16);
            for (size_t d = live; d < width; d++) out[d] = 0;
        }
    }
}

/// acc[r][v] = sum over i of left[r][i] * right[i][v], i ascending; rows of left are `stride` floats apart.
TK_INLINE TARGET void multiply(const float *left, size_t stride, const float *right, size_t count, float *out,
                               size_t out_stride, const int rows, const int vectors) {
    lanes acc[ROWS][VECTORS];
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) {
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) acc[r][v] = (lanes){0};
    }
    for (size_t i = 0; i < count; i++, right += vectors * 16) {
        lanes operand[VECTORS];
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) operand[v] = *(const lanes *)(right + v * 16);
#pragma clang loop unroll(full)
        for (int r = 0; r < rows; r++) {
            const float value = left[(size_t)r * stride + i];
            const lanes same = {value, value, value, value, value, value, value, value,
                                value, value, value, value, value, value, value, value};
#pragma clang loop unroll(full)
            for (int v = 0; v < vectors; v++) acc[r][v] = FUSED(same, operand[v], acc[r][v]);
        }
    }
#pragma clang loop unroll(full)
    for (int r = 0; r < rows; r++) {
#pragma clang loop unroll(full)
        for (int v = 0; v < vectors; v++) *(lanes *)(out + (size_t)r * out_stride + v * 16) = acc[r][v];
    }
}

/// `multiply` over all blocks of right: out[r][0 ..< width].
TK_INLINE TARGET void multiply_blocks(const float *left, size_t stride, const float *right, size_t count, size_t block,
                                      float *out, size_t out_stride, size_t width, const int rows) {
    for (size_t c = 0; c < width; c += 16 * VECTORS) {
        if (width - c <= 16) {
            multiply(left, stride, right, count, out + c, out_stride, rows, 1);
        } else {
            multiply(left, stride, right, count, out + c, out_stride, rows, VECTORS);
            right += 16 * VECTORS * block;
        }
    }
}

/// The sum over values of a single query, as `multiply_blocks` takes it, from where the values are: 64 of the depth at
/// a time, keys ascending.
TK_INLINE TARGET void weigh(const tk_attention *s, const float *weights, const void *v, size_t count, float *out,
                            const bool bf16) {
    for (size_t d0 = 0; d0 < s->depth; d0 += 64) {
        lanes acc[4] = {{0}, {0}, {0}, {0}};
        for (size_t j = 0; j < count; j++) {
            const float weight = weights[j];
            const lanes same = {weight, weight, weight, weight, weight, weight, weight, weight,
                                weight, weight, weight, weight, weight, weight, weight, weight};
            UNROLLED for (size_t i = 0; i < 4; i++) {
                const size_t d = d0 + i * 16;
                if (d >= s->depth) break;
                lanes value;
                stretch(&value, v, j * s->v_stride + d, s->depth - d, bf16);
                acc[i] = FUSED(same, value, acc[i]);
            }
        }
        UNROLLED for (size_t i = 0; i < 4; i++) if (d0 + i * 16 < s->depth) *(lanes *)(out + d0 + i * 16) = acc[i];
    }
}

/// Turns a row of scores into exponentials of their distance from the largest; returns their sum. Those from `limit` to
/// `end` (a multiple of 16) become zero.
TK_INLINE TARGET float exponentials(float *row, size_t limit, size_t end, float scale) {
    for (size_t j = 0; j < end; j++) row[j] = row[j] * scale;
    for (size_t j = limit; j < end; j++) row[j] = -FLT_MAX;
    lanes most = *(const lanes *)row;
    for (size_t j = 16; j < end; j += 16) most = __builtin_elementwise_max(most, *(const lanes *)(row + j));
    float largest = -FLT_MAX;
    for (int l = 0; l < 16; l++) largest = most[l] > largest ? most[l] : largest;
    for (size_t j = 0; j < end; j++) row[j] = tk_expf(row[j] - largest);
    for (size_t j = limit; j < end; j++) row[j] = 0;
    lanes sum = {0};
    for (size_t j = 0; j < end; j += 16) sum += *(const lanes *)(row + j);
    for (int half = 8; half > 0; half /= 2) {
        for (int l = 0; l < half; l++) sum[l] += sum[l + half];
    }
    return sum[0];
}

/// The same of bf16 operands: weights rounded to bf16, and the sum of what they were rounded to.
TK_INLINE TARGET float rounded_exponentials(float *row, size_t limit, size_t end, float scale) {
    const float factor = scale * LOG2E, most = largest(row, limit, factor);
    lanes sum = {0};
    for (size_t j = 0; j < end; j += 16) {
        lanes x;
        weights(&x, row + j, factor, most, j < limit ? limit - j : 0);
        const words bits = (words)x, rounded = (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000;
        sum += (lanes)rounded;
        *(lanes *)(row + j) = (lanes)rounded;
    }
    return total(&sum);
}

/// A group of queries.
TK_INLINE TARGET void attend_rows(const tk_attention *s, size_t first, size_t count, const attention_scratch *t,
                                  const void *q, const void *v, void *out, const int rows) {
    const bool bf16 = s->dtype == TK_BF16;
    for (size_t r = 0; r < (size_t)rows; r++) {
        for (size_t d = 0; d < s->depth; d++) {
            t->queries[r * s->depth + d] = r < count ? element(q, (first + r) * s->q_stride + d, bf16) : 0;
        }
    }
    const size_t seen = attention_limit(s, first + count - 1), end = (seen + 15) / 16 * 16;
    multiply_blocks(t->queries, s->depth, t->keys, s->depth, s->depth, t->scores, t->score_stride,
                    attention_staged_keys(s->keys, end, VECTORS), rows);
    float sums[ROWS];
    for (size_t r = 0; r < (size_t)rows; r++) {
        const size_t row = r < count ? first + r : first;
        float *const scores = t->scores + r * t->score_stride;
        sums[r] = bf16 ? rounded_exponentials(scores, attention_limit(s, row), end, s->scale)
                       : exponentials(scores, attention_limit(s, row), end, s->scale);
    }
    const size_t width = (s->depth + 15) / 16 * 16;
    if (s->queries == 1 && bf16) weigh(s, t->scores, v, seen, t->sums, true);
    else if (s->queries == 1) weigh(s, t->scores, v, seen, t->sums, false);
    else multiply_blocks(t->scores, t->score_stride, t->values, seen, s->keys, t->sums, width, width, rows);
    for (size_t r = 0; r < count; r++) {
        const size_t to = (first + r) * s->out_stride;
        for (size_t d = 0; d < s->depth; d++) {
            const float value = t->sums[r * width + d] / sums[r];
            if (s->out_dtype == TK_F32) ((float *)out)[to + d] = value;
            else ((uint16_t *)out)[to + d] = tk_round_bf16(value);
        }
    }
}

TARGET static void attend(const tk_attention *s, const void *q, const void *k, const void *v, void *out,
                          const attention_scratch *scratch) {
    const bool bf16 = s->dtype == TK_BF16;
    if (bf16) stage_keys(s, k, scratch->keys, true);
    else stage_keys(s, k, scratch->keys, false);
    if (s->queries > 1 && bf16) stage_values(s, v, scratch->values, true);
    else if (s->queries > 1) stage_values(s, v, scratch->values, false);
    for (size_t first = 0; first < s->queries; first += ROWS) {
        const size_t count = s->queries - first < ROWS ? s->queries - first : ROWS;
        if (count == 1) attend_rows(s, first, count, scratch, q, v, out, 1);
        else attend_rows(s, first, count, scratch, q, v, out, ROWS);
    }
}
