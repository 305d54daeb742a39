#include "include/window.h"

#include "numeric.h"

/// Row or column of the part that a tap sees, or -1.
TK_INLINE ptrdiff_t seen(const tk_sliding *w, int axis, ptrdiff_t position, ptrdiff_t tap) {
    const ptrdiff_t spread = position * w->strides[axis] - w->pad_low[axis] + tap;
    if (spread < 0 || spread % w->dilation[axis] != 0) return -1;
    const ptrdiff_t index = spread / w->dilation[axis] - w->first[axis];
    return index >= 0 && index < w->held[axis] ? index : -1;
}

/// Element offset of the pixel that a tap sees, or -1.
TK_INLINE ptrdiff_t pixel(const tk_sliding *w, ptrdiff_t row, ptrdiff_t column, ptrdiff_t ky, ptrdiff_t kx) {
    const ptrdiff_t y = seen(w, 0, row, ky), x = seen(w, 1, column, kx);
    return y < 0 || x < 0 ? -1 : (y * w->held[1] + x) * (ptrdiff_t)w->channels;
}

void tk_patches(const tk_sliding *w, float *out, const void *x, tk_dtype dtype, ptrdiff_t row, ptrdiff_t column,
                size_t count, size_t channel, size_t channels, size_t granule) {
    const size_t taps = (size_t)(w->kernel[0] * w->kernel[1]);
    for (size_t i = 0; i < count; i++, out += taps * channels)
        for (ptrdiff_t ky = 0; ky < w->kernel[0]; ky++)
            for (ptrdiff_t kx = 0; kx < w->kernel[1]; kx++) {
                const ptrdiff_t from = pixel(w, row, column + (ptrdiff_t)i, ky, kx);
                const size_t tap = (size_t)(ky * w->kernel[1] + kx);
                for (size_t c = 0; c < channels; c += granule) {
                    const size_t n = tk_least(granule, channels - c);
                    float *to = out + c * taps + tap * n;
                    if (from < 0) memset(to, 0, n * sizeof(float));
                    else tk_load(to, x, dtype, (size_t)from + channel + c, n);
                }
            }
}

void tk_patch_weights(float *out, const void *w, tk_dtype dtype, size_t taps, size_t channels, size_t columns,
                      size_t granule, size_t begin, size_t end) {
    const size_t depth = taps * channels;
    for (size_t tap = 0; tap < taps; tap++)
        for (size_t c = 0; c < channels; c++) {
            const size_t leaf = c / granule * granule;
            const size_t place = leaf * taps + tap * tk_least(granule, channels - leaf) + (c - leaf);
            for (size_t n = begin; n < end; n++)
                out[(n - begin) * depth + place] = tk_read(w, dtype, (tap * channels + c) * columns + n);
        }
}

TK_CLONES void tk_depthwise(const tk_sliding *window, void *out, tk_dtype out_dtype, size_t out_offset, const void *x,
                            tk_dtype dtype, const float *weights, ptrdiff_t row, ptrdiff_t column, size_t count) {
    const size_t channels = window->channels;
    float sum[TK_CHUNK], v[TK_CHUNK];
    for (size_t i = 0; i < count; i++)
        for (size_t c = 0; c < channels; c += TK_CHUNK) {
            const size_t n = tk_least(TK_CHUNK, channels - c);
            for (size_t j = 0; j < n; j++) sum[j] = 0.0f;
            for (ptrdiff_t ky = 0; ky < window->kernel[0]; ky++)
                for (ptrdiff_t kx = 0; kx < window->kernel[1]; kx++) {
                    const ptrdiff_t from = pixel(window, row, column + (ptrdiff_t)i, ky, kx);
                    if (from < 0) continue;
                    const float *restrict w = weights + (size_t)(ky * window->kernel[1] + kx) * channels + c;
                    tk_load(v, x, dtype, (size_t)from + c, n);
                    for (size_t j = 0; j < n; j++) sum[j] += v[j] * w[j];
                }
            tk_store(out, out_dtype, out_offset + i * channels + c, sum, n);
        }
}

TK_CLONES void tk_max_pool(const tk_sliding *window, void *out, tk_dtype out_dtype, size_t out_offset, const void *x,
                           tk_dtype dtype, ptrdiff_t row, ptrdiff_t column, size_t count) {
    const size_t channels = window->channels;
    float greatest[TK_CHUNK], v[TK_CHUNK];
    for (size_t i = 0; i < count; i++)
        for (size_t c = 0; c < channels; c += TK_CHUNK) {
            const size_t n = tk_least(TK_CHUNK, channels - c);
            for (size_t j = 0; j < n; j++) greatest[j] = -INFINITY;
            for (ptrdiff_t ky = 0; ky < window->kernel[0]; ky++)
                for (ptrdiff_t kx = 0; kx < window->kernel[1]; kx++) {
                    const ptrdiff_t from = pixel(window, row, column + (ptrdiff_t)i, ky, kx);
                    if (from < 0) continue;
                    tk_load(v, x, dtype, (size_t)from + c, n);
                    for (size_t j = 0; j < n; j++) greatest[j] = v[j] > greatest[j] ? v[j] : greatest[j];
                }
            tk_store(out, out_dtype, out_offset + i * channels + c, greatest, n);
        }
}
