// Values as int8 on the wire. Limit: the first-level cache and memory. Encoding n values of b bytes reads bn bytes twice (the
// second time from the first-level cache) and writes n; decoding reads n and writes bn. A block of 128 values takes a
// maximum, then a multiplication, an addition and a truncation for 16 values at a time with AVX-512: four cycles for 16
// values at best, 15 G values a second on a core, against the 0.1 to 1 G values a second of the links that it is for.
#include "include/wire.h"

#include "numeric.h"

/// Below 2^-100 values count as zero, so that no inverse overflows.
static const float LEAST = 0x1p-100f;

/// Adding it rounds to the nearest even integer and leaves that in the low bits: 1.5 * 2^23.
static const float ROUNDING = 12582912.0f;

TK_INLINE float scale_of(const float *restrict values, size_t count) {
    // Magnitudes of floats are ordered as their bits.
    uint32_t most = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, values + i, sizeof bits);
        bits &= 0x7FFFFFFFu;
        most = bits > most ? bits : most;
    }
    float magnitude;
    memcpy(&magnitude, &most, sizeof magnitude);
    if (most >= 0x7F800000u) return NAN;
    return magnitude < LEAST ? 0 : magnitude / 127;
}

TK_INLINE void to_bytes(uint8_t *restrict bytes, const float *restrict values, float scale, size_t count) {
    if (!(scale > 0)) {
        memset(bytes, 0, count);
        return;
    }
    const float inverse = 1 / scale;
    for (size_t i = 0; i < count; i++) {
        // At most 127 after rounding: scale and its inverse are off by half of their last bit each.
        const float shifted = values[i] * inverse + ROUNDING;
        uint32_t bits;
        memcpy(&bits, &shifted, sizeof bits);
        bytes[i] = (uint8_t)bits;
    }
}

TK_INLINE void from_bytes(float *restrict values, const uint8_t *restrict bytes, float scale, size_t count) {
    for (size_t i = 0; i < count; i++) values[i] = (float)(int8_t)bytes[i] * scale;
}

TK_INLINE void round_values(float *restrict values, float scale, size_t count) {
    const float inverse = scale > 0 ? 1 / scale : 0;
    if (!(scale > 0)) memset(values, 0, count * sizeof *values);
    for (size_t i = 0; i < count; i++) values[i] = (values[i] * inverse + ROUNDING - ROUNDING) * scale;
}

static size_t blocks(size_t columns) { return (columns + TK_WIRE_BLOCK - 1) / TK_WIRE_BLOCK; }

size_t tk_wire_row_bytes(size_t columns) { return blocks(columns) * sizeof(float) + columns; }

TK_CLONES void tk_wire_encode(void *out, const void *in, tk_dtype dtype, size_t columns, size_t begin, size_t end) {
    float values[TK_WIRE_BLOCK];
    for (size_t row = begin; row < end; row++) {
        uint8_t *scales = (uint8_t *)out + row * (blocks(columns) * sizeof(float) + columns);
        uint8_t *bytes = scales + blocks(columns) * sizeof(float);
        for (size_t i = 0; i < columns; i += TK_WIRE_BLOCK, scales += sizeof(float)) {
            const size_t n = tk_least(TK_WIRE_BLOCK, columns - i);
            tk_load(values, in, dtype, row * columns + i, n);
            const float scale = scale_of(values, n);
            memcpy(scales, &scale, sizeof scale);
            to_bytes(bytes + i, values, scale, n);
        }
    }
}

TK_CLONES void tk_wire_decode(void *out, tk_dtype dtype, const void *in, size_t columns, size_t begin, size_t end) {
    float values[TK_WIRE_BLOCK];
    for (size_t row = begin; row < end; row++) {
        const uint8_t *scales = (const uint8_t *)in + row * (blocks(columns) * sizeof(float) + columns);
        const uint8_t *bytes = scales + blocks(columns) * sizeof(float);
        for (size_t i = 0; i < columns; i += TK_WIRE_BLOCK, scales += sizeof(float)) {
            const size_t n = tk_least(TK_WIRE_BLOCK, columns - i);
            float scale;
            memcpy(&scale, scales, sizeof scale);
            from_bytes(values, bytes + i, scale, n);
            tk_store(out, dtype, row * columns + i, values, n);
        }
    }
}

TK_CLONES void tk_wire_round(void *values, tk_dtype dtype, size_t columns, size_t begin, size_t end) {
    float block[TK_WIRE_BLOCK];
    for (size_t row = begin; row < end; row++)
        for (size_t i = 0; i < columns; i += TK_WIRE_BLOCK) {
            const size_t n = tk_least(TK_WIRE_BLOCK, columns - i), offset = row * columns + i;
            tk_load(block, values, dtype, offset, n);
            round_values(block, scale_of(block, n), n);
            tk_store(values, dtype, offset, block, n);
        }
}
