#include "include/elementwise.h"

#include "numeric.h"

TK_CLONES void tk_binary_row(tk_binary op, void *out, tk_dtype out_dtype, size_t out_offset, const void *a,
                             tk_dtype a_dtype, size_t a_offset, const void *b, tk_dtype b_dtype, size_t b_offset,
                             size_t b_step, size_t count) {
    float x[TK_CHUNK], y[TK_CHUNK];
    for (size_t i = 0; i < count; i += TK_CHUNK) {
        const size_t n = tk_least(TK_CHUNK, count - i);
        tk_load(x, a, a_dtype, a_offset + i, n);
        if (b_step) {
            tk_load(y, b, b_dtype, b_offset + i, n);
        } else {
            const float value = tk_read(b, b_dtype, b_offset);
            for (size_t j = 0; j < n; j++) y[j] = value;
        }
        if (op == TK_ADD)
            for (size_t j = 0; j < n; j++) x[j] = x[j] + y[j];
        else
            for (size_t j = 0; j < n; j++) x[j] = x[j] * y[j];
        tk_store(out, out_dtype, out_offset + i, x, n);
    }
}

TK_INLINE void activate(tk_activation kind, float *restrict x, size_t n) {
    switch (kind) {
    case TK_SILU:
        for (size_t j = 0; j < n; j++) x[j] = x[j] * tk_sigmoid(x[j]);
        break;
    case TK_GELU:
        for (size_t j = 0; j < n; j++) x[j] = tk_gelu(x[j]);
        break;
    case TK_GELU_TANH:
        for (size_t j = 0; j < n; j++) x[j] = tk_gelu_tanh(x[j]);
        break;
    case TK_QUICK_GELU:
        for (size_t j = 0; j < n; j++) x[j] = x[j] * tk_sigmoid(1.702f * x[j]);
        break;
    case TK_NO_ACTIVATION:
        break;
    }
}

TK_CLONES void tk_activate(tk_activation kind, void *out, tk_dtype out_dtype, const void *in, tk_dtype in_dtype,
                           size_t begin, size_t end) {
    float x[TK_CHUNK];
    for (size_t i = begin; i < end; i += TK_CHUNK) {
        const size_t n = tk_least(TK_CHUNK, end - i);
        tk_load(x, in, in_dtype, i, n);
        activate(kind, x, n);
        tk_store(out, out_dtype, i, x, n);
    }
}

TK_CLONES void tk_gated_gelu(void *out, tk_dtype out_dtype, const void *in, tk_dtype in_dtype, size_t begin, size_t end,
                             size_t count) {
    float value[TK_CHUNK], gate[TK_CHUNK];
    for (size_t r = begin; r < end; r++)
        for (size_t i = 0; i < count; i += TK_CHUNK) {
            const size_t n = tk_least(TK_CHUNK, count - i);
            tk_load(value, in, in_dtype, r * 2 * count + i, n);
            tk_load(gate, in, in_dtype, (r * 2 + 1) * count + i, n);
            for (size_t j = 0; j < n; j++) value[j] *= tk_gelu(gate[j]);
            tk_store(out, out_dtype, r * count + i, value, n);
        }
}

TK_CLONES void tk_modulate(void *out, tk_dtype out_dtype, const void *x, tk_dtype x_dtype, const void *s,
                           tk_dtype s_dtype, size_t begin, size_t end, size_t count, size_t rows_per_modulation) {
    float value[TK_CHUNK], scale[TK_CHUNK], shift[TK_CHUNK];
    for (size_t r = begin; r < end; r++) {
        const size_t row = r / rows_per_modulation;
        for (size_t i = 0; i < count; i += TK_CHUNK) {
            const size_t n = tk_least(TK_CHUNK, count - i);
            tk_load(value, x, x_dtype, r * count + i, n);
            tk_load(scale, s, s_dtype, row * 2 * count + i, n);
            tk_load(shift, s, s_dtype, (row * 2 + 1) * count + i, n);
            for (size_t j = 0; j < n; j++) value[j] = value[j] * (1.0f + scale[j]) + shift[j];
            tk_store(out, out_dtype, r * count + i, value, n);
        }
    }
}

void tk_sinusoid(void *out, tk_dtype out_dtype, const void *in, tk_dtype in_dtype, size_t count, size_t width,
                 double max_period) {
    const size_t half = width / 2;
    const float rate = (float)-log(max_period);
    for (size_t i = 0; i < half; i++) {
        // The exponent, the frequency and the angle are each rounded to f32, as everything is.
        const float exponent = rate * (float)i / (float)half;
        const float frequency = (float)exp((double)exponent);
        for (size_t r = 0; r < count; r++) {
            const float angle = tk_read(in, in_dtype, r) * frequency;
            tk_write(out, out_dtype, r * width + i, (float)cos((double)angle));
            tk_write(out, out_dtype, r * width + half + i, (float)sin((double)angle));
        }
    }
}

TK_CLONES void tk_pixels(uint8_t *out, const void *in, tk_dtype in_dtype, size_t begin, size_t end) {
    float x[TK_CHUNK];
    for (size_t i = begin; i < end; i += TK_CHUNK) {
        const size_t n = tk_least(TK_CHUNK, end - i);
        tk_load(x, in, in_dtype, i, n);
        for (size_t j = 0; j < n; j++) {
            float y = x[j] > 0.0f ? x[j] : 0.0f;
            y = (y < 1.0f ? y : 1.0f) * 255.0f;
            // Adding 1.5 * 2^23 rounds to an integer, ties to even.
            out[i + j] = (uint8_t)(int32_t)((y + 12582912.0f) - 12582912.0f);
        }
    }
}
