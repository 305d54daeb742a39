#include "include/picture.h"

#include "numeric.h"

TK_CLONES void tk_depthwise_row(void *out, tk_dtype out_dtype, const void *x, tk_dtype x_dtype, size_t lower,
                                size_t height, size_t width, size_t channels, size_t y, const float *w) {
    float sum[TK_CHUNK], v[TK_CHUNK];
    for (size_t px = 0; px < width; px++)
        for (size_t c = 0; c < channels; c += TK_CHUNK) {
            const size_t n = tk_least(TK_CHUNK, channels - c);
            memset(sum, 0, n * sizeof(float));
            for (size_t ky = 0; ky < 3; ky++) {
                if (y + ky < 1 || y + ky > height) continue;
                const size_t row = y + ky - 1 - lower;
                for (size_t kx = 0; kx < 3; kx++) {
                    if (px + kx < 1 || px + kx > width) continue;
                    const float *restrict weight = w + (ky * 3 + kx) * channels + c;
                    tk_load(v, x, x_dtype, (row * width + px + kx - 1) * channels + c, n);
                    for (size_t j = 0; j < n; j++) sum[j] += v[j] * weight[j];
                }
            }
            tk_store(out, out_dtype, px * channels + c, sum, n);
        }
}

void tk_depthwise_weights(float *out, const void *w, tk_dtype dtype, size_t channels) {
    for (size_t c = 0; c < channels; c++)
        for (size_t k = 0; k < 9; k++) out[k * channels + c] = tk_read(w, dtype, c * 9 + k);
}

void tk_space_to_depth_row(void *out, tk_dtype out_dtype, const void *x, tk_dtype x_dtype, size_t width,
                           size_t channels) {
    for (size_t px = 0; px < width / 2; px++)
        for (size_t c = 0; c < channels; c++)
            for (size_t d = 0; d < 4; d++)
                tk_write(out, out_dtype, (px * channels + c) * 4 + d,
                         tk_read(x, x_dtype, ((d / 2) * width + px * 2 + d % 2) * channels + c));
}

void tk_depth_to_space_row(void *out, tk_dtype out_dtype, const void *x, tk_dtype x_dtype, size_t width,
                           size_t channels) {
    for (size_t px = 0; px < width; px++)
        for (size_t d = 0; d < 4; d++)
            for (size_t c = 0; c < channels; c++)
                tk_write(out, out_dtype, ((d / 2) * width * 2 + px * 2 + d % 2) * channels + c,
                         tk_read(x, x_dtype, (px * 4 + d) * channels + c));
}

TK_CLONES void tk_add_bias(void *out, tk_dtype out_dtype, size_t out_offset, const float *in, const void *bias,
                           tk_dtype bias_dtype, size_t rows, size_t count) {
    float v[TK_CHUNK], b[TK_CHUNK];
    for (size_t i = 0; i < count; i += TK_CHUNK) {
        const size_t n = tk_least(TK_CHUNK, count - i);
        tk_load(b, bias, bias_dtype, i, n);
        for (size_t r = 0; r < rows; r++) {
            const float *restrict row = in + r * count + i;
            for (size_t j = 0; j < n; j++) v[j] = row[j] + b[j];
            tk_store(out, out_dtype, out_offset + r * count + i, v, n);
        }
    }
}
