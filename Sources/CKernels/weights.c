#include "include/weights.h"

#include "numeric.h"

/// IEEE half to single precision, exactly, by integer arithmetic that vectorises.
TK_INLINE float from_f16(uint16_t h) {
    const uint32_t sign = (uint32_t)(h & 0x8000u) << 16;
    const uint32_t magnitude = h & 0x7FFFu;
    const float subnormal = (float)(int32_t)magnitude * 5.9604644775390625e-8f; // 2^-24
    const uint32_t normal = (magnitude << 13) + (magnitude >= 0x7C00u ? 0x70000000u : 0x38000000u);
    const uint32_t bits = (magnitude < 0x0400u ? (uint32_t)tk_float_bits(subnormal) : normal) | sign;
    return tk_bits_float((int32_t)bits);
}

/// out[i * step] = values[i], converted.
TK_INLINE void place(void *out, tk_dtype out_dtype, size_t step, const float *values, size_t count) {
    if (step == 1) {
        tk_store(out, out_dtype, 0, values, count);
    } else {
        for (size_t i = 0; i < count; i++) tk_write(out, out_dtype, i * step, values[i]);
    }
}

TK_CLONES void tk_read_weights(void *out, tk_dtype out_dtype, size_t step, const void *in, tk_file_dtype in_dtype,
                               size_t count) {
    float v[TK_CHUNK];
    uint16_t h[TK_CHUNK];
    const size_t size = out_dtype == TK_F32 ? 4 : 2;
    for (size_t i = 0; i < count; i += TK_CHUNK) {
        const size_t n = tk_least(TK_CHUNK, count - i);
        if (in_dtype == TK_FILE_F32) {
            memcpy(v, (const char *)in + i * 4, n * 4);
        } else {
            memcpy(h, (const char *)in + i * 2, n * 2);
            if (in_dtype == TK_FILE_BF16)
                for (size_t j = 0; j < n; j++) v[j] = tk_from_bf16(h[j]);
            else
                for (size_t j = 0; j < n; j++) v[j] = from_f16(h[j]);
        }
        place((char *)out + i * step * size, out_dtype, step, v, n);
    }
}
