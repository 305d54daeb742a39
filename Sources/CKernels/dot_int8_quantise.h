#pragma once
#include <stddef.h>
#include <stdint.h>

// Symmetric int8 quantisation of bf16 values.

/// How a stretch of values is quantised: q = round(value * inverse), value = about q * scale.
typedef struct {
    float scale, inverse;
} tk_quantum;

/// The quantum of some values: their greatest magnitude becomes 127. Both are 0 where all count as zero; the scale is
/// NaN and the inverse 0 where one is not finite.
tk_quantum tk_quantum_of(const uint16_t *values, size_t count);

/// q of some finite values, in whole steps of 64 bytes, `stride` bytes apart, the last filled with zeros. Returns their
/// sum.
int32_t tk_quantise_s8(const uint16_t *values, size_t count, float inverse, int8_t *out, size_t stride);

/// As `tk_quantise_s8`, into int16.
int32_t tk_quantise_s16(const uint16_t *values, size_t count, float inverse, int16_t *out, size_t stride);
