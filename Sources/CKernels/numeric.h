#pragma once
#include <math.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "include/dot.h"
#include "include/vexp.h"

// Helpers of kernels that read f32 or bf16, compute in f32 and round once. They work on stretches of TK_CHUNK values on
// the stack, so that every loop is over plain floats and vectorises. Compiled for several levels of instructions;
// nothing is fused and every sum has one order, so all levels give the same bits.

#define TK_CHUNK 512
#define TK_INLINE static inline __attribute__((always_inline))

#if defined(__x86_64__) && defined(__linux__)
#define TK_CLONES __attribute__((target_clones("default", "arch=x86-64-v3", "arch=x86-64-v4")))
#else
#define TK_CLONES
#endif

TK_INLINE size_t tk_least(size_t a, size_t b) { return a < b ? a : b; }

TK_INLINE float tk_from_bf16(uint16_t x) {
    uint32_t bits = (uint32_t)x << 16;
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

TK_INLINE uint16_t tk_to_bf16(float x) {
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    const uint32_t rounded = (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
    const uint32_t quiet = (bits >> 16) | 0x40u;
    return (uint16_t)((bits & 0x7FFFFFFFu) > 0x7F800000u ? quiet : rounded);
}

/// values[0..<count] from elements offset... of a buffer.
TK_INLINE void tk_load(float *restrict values, const void *in, tk_dtype dtype, size_t offset, size_t count) {
    if (dtype == TK_F32) {
        memcpy(values, (const float *)in + offset, count * sizeof(float));
    } else {
        const uint16_t *restrict halves = (const uint16_t *)in + offset;
        for (size_t i = 0; i < count; i++) values[i] = tk_from_bf16(halves[i]);
    }
}

/// Elements offset... of a buffer from values, rounded to nearest even.
TK_INLINE void tk_store(void *out, tk_dtype dtype, size_t offset, const float *restrict values, size_t count) {
    if (dtype == TK_F32) {
        memcpy((float *)out + offset, values, count * sizeof(float));
    } else {
        uint16_t *restrict halves = (uint16_t *)out + offset;
        for (size_t i = 0; i < count; i++) halves[i] = tk_to_bf16(values[i]);
    }
}

TK_INLINE float tk_read(const void *in, tk_dtype dtype, size_t index) {
    return dtype == TK_F32 ? ((const float *)in)[index] : tk_from_bf16(((const uint16_t *)in)[index]);
}

TK_INLINE void tk_write(void *out, tk_dtype dtype, size_t index, float value) {
    if (dtype == TK_F32) ((float *)out)[index] = value;
    else ((uint16_t *)out)[index] = tk_to_bf16(value);
}

/// Sixteen running sums; element i of a row goes to lane i % 16.
typedef struct { float lane[16]; } tk_lanes;

/// The lanes' total, in a fixed tree.
TK_INLINE float tk_lanes_total(const tk_lanes *sums) {
    float part[8];
    for (int i = 0; i < 8; i++) part[i] = sums->lane[i] + sums->lane[i + 8];
    for (int i = 0; i < 4; i++) part[i] += part[i + 4];
    return (part[0] + part[2]) + (part[1] + part[3]);
}

/// Adds values to lanes; every stretch but the last has a multiple of 16 values.
TK_INLINE void tk_lanes_add(tk_lanes *sums, const float *restrict values, size_t count) {
    size_t i = 0;
    for (; i + 16 <= count; i += 16)
        for (size_t l = 0; l < 16; l++) sums->lane[l] += values[i + l];
    for (size_t l = 0; i < count; i++, l++) sums->lane[l] += values[i];
}

/// erf by Abramowitz and Stegun, Handbook of Mathematical Functions, 7.1.26; absolute error at most 2e-7.
TK_INLINE float tk_erf(float x) {
    const float magnitude = fabsf(x);
    const float t = 1.0f / (1.0f + 0.3275911f * magnitude);
    float p = 1.061405429f;
    p = p * t - 1.453152027f;
    p = p * t + 1.421413741f;
    p = p * t - 0.284496736f;
    p = p * t + 0.254829592f;
    const float y = 1.0f - p * t * tk_expf(-(magnitude * magnitude));
    return x < 0.0f ? -y : y;
}

TK_INLINE float tk_sigmoid(float x) { return 1.0f / (1.0f + tk_expf(-x)); }

TK_INLINE float tk_gelu(float x) { return 0.5f * x * (1.0f + tk_erf(x * 0.70710678118654752f)); }

/// gelu by tanh; 0.5 (1 + tanh u) = sigmoid(2u).
TK_INLINE float tk_gelu_tanh(float x) {
    return x * tk_sigmoid(1.5957691216057308f * (x + 0.044715f * x * x * x));
}
