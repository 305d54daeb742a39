// What attention on bf16 operands shares on all levels: vectors of 16 floats, their transposition, and the softmax's
// weights. The including file defines TARGET (function attribute).
//
// A weight is rounded to bf16, so its exponential needs no more than ten bits: a polynomial of degree 4, once with
// nothing around it but the distance from the largest score. In instructions a vector: 2 for the largest, 16 for the
// exponential, 2 (AVX512_BF16) or 7 to round, add up and store; nothing is fused.
#pragma once
#include <float.h>

#include "attention_shape.h"
#include "dot_kernel.h"

typedef float lanes __attribute__((vector_size(64), aligned(4)));
typedef int32_t indices __attribute__((vector_size(64)));
typedef uint32_t words __attribute__((vector_size(64)));

/// One step of a transposition: exchanges blocks of `s` x `s` of each pair of rows that are s apart.
#define EXCHANGE(s)                                                                                                  \
    UNROLLED for (int i = 0; i < 16; i++) if (!(i & s)) {                                                            \
        const lanes a = row[i], b = row[i + s];                                                                      \
        row[i] = __builtin_shufflevector(a, b, FIRST(s, 0), FIRST(s, 1), FIRST(s, 2), FIRST(s, 3), FIRST(s, 4),      \
                                         FIRST(s, 5), FIRST(s, 6), FIRST(s, 7), FIRST(s, 8), FIRST(s, 9),            \
                                         FIRST(s, 10), FIRST(s, 11), FIRST(s, 12), FIRST(s, 13), FIRST(s, 14),       \
                                         FIRST(s, 15));                                                              \
        row[i + s] = __builtin_shufflevector(a, b, SECOND(s, 0), SECOND(s, 1), SECOND(s, 2), SECOND(s, 3),           \
                                             SECOND(s, 4), SECOND(s, 5), SECOND(s, 6), SECOND(s, 7), SECOND(s, 8),   \
                                             SECOND(s, 9), SECOND(s, 10), SECOND(s, 11), SECOND(s, 12),              \
                                             SECOND(s, 13), SECOND(s, 14), SECOND(s, 15));                           \
    }
#define FIRST(s, l) ((l) & (s) ? 16 + (l) - (s) : (l))
#define SECOND(s, l) ((l) & (s) ? 16 + (l) : (l) + (s))

/// Lane l of the result is lane l + s of v.
#define ROTATED(v, s)                                                                                                \
    __builtin_shufflevector(v, v, (s), 1 + (s), 2 + (s), 3 + (s), 4 + (s), 5 + (s), 6 + (s), 7 + (s), (8 + (s)) % 16, \
                            (9 + (s)) % 16, (10 + (s)) % 16, (11 + (s)) % 16, (12 + (s)) % 16, (13 + (s)) % 16,      \
                            (14 + (s)) % 16, (15 + (s)) % 16)

#define LOG2E 1.44269504f

/// The lanes' total, in a fixed tree.
TK_INLINE TARGET float total(const lanes *v) {
    lanes sum = *v;
    sum += ROTATED(sum, 8);
    sum += ROTATED(sum, 4);
    sum += ROTATED(sum, 2);
    sum += ROTATED(sum, 1);
    return sum[0];
}

/// The greater of a and b, b where there is none.
TK_INLINE TARGET void greater(lanes *out, const lanes *a, const lanes *b) {
    const indices first = (indices)(*a > *b);
    *out = (lanes)((first & (indices)*a) | (~first & (indices)*b));
}

/// Keeps `live` lanes, the others become the least number.
TK_INLINE TARGET void keep(lanes *v, size_t live) {
    const indices index = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    const indices kept = (indices)(index < (int32_t)live);
    const lanes least = (lanes){0} - FLT_MAX;
    *v = (lanes)((kept & (indices)*v) | (~kept & (indices)least));
}

/// The largest of row[0 ..< limit] * factor. The row can be read to a multiple of 16.
TK_INLINE TARGET float largest(const float *row, size_t limit, float factor) {
    lanes most = (lanes){0} - FLT_MAX;
    size_t j = 0;
    for (; j + 16 <= limit; j += 16) {
        const lanes value = *(const lanes *)(row + j) * factor;
        greater(&most, &value, &most);
    }
    if (j < limit) {
        lanes value = *(const lanes *)(row + j) * factor;
        keep(&value, limit - j);
        greater(&most, &value, &most);
    }
    lanes other = ROTATED(most, 8);
    greater(&most, &other, &most);
    other = ROTATED(most, 4);
    greater(&most, &other, &most);
    other = ROTATED(most, 2);
    greater(&most, &other, &most);
    other = ROTATED(most, 1);
    greater(&most, &other, &most);
    return most[0];
}

/// 2^x for x <= 0, within 3e-6 of itself; 0 below -126.5, NaN for NaN.
///
/// x = n + r with |r| <= 1/2. The magic number rounds to an integer, and leaves n + 127, the exponent of 2^n, in the
/// lowest bits. The polynomial is the minimax one for the relative error (Remez).
TK_INLINE TARGET void power(lanes *value) {
    const lanes least = (lanes){0} - 127.0f, magic = (lanes){0} + 12583039.0f; // 1.5 * 2^23 + 127
    lanes x = *value;
    greater(&x, &least, &x);
    const lanes shifted = x + magic;
    const lanes r = x - (shifted - magic);
    lanes p = r * 0.00957010221f + 0.0559178591f;
    p = p * r + 0.240247443f;
    p = p * r + 0.693121791f;
    p = p * r + 0.999999285f;
    *value = p * (lanes)((words)shifted << 23);
}

/// x = 2^(scores * factor - largest) for 16 keys of which `live` count, the others 0.
TK_INLINE TARGET void weights(lanes *x, const float *scores, float factor, float most, size_t live) {
    *x = *(const lanes *)scores * factor - most;
    if (live < 16) keep(x, live);
    power(x);
}
