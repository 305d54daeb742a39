#pragma once
#include <stddef.h>
#include <stdint.h>

#include "dot.h"

/// Row `y` of a picture of `height` rows: 3x3 depthwise cross-correlation with zero padding of 1. x holds rows from
/// `lower` on. w: [3][3][channels] floats (see `tk_depthwise_weights`).
void tk_depthwise_row(void *out, tk_dtype out_dtype, const void *x, tk_dtype x_dtype, size_t lower, size_t height,
                      size_t width, size_t channels, size_t y, const float *w);

/// [channels][3][3] weights to [3][3][channels] floats.
void tk_depthwise_weights(float *out, const void *w, tk_dtype dtype, size_t channels);

/// Row `y` of the result: [Y, X, C] to [Y/2, X/2, C, 2, 2]; x points to the two rows that it reads.
void tk_space_to_depth_row(void *out, tk_dtype out_dtype, const void *x, tk_dtype x_dtype, size_t width,
                           size_t channels);

/// Two rows of the result from one row of [X, 2, 2, C].
void tk_depth_to_space_row(void *out, tk_dtype out_dtype, const void *x, tk_dtype x_dtype, size_t width,
                           size_t channels);

/// Rows [begin, end): out[r][i] = in[r][i] + bias[i] for `count` columns; out rows are `count` long.
void tk_add_bias(void *out, tk_dtype out_dtype, size_t out_offset, const float *in, const void *bias,
                 tk_dtype bias_dtype, size_t rows, size_t count);
