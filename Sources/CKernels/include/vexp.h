#pragma once
#include <math.h>
#include <stdint.h>
#include <string.h>

// Exponential and logarithm without calls and branches, so that loops over them vectorise at any instruction-set level.
// They use no fused operations and give the same bits at every level (compile with -ffp-contract=off).

/// The bits of a float.
static inline __attribute__((always_inline)) int32_t tk_float_bits(float x) {
    int32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}

/// The float with these bits.
static inline __attribute__((always_inline)) float tk_bits_float(int32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/// e^x within 2 units in the last place; 0 below -104, infinity above 88.73, NaN for NaN.
///
/// x = n ln 2 + r with |r| <= ln 2 / 2, e^r by the Cephes polynomial of degree 7, scaled by 2^n in two steps.
static inline __attribute__((always_inline)) float tk_expf(float x) {
    float clamped = x < -104.0f ? -104.0f : x;
    clamped = clamped > 89.0f ? 89.0f : clamped;
    const float magic = 12582912.0f; // 1.5 * 2^23: adding it rounds to an integer
    const float shifted = clamped * 1.44269504088896341f + magic;
    const float n = shifted - magic;
    float r = clamped - n * 0.693359375f;
    r = r - n * -2.12194440e-4f;
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * (r * r) + r + 1.0f;
    const int32_t whole = tk_float_bits(shifted) - tk_float_bits(magic);
    const int32_t half = whole >> 1;
    return p * tk_bits_float((int32_t)((uint32_t)(half + 127) << 23)) *
           tk_bits_float((int32_t)((uint32_t)(whole - half + 127) << 23));
}

/// ln x within 2 units in the last place; -infinity for 0, NaN below, infinity for infinity.
///
/// x = 2^e (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)), ln(1 + f) by the Cephes polynomial.
static inline __attribute__((always_inline)) float tk_logf(float x) {
    const int tiny = x < 1.17549435e-38f;
    const int32_t bits = tk_float_bits(tiny ? x * 8388608.0f : x);
    // Moves the cut between binades from 1 to sqrt(1/2).
    const int32_t moved = bits - 0x3F3504F3;
    const float e = (float)((moved >> 23) - (tiny ? 23 : 0));
    const float f = tk_bits_float((moved & 0x007FFFFF) + 0x3F3504F3) - 1.0f;
    const float square = f * f;
    float p = 7.0376836292e-2f;
    p = p * f - 1.1514610310e-1f;
    p = p * f + 1.1676998740e-1f;
    p = p * f - 1.2420140846e-1f;
    p = p * f + 1.4249322787e-1f;
    p = p * f - 1.6668057665e-1f;
    p = p * f + 2.0000714765e-1f;
    p = p * f - 2.4999993993e-1f;
    p = p * f + 3.3333331174e-1f;
    float y = f * square * p;
    y = y + e * -2.12194440e-4f;
    y = y - 0.5f * square;
    float result = (f + y) + e * 0.693359375f;
    result = x == INFINITY ? INFINITY : result;
    result = x == 0.0f ? -INFINITY : result;
    return x < 0.0f || x != x ? NAN : result;
}
