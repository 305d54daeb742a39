// Quantisation to int8. A row is read twice, the second time from the first-level cache; about 1.5 cycles for 16
// values, against 16 * n / 128 cycles that the product of n columns spends on them.
#include "dot_int8_quantise.h"

#include "numeric.h"

// Below: 2^-100, so that no inverse overflows.
enum { LEAST_BITS = 27 << 7, INFINITY_BITS = 0x7F80 };

TK_CLONES static uint16_t greatest(const uint16_t *values, size_t count) {
    // Magnitudes of bf16 are ordered as their bits.
    uint16_t most = 0;
    for (size_t i = 0; i < count; i++) {
        const uint16_t bits = values[i] & 0x7FFF;
        most = bits > most ? bits : most;
    }
    return most;
}

tk_quantum tk_quantum_of(const uint16_t *values, size_t count) {
    const uint16_t most = greatest(values, count);
    if (most < LEAST_BITS) return (tk_quantum){0, 0};
    if (most >= INFINITY_BITS) return (tk_quantum){NAN, 0};
    const float magnitude = tk_from_bf16(most);
    return (tk_quantum){magnitude / 127, 127 / magnitude};
}

/// Rounds to nearest even; |x| is at most 127 but for a rounding.
TK_INLINE int32_t nearest(float x) {
    // Adding 1.5 * 2^23 leaves the integer in the low bits.
    const float shifted = x + 12582912.0f;
    int32_t bits;
    memcpy(&bits, &shifted, sizeof bits);
    return bits - 0x4B400000;
}

#define TK_QUANTISE(name, type, STEP)                                                                            \
    TK_CLONES int32_t name(const uint16_t *restrict values, size_t count, float inverse, type *restrict out,     \
                           size_t stride) {                                                                      \
        int32_t sum = 0;                                                                                         \
        char *to = (char *)out;                                                                                  \
        for (; count >= STEP; count -= STEP, values += STEP, to += stride) {                                     \
            type q[STEP];                                                                                        \
            for (size_t i = 0; i < STEP; i++) {                                                                  \
                const int32_t value = nearest(tk_from_bf16(values[i]) * inverse);                                \
                q[i] = (type)value;                                                                              \
                sum += value;                                                                                    \
            }                                                                                                    \
            memcpy(to, q, sizeof q);                                                                             \
        }                                                                                                        \
        if (count) {                                                                                             \
            type q[STEP] = {0};                                                                                  \
            for (size_t i = 0; i < count; i++) {                                                                 \
                const int32_t value = nearest(tk_from_bf16(values[i]) * inverse);                                \
                q[i] = (type)value;                                                                              \
                sum += value;                                                                                    \
            }                                                                                                    \
            memcpy(to, q, sizeof q);                                                                             \
        }                                                                                                        \
        return sum;                                                                                              \
    }

TK_QUANTISE(tk_quantise_s8, int8_t, 64)
TK_QUANTISE(tk_quantise_s16, int16_t, 32)
