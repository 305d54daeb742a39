#include "include/normalize.h"

#include "numeric.h"

TK_CLONES void tk_rms_norm(void *out, tk_dtype out_dtype, const void *x, tk_dtype x_dtype, const void *w,
                           tk_dtype w_dtype, size_t begin, size_t end, size_t count, float eps) {
    float v[TK_CHUNK], u[TK_CHUNK];
    for (size_t r = begin; r < end; r++) {
        tk_lanes sums = {{0}};
        for (size_t i = 0; i < count; i += TK_CHUNK) {
            const size_t n = tk_least(TK_CHUNK, count - i);
            tk_load(v, x, x_dtype, r * count + i, n);
            for (size_t j = 0; j < n; j++) v[j] *= v[j];
            tk_lanes_add(&sums, v, n);
        }
        const float scale = 1.0f / sqrtf(tk_lanes_total(&sums) / (float)count + eps);
        for (size_t i = 0; i < count; i += TK_CHUNK) {
            const size_t n = tk_least(TK_CHUNK, count - i);
            tk_load(v, x, x_dtype, r * count + i, n);
            tk_load(u, w, w_dtype, i, n);
            for (size_t j = 0; j < n; j++) v[j] = v[j] * scale * u[j];
            tk_store(out, out_dtype, r * count + i, v, n);
        }
    }
}

TK_CLONES void tk_layer_norm(void *out, tk_dtype out_dtype, const void *x, tk_dtype x_dtype, const void *w,
                             tk_dtype w_dtype, const void *b, tk_dtype b_dtype, size_t begin, size_t end, size_t count,
                             float eps) {
    float v[TK_CHUNK], u[TK_CHUNK];
    for (size_t r = begin; r < end; r++) {
        tk_lanes sums = {{0}};
        for (size_t i = 0; i < count; i += TK_CHUNK) {
            const size_t n = tk_least(TK_CHUNK, count - i);
            tk_load(v, x, x_dtype, r * count + i, n);
            tk_lanes_add(&sums, v, n);
        }
        const float mean = tk_lanes_total(&sums) / (float)count;
        tk_lanes squares = {{0}};
        for (size_t i = 0; i < count; i += TK_CHUNK) {
            const size_t n = tk_least(TK_CHUNK, count - i);
            tk_load(v, x, x_dtype, r * count + i, n);
            for (size_t j = 0; j < n; j++) v[j] = (v[j] - mean) * (v[j] - mean);
            tk_lanes_add(&squares, v, n);
        }
        const float scale = 1.0f / sqrtf(tk_lanes_total(&squares) / (float)count + eps);
        for (size_t i = 0; i < count; i += TK_CHUNK) {
            const size_t n = tk_least(TK_CHUNK, count - i);
            tk_load(v, x, x_dtype, r * count + i, n);
            tk_load(u, w, w_dtype, i, n);
            for (size_t j = 0; j < n; j++) v[j] = (v[j] - mean) * scale * u[j];
            if (b) {
                tk_load(u, b, b_dtype, i, n);
                for (size_t j = 0; j < n; j++) v[j] += u[j];
            }
            tk_store(out, out_dtype, r * count + i, v, n);
        }
    }
}

TK_CLONES void tk_group_leaf(float *out, const void *x, tk_dtype dtype, size_t offset, size_t pixels, size_t row_pixels,
                             size_t channels, size_t groups, const float *means, float *scratch) {
    float *restrict leaf = scratch, *restrict row = scratch + channels, *restrict mean = scratch + 2 * channels;
    const size_t width = channels / groups;
    float v[TK_CHUNK];
    if (means)
        for (size_t c = 0; c < channels; c++) mean[c] = means[c / width];
    memset(leaf, 0, channels * sizeof(float));
    for (size_t p = 0; p < pixels; p += row_pixels) {
        memset(row, 0, channels * sizeof(float));
        const size_t last = tk_least(pixels, p + row_pixels);
        for (size_t q = p; q < last; q++)
            for (size_t c = 0; c < channels; c += TK_CHUNK) {
                const size_t n = tk_least(TK_CHUNK, channels - c);
                tk_load(v, x, dtype, offset + q * channels + c, n);
                if (means) {
                    for (size_t j = 0; j < n; j++) {
                        const float d = v[j] - mean[c + j];
                        v[j] = d * d;
                    }
                }
                for (size_t j = 0; j < n; j++) row[c + j] += v[j];
            }
        for (size_t c = 0; c < channels; c++) leaf[c] += row[c];
    }
    for (size_t g = 0; g < groups; g++) {
        float sum = 0;
        for (size_t c = 0; c < width; c++) sum += leaf[g * width + c];
        out[g] = sum;
    }
}

TK_CLONES void tk_group_normalize(void *out, tk_dtype out_dtype, const void *x, tk_dtype x_dtype, const float *sums,
                                  const float *squares, const void *w, tk_dtype w_dtype, const void *b,
                                  tk_dtype b_dtype, size_t begin, size_t end, size_t channels, size_t groups,
                                  float count, float eps, tk_activation activation, float *scratch) {
    float *restrict scale = scratch, *restrict mean = scratch + channels;
    const size_t width = channels / groups;
    float v[TK_CHUNK], shift[TK_CHUNK];
    for (size_t c = 0; c < channels; c++) {
        mean[c] = sums[c / width] / count;
        scale[c] = 1.0f / sqrtf(squares[c / width] / count + eps) * tk_read(w, w_dtype, c);
    }
    for (size_t c = 0; c < channels; c += TK_CHUNK) {
        const size_t n = tk_least(TK_CHUNK, channels - c);
        tk_load(shift, b, b_dtype, c, n);
        for (size_t p = begin; p < end; p++) {
            tk_load(v, x, x_dtype, p * channels + c, n);
            for (size_t j = 0; j < n; j++) v[j] = (v[j] - mean[c + j]) * scale[c + j] + shift[j];
            if (activation == TK_SILU)
                for (size_t j = 0; j < n; j++) v[j] = v[j] * tk_sigmoid(v[j]);
            tk_store(out, out_dtype, p * channels + c, v, n);
        }
    }
}

TK_CLONES void tk_response_norm(void *out, tk_dtype out_dtype, const void *x, tk_dtype x_dtype, const float *squares,
                                float norm, const void *gamma, tk_dtype gamma_dtype, const void *beta,
                                tk_dtype beta_dtype, size_t begin, size_t end, size_t channels, float all_channels,
                                float eps, float *scratch) {
    float *restrict n_ = scratch, *restrict g = scratch + channels, *restrict b = scratch + 2 * channels;
    const float divisor = norm / all_channels + eps;
    for (size_t c = 0; c < channels; c++) n_[c] = sqrtf(squares[c]) / divisor;
    tk_load(g, gamma, gamma_dtype, 0, channels);
    tk_load(b, beta, beta_dtype, 0, channels);
    float v[TK_CHUNK];
    for (size_t p = begin; p < end; p++)
        for (size_t c = 0; c < channels; c += TK_CHUNK) {
            const size_t n = tk_least(TK_CHUNK, channels - c);
            tk_load(v, x, x_dtype, p * channels + c, n);
            for (size_t j = 0; j < n; j++) v[j] = g[c + j] * (v[j] * n_[c + j]) + b[c + j] + v[j];
            tk_store(out, out_dtype, p * channels + c, v, n);
        }
}

TK_INLINE int is_extreme(tk_reduction kind) { return kind == TK_MAX || kind == TK_MIN; }

/// What a reduction of nothing gives.
TK_INLINE float nothing(tk_reduction kind) {
    return kind == TK_MAX ? -INFINITY : kind == TK_MIN ? INFINITY : 0.0f;
}

TK_INLINE void prepare(tk_reduction kind, float *restrict v, size_t n) {
    if (kind == TK_SUM_SQUARES)
        for (size_t j = 0; j < n; j++) v[j] *= v[j];
    if (kind == TK_SUM_SQRT)
        for (size_t j = 0; j < n; j++) v[j] = sqrtf(v[j]);
}

TK_CLONES float tk_reduce_run(tk_reduction kind, const void *x, tk_dtype dtype, size_t offset, size_t count) {
    float v[TK_CHUNK];
    tk_lanes sums = {{0}};
    float best = nothing(kind);
    for (size_t i = 0; i < count; i += TK_CHUNK) {
        const size_t n = tk_least(TK_CHUNK, count - i);
        tk_load(v, x, dtype, offset + i, n);
        if (kind == TK_MAX) {
            for (size_t j = 0; j < n; j++) best = v[j] > best ? v[j] : best;
        } else if (kind == TK_MIN) {
            for (size_t j = 0; j < n; j++) best = v[j] < best ? v[j] : best;
        } else {
            prepare(kind, v, n);
            tk_lanes_add(&sums, v, n);
        }
    }
    return is_extreme(kind) ? best : tk_lanes_total(&sums);
}

TK_CLONES void tk_reduce_rows(tk_reduction kind, float *out, const void *x, tk_dtype dtype, size_t offset, size_t rows,
                              size_t count) {
    float v[TK_CHUNK];
    for (size_t i = 0; i < count; i++) out[i] = nothing(kind);
    for (size_t r = 0; r < rows; r++)
        for (size_t i = 0; i < count; i += TK_CHUNK) {
            const size_t n = tk_least(TK_CHUNK, count - i);
            float *restrict sums = out + i;
            tk_load(v, x, dtype, offset + r * count + i, n);
            if (kind == TK_MAX) {
                for (size_t j = 0; j < n; j++) sums[j] = v[j] > sums[j] ? v[j] : sums[j];
            } else if (kind == TK_MIN) {
                for (size_t j = 0; j < n; j++) sums[j] = v[j] < sums[j] ? v[j] : sums[j];
            } else {
                prepare(kind, v, n);
                for (size_t j = 0; j < n; j++) sums[j] += v[j];
            }
        }
}

float tk_reduce_gather(tk_reduction kind, const void *x, tk_dtype dtype, size_t offset, const ptrdiff_t *offsets,
                       size_t count) {
    float sum = nothing(kind);
    for (size_t i = 0; i < count; i++) {
        float v = tk_read(x, dtype, offset + (size_t)offsets[i]);
        prepare(kind, &v, 1);
        if (is_extreme(kind)) sum = (kind == TK_MAX ? v > sum : v < sum) ? v : sum;
        else sum += v;
    }
    return sum;
}

TK_CLONES float tk_sum_exp(const void *x, tk_dtype dtype, size_t offset, size_t count, float max) {
    float v[TK_CHUNK];
    tk_lanes sums = {{0}};
    for (size_t i = 0; i < count; i += TK_CHUNK) {
        const size_t n = tk_least(TK_CHUNK, count - i);
        tk_load(v, x, dtype, offset + i, n);
        for (size_t j = 0; j < n; j++) v[j] = tk_expf(v[j] - max);
        tk_lanes_add(&sums, v, n);
    }
    return tk_lanes_total(&sums);
}
