#pragma once
#include <stddef.h>
#include <stdint.h>

#include "dot.h"
#include "elementwise.h"

/// Rows [begin, end) of x / sqrt(mean(x^2) + eps) * w, rows of `count`.
void tk_rms_norm(void *out, tk_dtype out_dtype, const void *x, tk_dtype x_dtype, const void *w, tk_dtype w_dtype,
                 size_t begin, size_t end, size_t count, float eps);

/// Rows [begin, end) of (x - mean) / sqrt(variance + eps) * w + b; b may be NULL.
void tk_layer_norm(void *out, tk_dtype out_dtype, const void *x, tk_dtype x_dtype, const void *w, tk_dtype w_dtype,
                   const void *b, tk_dtype b_dtype, size_t begin, size_t end, size_t count, float eps);

/// Sums of one leaf of picture rows: `pixels` pixels of `channels` values from element `offset`, `row_pixels` a row.
///
/// out[g] = the sum over the pixels and the channels of group g of x (means NULL) or of (x - means[g])^2.
/// Order: channel by channel, pixels of a row, rows, then the channels of a group. scratch: 3 * channels floats.
void tk_group_leaf(float *out, const void *x, tk_dtype dtype, size_t offset, size_t pixels, size_t row_pixels,
                   size_t channels, size_t groups, const float *means, float *scratch);

/// Pixels [begin, end) of one picture of ((x - sum/count) / sqrt(squares/count + eps)) * w + b, then the activation.
/// scratch: 2 * channels floats.
void tk_group_normalize(void *out, tk_dtype out_dtype, const void *x, tk_dtype x_dtype, const float *sums,
                        const float *squares, const void *w, tk_dtype w_dtype, const void *b, tk_dtype b_dtype,
                        size_t begin, size_t end, size_t channels, size_t groups, float count, float eps,
                        tk_activation activation, float *scratch);

/// Pixels [begin, end) of one picture of gamma * x * n + beta + x, n = sqrt(squares) / (norm / all_channels + eps).
/// scratch: 3 * channels floats.
void tk_response_norm(void *out, tk_dtype out_dtype, const void *x, tk_dtype x_dtype, const float *squares, float norm,
                      const void *gamma, tk_dtype gamma_dtype, const void *beta, tk_dtype beta_dtype, size_t begin,
                      size_t end, size_t channels, float all_channels, float eps, float *scratch);

typedef enum { TK_SUM = 0, TK_SUM_SQUARES = 1, TK_SUM_SQRT = 2, TK_MAX = 3, TK_MIN = 4 } tk_reduction;

/// One leaf along contiguous values: sum (or extreme) of `count` values from element `offset`.
float tk_reduce_run(tk_reduction kind, const void *x, tk_dtype dtype, size_t offset, size_t count);

/// One leaf along rows: out[i] = sum (or extreme) over r of row r, element i; rows of `count`, one after the other.
void tk_reduce_rows(tk_reduction kind, float *out, const void *x, tk_dtype dtype, size_t offset, size_t rows,
                    size_t count);

/// One leaf anywhere: sum (or extreme) of x[offset + offsets[i]].
float tk_reduce_gather(tk_reduction kind, const void *x, tk_dtype dtype, size_t offset, const ptrdiff_t *offsets,
                       size_t count);

/// One leaf: sum of exp(x - max) over `count` values from element `offset`.
float tk_sum_exp(const void *x, tk_dtype dtype, size_t offset, size_t count, float max);
