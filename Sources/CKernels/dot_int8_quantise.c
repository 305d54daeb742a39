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

typedef int32_t integers __attribute__((vector_size(64)));

/// Sixteen values as q: rounded to nearest even, |x * inverse| at most 127 but for a rounding.
TK_INLINE void nearest(const uint16_t *values, float inverse, integers *q) {
    typedef uint16_t halves __attribute__((vector_size(32), aligned(2)));
    typedef uint32_t words __attribute__((vector_size(64)));
    typedef float numbers __attribute__((vector_size(64)));
    const numbers value = (numbers)(__builtin_convertvector(*(const halves *)values, words) << 16);
    // Adding 1.5 * 2^23 leaves the integer in the low bits.
    const numbers shifted = value * inverse + 12582912.0f;
    *q = (integers)shifted - 0x4B400000;
}

// Sums run in sixteen lanes: one sum would wait for itself at every step.
#define TK_QUANTISE(name, type, STEP)                                                                            \
    TK_CLONES int32_t name(const uint16_t *restrict values, size_t count, float inverse, type *restrict out,     \
                           size_t stride) {                                                                      \
        typedef type narrow __attribute__((vector_size(16 * sizeof(type)), aligned(sizeof(type))));              \
        integers sums = {0};                                                                                     \
        for (char *to = (char *)out; count; values += STEP, to += stride) {                                      \
            uint16_t tail[STEP];                                                                                 \
            const uint16_t *from = values;                                                                       \
            if (count < STEP) {                                                                                  \
                memset(tail, 0, sizeof tail);                                                                    \
                from = memcpy(tail, values, count * 2);                                                          \
            }                                                                                                    \
            for (size_t i = 0; i < STEP; i += 16) {                                                              \
                integers q;                                                                                      \
                nearest(from + i, inverse, &q);                                                                  \
                sums += q;                                                                                       \
                *(narrow *)((type *)to + i) = __builtin_convertvector(q, narrow);                                \
            }                                                                                                    \
            count -= count < STEP ? count : STEP;                                                                \
        }                                                                                                        \
        int32_t sum = 0;                                                                                         \
        for (int i = 0; i < 16; i++) sum += sums[i];                                                             \
        return sum;                                                                                              \
    }

TK_QUANTISE(tk_quantise_s8, int8_t, 64)
TK_QUANTISE(tk_quantise_s16, int16_t, 32)
